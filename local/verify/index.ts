/** What `usdf verify` does: a canary through each environment of a stack. */
export { sendCanary, type Journey } from "./journey";
export { type Hop, hops, type Place } from "./place";
export { verifyStack, type StackVerified, type VerifyOptions } from "./verify";
