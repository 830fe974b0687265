import { coordinateSystems, domes, type NextVisit, rotationSystems } from "../lib/visits";
import type { Pointing } from "./rawGroup";

/** SAL's fields of `ScriptQueue.logevent_nextVisit`, in the order of its schema. */
const fields: readonly (readonly [name: string, type: "double" | "long" | "string" | "position", about: string])[] = [
  ["private_efdStamp", "double", "When it was published (UTC, s)"],
  ["private_kafkaStamp", "double", "When it was given to Kafka (TAI, s)"],
  ["salIndex", "long", "Script queue"],
  ["private_revCode", "string", "Digest of the schema"],
  ["private_sndStamp", "double", "When it was published (TAI, s)"],
  ["private_rcvStamp", "double", "When it was received (TAI, s)"],
  ["private_seqNum", "long", "Number of the message"],
  ["private_identity", "string", "Who published it"],
  ["private_origin", "long", "Process that published it"],
  ["scriptSalIndex", "long", "Script"],
  ["groupId", "string", "Group of the exposures"],
  ["coordinateSystem", "long", "Frame of position: 1 none, 2 ICRS, 3 observed, 4 mount"],
  ["position", "position", "Boresight (deg)"],
  ["startTime", "double", "Expected begin (TAI, s)"],
  ["rotationSystem", "long", "Frame of cameraAngle: 1 none, 2 sky, 3 horizon, 4 mount"],
  ["cameraAngle", "double", "Rotation (deg)"],
  ["filters", "string", "Physical filter; empty: any"],
  ["dome", "long", "1 closed, 2 open, 3 either"],
  ["duration", "double", "Duration of the script (s)"],
  ["nimages", "long", "Snaps; 0: unknown"],
  ["instrument", "string", "Instrument, as the Butler names it"],
  ["survey", "string", "Survey"],
  ["totalCheckpoints", "long", "Checkpoints of the script"],
];

/** Avro schema of next_visit as SAL has it; every field has a default. */
export const nextVisitSchema = {
  type: "record",
  name: "logevent_nextVisit",
  namespace: "lsst.sal.ScriptQueue",
  sal_version: "7.4.0",
  xml_version: "19.0.0",
  fields: fields.map(([name, type, description]) => {
    if (type === "position") return { name, type: { type: "array", items: "double" }, default: [0, 0], description };
    return { name, type, default: type === "string" ? "" : 0, description };
  }),
};

/** Names of its fields. */
export const nextVisitFields: readonly string[] = fields.map(([name]) => name);

/** A next_visit event with all its fields, ready to be encoded. */
export interface NextVisitEvent extends NextVisit {
  readonly private_efdStamp: number;
  readonly private_kafkaStamp: number;
  readonly private_revCode: string;
  readonly private_rcvStamp: number;
  readonly private_seqNum: number;
  readonly private_identity: string;
  readonly private_origin: number;
}

export interface NextVisitOf {
  readonly instrument: string;
  readonly group: string;
  readonly salIndex: number;
  readonly pointing: Pointing;
  readonly physicalFilter: string;
  readonly survey: string;
  readonly snaps: number;
  readonly durationSeconds: number;
  /** Begin of the first exposure, and when the event is published; ms since 1970. */
  readonly beginTaiMs: number;
  readonly sentTaiMs: number;
  readonly sentUtcMs: number;
}

/** The event as the observatory's script queue publishes it. */
export function nextVisitOf(visit: NextVisitOf): NextVisitEvent {
  const { position, rotation } = visit.pointing;
  return {
    private_efdStamp: visit.sentUtcMs / 1000,
    private_kafkaStamp: visit.sentTaiMs / 1000,
    salIndex: visit.salIndex,
    private_revCode: "c9aab3df",
    private_sndStamp: visit.sentTaiMs / 1000,
    private_rcvStamp: 0,
    private_seqNum: 0,
    private_identity: "ScriptQueue",
    private_origin: 0,
    scriptSalIndex: visit.salIndex,
    groupId: visit.group,
    coordinateSystem: coordinateSystems[position === null ? "NONE" : "ICRS"],
    position: position ?? [0, 0],
    startTime: visit.beginTaiMs / 1000,
    rotationSystem: rotationSystems[rotation === null ? "NONE" : "SKY"],
    cameraAngle: rotation ?? 0,
    filters: visit.physicalFilter,
    dome: domes.OPEN,
    duration: visit.durationSeconds,
    nimages: visit.snaps,
    instrument: visit.instrument,
    survey: visit.survey,
    totalCheckpoints: 1,
  };
}
