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
export {
  type Aggregate,
  type BridgeConfig,
  brokerIds,
  type ClientConfig,
  type ConnectConfig,
  type ConnectorPart,
  type EnvironmentClient,
  type JdbcSink,
  type KafkaClusterConfig,
  type KafkaPoolConfig,
  type MirrorConfig,
  type ParquetSink,
  type RegistryConfig,
  type RestConfig,
  type SasquatchConfig,
  type SasquatchEnvironment,
  type Selector,
} from "./sasquatch";
export { loadStackConfig, rawStackConfig, StackConfigError, stackJsonSchema, type StackConfig } from "./stack";
