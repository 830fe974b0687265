export { environmentOf, prefixOf, secretName } from "./environment";
export { secretFields } from "./secretFields";
export { Sasquatch, type SasquatchArgs } from "./sasquatch";
