/** Exposures and visits, from the Butler's registry. */
export { rowOwners } from "./owners";
export { type FoundRecords, type RecordSource, Registry } from "./registry";
export { findRegistry, type RegistryPlace, type RepositoryEnv } from "./repository";
