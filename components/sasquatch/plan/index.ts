export type * from "./model";
export { schemasTopic, topicObjectName } from "./names";
export { planOf } from "./plan";
