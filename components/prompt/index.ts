export { PromptProcessing, type PromptProcessingArgs } from "./prompt";
