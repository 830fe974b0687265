/** Exposures and visits, from the Butler's registry. */
export { type FoundRecords, type RecordSource, Registry } from "./registry";
export { findRegistry, type RegistryPlace, type RepositoryEnv } from "./repository";
