export { usdfOutputs } from "./reader";
export {
  type EfdEnvironmentOutputs,
  type EnvironmentOutputs,
  type Outputs,
  outputsVersion,
  type StackOutputs,
  stackOutputsSchema,
} from "./schema";
