export { createEfdClient, type EfdOptions, efdUrl } from "./client";
export { EfdError } from "./errors";
