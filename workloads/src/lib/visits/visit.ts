import { FacilityError } from "../errors";
import { pythonFloat, pythonFloats, pythonInt, readPythonFloat, readPythonFloats, readPythonInt } from "./pythonText";

/** Frame of {@link NextVisit.position}. */
export const coordinateSystems = { NONE: 1, ICRS: 2, OBSERVED: 3, MOUNT: 4 } as const;
/** Frame of {@link NextVisit.cameraAngle}. */
export const rotationSystems = { NONE: 1, SKY: 2, HORIZON: 3, MOUNT: 4 } as const;
export const domes = { CLOSED: 1, OPEN: 2, EITHER: 3 } as const;

/** What `next_visit` announces, in the fields that workers get; names as in the SAL event. */
export interface NextVisit {
  /** Script queue; for tests the visit's number, see the fan-out's test visits. */
  readonly salIndex: number;
  readonly scriptSalIndex: number;
  /** Short name in the Middleware; empty when it is no observation. */
  readonly instrument: string;
  /** Name of the Butler's group. */
  readonly groupId: string;
  /** One of {@link coordinateSystems}. */
  readonly coordinateSystem: number;
  /** (ra, dec) or (az, alt), degrees; means nothing without a coordinate system. */
  readonly position: readonly number[];
  /** Expected start of the exposures, TAI seconds since 1970. */
  readonly startTime: number;
  /** One of {@link rotationSystems}. */
  readonly rotationSystem: number;
  /** Degrees. */
  readonly cameraAngle: number;
  /** Physical filter, filter~grating; empty when any. */
  readonly filters: string;
  /** One of {@link domes}. */
  readonly dome: number;
  /** Of the script without the slew before it, seconds. */
  readonly duration: number;
  /** Snaps; 0: not known. */
  readonly nimages: number;
  readonly survey: string;
  readonly totalCheckpoints: number;
  /** When it was sent, TAI seconds since 1970. */
  readonly private_sndStamp: number;
}

/** A visit as one worker gets it. */
export interface FannedOutVisit extends NextVisit {
  readonly detector: number;
}

export type VisitErrorCode = "FIELD_MISSING" | "FIELD_TYPE" | "FIELD_VALUE" | "ENUM_VALUE";

/** A next_visit that no worker could process. */
export class VisitError extends FacilityError {
  readonly retryable = false;
  constructor(
    readonly code: VisitErrorCode,
    readonly field: string,
    reason: string,
  ) {
    super(`Cannot read field ${field} of next_visit: ${reason}.`);
  }
}

type Kind = "int" | "float" | "floats" | "text" | Readonly<Record<string, number>>;

/** Every field, in the order of a stream entry. */
const kinds: Readonly<Record<keyof NextVisit, Kind>> = {
  salIndex: "int",
  scriptSalIndex: "int",
  instrument: "text",
  groupId: "text",
  coordinateSystem: coordinateSystems,
  position: "floats",
  startTime: "float",
  rotationSystem: rotationSystems,
  cameraAngle: "float",
  filters: "text",
  dome: domes,
  duration: "float",
  nimages: "int",
  survey: "text",
  totalCheckpoints: "int",
  private_sndStamp: "float",
};
const fieldNames = Object.keys(kinds) as (keyof NextVisit)[];

/**
 * A visit of a decoded record. Fields that workers do not get are not looked at.
 * @throws {@link VisitError} for what a worker could not read or use.
 */
export function visitOf(record: Readonly<Record<string, unknown>>): NextVisit {
  return checked(readAll((name) => plainValue(name, record[name])));
}

/**
 * A visit of a stream entry's fields.
 * @throws {@link VisitError}, also for `position` `[]`, which is no pair; `nan` is a number to Python.
 */
export function visitOfFields(fields: Readonly<Record<string, string>>): FannedOutVisit {
  const visit = checked(readAll((name) => textValue(name, fields[name])));
  const detector = textInt("detector", fields.detector);
  if (detector < 0) throw new VisitError("FIELD_VALUE", "detector", `${detector} is negative`);
  return { ...visit, detector };
}

/** Number of the attempt that an entry is, from 1. */
export function attemptOf(fields: Readonly<Record<string, string>>): number {
  return Math.max(1, readPythonInt(fields.attempt ?? "") ?? 1);
}

