export { topicObjectName } from "../../kafka/topicName";

/** Topic of the schemas, as every environment names it. */
export const schemasTopic = "registry-schemas";
