export { usdfOutputs } from "./reader";
export {
  type EfdEnvironmentOutputs,
  type EnvironmentOutputs,
  type Outputs,
  outputsVersion,
  type PromptEnvironmentOutputs,
  type SasquatchEnvironmentOutputs,
  type StackOutputs,
  stackOutputsSchema,
} from "./schema";