/** Names and values of a stream entry's fields, all but `detector`, one after the other: numbers as Python writes them. */
export function visitFields(visit: NextVisit): string[] {
  return fieldNames.flatMap((name) => [name, entryText(name, visit)]);
}

/** The visit of one detector as the JSON that Python would write, which may hold `NaN`. */
export function visitJson(visit: NextVisit, detector: number): string {
  const parts = fieldNames.map((name) => {
    const value = visit[name];
    const text = typeof value === "string" ? JSON.stringify(value) : jsonNumbers(entryText(name, visit));
    return `"${name}": ${text}`;
  });
  return `{${parts.join(", ")}, "detector": ${detector}}`;
}

const jsonNumbers = (text: string) => text.replaceAll("nan", "NaN").replaceAll("inf", "Infinity");

function entryText(name: keyof NextVisit, visit: NextVisit): string {
  const [kind, value] = [kinds[name], visit[name]];
  if (kind === "text") return value as string;
  if (kind === "float") return pythonFloat(value as number);
  if (kind === "floats") return pythonFloats(value as number[]);
  return pythonInt(value as number);
}

function readAll(read: (name: keyof NextVisit) => unknown): NextVisit {
  const visit: Record<string, unknown> = {};
  for (const name of fieldNames) visit[name] = read(name);
  return visit as unknown as NextVisit;
}

function plainValue(name: keyof NextVisit, value: unknown): unknown {
  if (value === undefined || value === null) throw new VisitError("FIELD_MISSING", name, "it is missing");
  const kind = kinds[name];
  const fits =
    kind === "text"
      ? typeof value === "string"
      : kind === "float"
        ? typeof value === "number"
        : kind === "floats"
          ? Array.isArray(value) && value.every((one) => typeof one === "number")
          : Number.isSafeInteger(value);
  if (!fits) throw new VisitError("FIELD_TYPE", name, `${shown(value)} is no ${kindName(kind)}`);
  return value;
}

function textValue(name: keyof NextVisit, text: string | undefined): unknown {
  const kind = kinds[name];
  if (kind !== "text" && kind !== "float" && kind !== "floats") return textInt(name, text);
  if (text === undefined) throw new VisitError("FIELD_MISSING", name, "it is missing");
  const value = kind === "text" ? text : kind === "float" ? readPythonFloat(text) : readPythonFloats(text);
  if (value === undefined) throw new VisitError("FIELD_TYPE", name, `${shown(text)} is no ${kindName(kind)}`);
  return value;
}

function textInt(name: string, text: string | undefined): number {
  if (text === undefined) throw new VisitError("FIELD_MISSING", name, "it is missing");
  const value = readPythonInt(text);
  if (value === undefined) throw new VisitError("FIELD_TYPE", name, `${shown(text)} is no whole number`);
  return value;
}

function checked(visit: NextVisit): NextVisit {
  for (const name of fieldNames) {
    const [kind, value] = [kinds[name], visit[name]];
    if (typeof kind !== "object" || Object.values(kind).includes(value as number)) continue;
    const known = Object.entries(kind).map(([word, number]) => `${word} ${number}`);
    throw new VisitError("ENUM_VALUE", name, `${String(value)} is none of ${known.join(", ")}`);
  }
  const { position, duration, nimages, private_sndStamp: sndStamp } = visit;
  const refuse = (field: string, reason: string) => new VisitError("FIELD_VALUE", field, reason);
  if (visit.instrument === "") throw refuse("instrument", "it is empty");
  if (visit.groupId === "") throw refuse("groupId", "it is empty");
  if (position.length !== 2) throw refuse("position", `it has ${position.length} coordinates, not two`);
  if (!(duration >= 0 && duration < Infinity)) throw refuse("duration", `${duration} is no number of seconds`);
  if (nimages < 0) throw refuse("nimages", `${nimages} is negative`);
  if (!Number.isFinite(sndStamp)) throw refuse("private_sndStamp", `${sndStamp} is no time`);
  return visit;
}

function kindName(kind: Kind): string {
  if (kind === "text") return "text";
  if (kind === "float") return "number";
  return kind === "floats" ? "list of numbers" : "whole number";
}

function shown(value: unknown): string {
  const text = typeof value === "bigint" ? String(value) : JSON.stringify(value);
  return text.length > 100 ? `${text.slice(0, 100)}…` : text;
}
