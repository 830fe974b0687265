import { FacilityError } from "../errors";

/** The registry does not answer, or not as a registry does: the same message can be read later. */
export class RegistryUnavailableError extends FacilityError {
  readonly code = "REGISTRY_UNAVAILABLE";
  readonly retryable = true;
  constructor(
    readonly url: string,
    reason: string,
  ) {
    super(`The schema registry ${url} cannot be asked: ${reason}.`);
  }
}

/** The registry has no schema of that id: the message was written with another registry, or with none. */
export class UnknownSchemaError extends FacilityError {
  readonly code = "SCHEMA_UNKNOWN";
  readonly retryable = false;
  constructor(
    readonly schemaId: number,
    url: string,
  ) {
    super(
      `The schema registry ${url} has no schema ${schemaId}. Give the registry that the producer uses, of its own cluster.`,
    );
  }
}

/** The schema is there, but nothing that this program can read by. */
export class UnsupportedSchemaError extends FacilityError {
  readonly code = "SCHEMA_UNSUPPORTED";
  readonly retryable = false;
  constructor(
    readonly schemaId: number,
    reason: string,
  ) {
    super(`Cannot read by schema ${schemaId}: ${reason}.`);
  }
}

/** The bytes of a message are not what its schema, or the wire format, says. */
export class AvroMessageError extends FacilityError {
  readonly code = "MESSAGE";
  readonly retryable = false;
  constructor(reason: string) {
    super(`Cannot read the message: ${reason}.`);
  }
}
