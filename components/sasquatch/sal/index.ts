import { readFileSync } from "node:fs";
import { join } from "node:path";

/** What all names of SAL begin with. */
export const salNamespace = "lsst.sal";

/** A topic that the interface definitions of the CSCs know. */
export interface SalTopic {
  /** `lsst.sal.<component>.<topic>` */
  readonly name: string;
  /** The CSC. */
  readonly component: string;
  /** Fields of a message, with the private ones. */
  readonly fields: number;
  /** Fields of a point: each element of an array is one. */
  readonly flattened: number;
  /** Names that two fields of a point have, because arrays are flattened without a separator: one would overwrite the other. */
  readonly collisions: readonly string[];
}

let topics: readonly SalTopic[] | undefined;

/** All topics of SAL, in order of their names; read when first asked for. */
export function salTopics(): readonly SalTopic[] {
  topics ??= readFileSync(join(__dirname, "topics.tsv"), "utf8")
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => {
      const [component, topic, fields, flattened, collisions] = line.split("\t");
      return {
        name: `${salNamespace}.${component}.${topic}`,
        component: component!,
        fields: Number(fields),
        flattened: Number(flattened),
        collisions: collisions?.split(",") ?? [],
      };
    });
  return topics;
}
