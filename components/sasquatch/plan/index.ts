export type * from "./model";
export { topicObjectName } from "./names";
export { planOf, schemasTopic } from "./plan";
