import type { DesiredState } from "../../../workloads/src/influxdb-setup/contract";
import type { Environment } from "../environment";

/** User of Kapacitor: it reads all buckets, and subscribes to none. */
export const kapacitorUser = "kapacitor";

/** What the set-up makes of an InfluxDB, from the plan. */
export function desiredState({ plan, settings }: Pick<Environment, "plan" | "settings">): DesiredState {
  const { mayShortenRetention } = settings.influxdb;
  const reads = new Map<string, string[]>();
  const writes = new Map<string, string[]>();
  const add = (map: typeof reads, user: string, bucket: string) => map.set(user, [...(map.get(user) ?? []), bucket]);
  for (const { name, readers, writers } of plan.buckets) {
    for (const user of [...readers, ...(settings.kapacitor ? [kapacitorUser] : [])]) add(reads, user, name);
    for (const user of writers) add(writes, user, name);
  }
  const users = [...new Set([...reads.keys(), ...writes.keys()])].sort();
  return {
    buckets: plan.buckets.map(({ name, retentionSeconds, shardGroupSeconds }) => ({
      name,
      retentionSeconds,
      shardGroupSeconds,
      allowShorterRetention: mayShortenRetention.includes(name),
    })),
    users: users.map((name) => ({ name, reads: reads.get(name) ?? [], writes: writes.get(name) ?? [] })),
    rungs: plan.buckets.flatMap(({ name, downsampled }) =>
      downsampled === undefined ? [] : [{ from: downsampled.from, to: name, everySeconds: downsampled.everySeconds }],
    ),
    deadmen: plan.buckets.flatMap(({ name, deadmanSeconds }) =>
      deadmanSeconds === undefined ? [] : [{ bucket: name, afterSeconds: deadmanSeconds }],
    ),
  };
}
