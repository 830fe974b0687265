import { table } from "../efd/table";
import { findingsOf, type TopicsAudit } from "./audit";

/** Names shown of each sort; all are in --json. */
const shownNames = 20;

/** One environment: a row a CSC, then the names behind the numbers. */
export function showAudit(audit: TopicsAudit): string {
  const rows = audit.components.map((one) => [
    one.component,
    ...[one.topics, one.stored, one.storedTwice, one.notStored, one.leftOut].map(numberText),
    one.connectors.join(", "),
  ]);
  const sections = [
    names("stored by no connector", audit.notStored),
    names("mirrored and stored by no connector", audit.mirroredNotStored),
    names(
      "stored twice",
      audit.storedTwice.map(({ topic, connectors }) => `${topic}  (${connectors.join(", ")})`),
    ),
    names(
      "dead selectors",
      audit.dead.map(({ entry, name }) => (name === undefined ? entry : `${entry}: ${name}`)),
    ),
    names(
      "fields of one name",
      audit.colliding
        .filter(({ reason }) => reason === undefined)
        .map(({ topic, fields }) => `${topic}: ${fields.join(", ")}`),
    ),
  ];
  const head = ["component", "topics", "stored", "twice", "not stored", "left out", "connectors"];
  return [`${summaryOf(audit)}\n\n${table(head, rows)}`, ...sections.filter((one) => one !== "")].join("\n\n");
}

/** Several environments: a line each, and what was found. */
export function showAudits(audits: readonly TopicsAudit[]): string {
  const lines = audits.flatMap((audit) => [
    summaryOf(audit),
    ...findingsOf(audit).map(({ level, object, message }) => `  ${level.padEnd(7)}  ${object}: ${message}`),
  ]);
  return lines.join("\n");
}

const numberText = (number: number) => (number === 0 ? "" : String(number));

function summaryOf(audit: TopicsAudit): string {
  const { environment, topics, stored, notStored, mirroredNotStored, storedTwice, leftOut, dead } = audit;
  const counts = [
    `${topics} topics`,
    `${stored} stored`,
    `${storedTwice.length} twice`,
    `${notStored.length + mirroredNotStored.length} not stored`,
    `${leftOut.length} left out`,
    `${dead.length} dead selectors`,
  ];
  return `${environment}: ${counts.join(", ")}`;
}

function names(title: string, all: readonly string[]): string {
  if (all.length === 0) return "";
  const more = all.length > shownNames ? [`  … and ${all.length - shownNames} more (--json)`] : [];
  return [`${title}: ${all.length}`, ...all.slice(0, shownNames).map((one) => `  ${one}`), ...more].join("\n");
}
