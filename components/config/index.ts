export type { CephConfig, CephEndpoint, CephTopic } from "./ceph";
export { type EfdBackfill, type EfdConfig, type EfdEnvironment, failureMonitorName } from "./efd";
export {
  type EmbargoConfig,
  type EmbargoEnvironment,
  imageOf,
  isAdopting,
  kubeContextOf,
  type LoadBalancer,
} from "./embargo";
export type { PlatformConfig } from "./platform";
export type {
  Aggregate,
  ClientConfig,
  ConnectorPart,
  EnvironmentClient,
  JdbcSink,
  MirrorConfig,
  ParquetSink,
  SasquatchConfig,
  SasquatchEnvironment,
  Selector,
} from "./sasquatch";
export { loadStackConfig, rawStackConfig, StackConfigError, stackJsonSchema, type StackConfig } from "./stack";
