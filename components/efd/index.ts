export { environmentOf, secretFields, secretName } from "./environment";
export { TransformedEfd, type TransformedEfdArgs } from "./transformedEfd";
