export { type RelayOptions, type RunningRelay, startRelay } from "./relay";
