import Table from "cli-table3";
import type { Size } from "./size";

const style = { head: [], border: [] };
const units = ["B", "kB", "MB", "GB", "TB", "PB"];

/** Bytes for a person, e.g. `1.5 TB`; powers of 1,000, as disks are sold. */
export function bytesText(bytes: number): string {
  let [amount, unit] = [bytes, 0];
  while (amount >= 999.5 && unit < units.length - 1) [amount, unit] = [amount / 1000, unit + 1];
  return `${amount >= 99.5 || unit === 0 ? amount.toFixed(0) : amount.toFixed(amount >= 9.95 ? 1 : 2)} ${units[unit]}`;
}

const daysText = (days: number | undefined) =>
  days === undefined ? "never" : days >= 730 ? `${(days / 365).toFixed(1)} years` : `${days.toFixed(days < 10 ? 1 : 0)} days`; // prettier-ignore

/** The tables of `usdf sasquatch size`. */
export function sizeText(environment: string, { groups, buckets, disks }: Size): string {
  const kafka = new Table({ head: ["topics in Kafka", "", "bytes/s", "messages/s", "kept", "on all brokers"], style });
  for (const {
    name,
    topics,
    bytesPerSecond,
    messagesPerSecond,
    retentionDays: { min, max },
    kafkaBytes,
    isAssumed,
  } of groups)
    // prettier-ignore
    kafka.push([
      `${name}${isAssumed ? " *" : ""}`,
      topics,
      bytesText(bytesPerSecond),
      messagesPerSecond.toFixed(messagesPerSecond < 10 ? 1 : 0),
      min === max ? daysText(min) : `${min.toFixed(1)}-${daysText(max)}`,
      bytesText(kafkaBytes),
    ]);
  const influx = new Table({ head: ["bucket", "kept", "a day", "in all"], style });
  for (const { name, retentionDays, bytesPerDay, steadyBytes } of buckets)
    influx.push([name, retentionDays === 0 ? "for ever" : daysText(retentionDays), bytesText(bytesPerDay), bytesText(steadyBytes)]); // prettier-ignore
  const disk = new Table({ head: ["disk", "size", "comes to", "%", "full in", ""], style });
  for (const { name, capacityBytes, steadyBytes, fillPercent, fullInDays, verdict } of disks)
    disk.push([name, bytesText(capacityBytes), bytesText(steadyBytes), fillPercent.toFixed(0), daysText(fullInDays), verdict]); // prettier-ignore
  const notes = disks.flatMap(({ message }) => (message === undefined ? [] : [message]));
  if (groups.some(({ isAssumed }) => isAssumed))
    notes.push("* of some topics nothing is known: 1 kB/s each is assumed. Give their rates with --rates.");
  return [`Sasquatch ${environment}`, kafka.toString(), influx.toString(), disk.toString(), ...notes].join("\n");
}
