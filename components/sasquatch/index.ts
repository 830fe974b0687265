export { environmentOf, prefixOf, secretName } from "./environment";
export { secretFields } from "./secretFields";
export { Sasquatch, type SasquatchArgs } from "./sasquatch";
export { kafkaTopics } from "./topics";
export { kafkaUsers } from "./users";
