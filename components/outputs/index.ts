export { usdfOutputs } from "./reader";
export { type EnvironmentOutputs, type Outputs, outputsVersion, type StackOutputs, stackOutputsSchema } from "./schema";
