export { AvroMessageError, RegistryUnavailableError, UnknownSchemaError, UnsupportedSchemaError } from "./errors";
export { type AvroMessage, AvroRegistry, type RegistryOptions } from "./registry";
export { AvroSchema, headBytes, schemaIdOf, typeOf } from "./schema";
