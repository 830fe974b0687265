export { type Alert, alertRules } from "./alerts";
export { volumeClaim } from "./claim";
export { clusterProvider, KubeContextError, requireKubeContexts, runsInEngine } from "./cluster";
export {
  type Container,
  foreignProgram,
  type ForeignProgramArgs,
  type Probe,
  type Probes,
  program,
  type ProgramArgs,
  type Resources,
  type VolumeMount,
} from "./container";
export { customResource } from "./custom";
export { type ContainerEnv, type EnvValue, envVars, podFields } from "./env";
export { usdfImage } from "./images";
export { networkPolicySpec, type Opening, type Peer, type PodSelector, portOf } from "./network";
export { redisPod, type RedisArgs } from "./redis";
export type { Trigger } from "./scaledJob";
export { awaited, clusterService, givenByCluster } from "./service";
export { defaultUser, podTemplate, type PodUser, type Volume } from "./pod";
export {
  type SecretForm,
  type SecretKeyReference,
  SecretReference,
  secretValue,
  type VaultField,
  vaultMark,
} from "./secrets";
export { vaultProvider, vaultReader, type VaultReader } from "./vault";
export { type Claim, type Run, Workload, type WorkloadArgs } from "./workload";
export { WorkloadGroup } from "./workloadGroup";
