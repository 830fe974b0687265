export { readNetworks } from "./cidr";
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
  compatibilityAxes,
  listText,
  type Need,
  needsOf,
  pipelinesText,
  type PromptConfig,
  type PromptEnvironment,
  type ResolvedService,
  serviceOf,
  servicesOf,
  workerNodes,
} from "./prompt";
export {
  type Aggregate,
  type BridgeConfig,
  brokerIds,
  type ChronografConfig,
  type Client,
  type ClientConfig,
  clientsOf,
  type ConnectConfig,
  type Connector,
  type ConnectorPart,
  type EnvironmentClient,
  type InfluxdbConfig,
  type InfluxdbInstance,
  type InfluxdbSettings,
  type JdbcSink,
  type KapacitorConfig,
  kafkaUserOf,
  ladderBucket,
  type KafkaClusterConfig,
  type KafkaPoolConfig,
  type MirrorConfig,
  mirroredSelectors,
  type ParquetSink,
  type RegistryConfig,
  type RestConfig,
  type SasquatchConfig,
  type SasquatchEnvironment,
  secondsOf,
  type Selector,
} from "./sasquatch";
export { loadStackConfig, rawStackConfig, StackConfigError, stackJsonSchema, type StackConfig } from "./stack";
