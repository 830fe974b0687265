import { metrics } from "./metrics";

/** How far a connector is behind, over all of its partitions: two gauges, however many topics there are. */
export class Lag {
  private readonly partitions = new Map<string, { end: bigint; stored: bigint | undefined }>();

  /** @param end - Offset after the last record that the broker has, as of a fetch. */
  seen(topic: string, partition: number, end: string): void {
    const key = `${topic}/${partition}`;
    const known = this.partitions.get(key);
    if (known) known.end = BigInt(end);
    else this.partitions.set(key, { end: BigInt(end), stored: undefined });
  }

  stored(topic: string, partition: number, offset: bigint): void {
    const known = this.partitions.get(`${topic}/${partition}`);
    if (known) known.stored = offset;
  }

  publish(): void {
    let sum = 0;
    let most = 0;
    for (const { end, stored } of this.partitions.values()) {
      if (stored === undefined) continue;
      const lag = Math.max(0, Number(end - stored));
      sum += lag;
      most = Math.max(most, lag);
    }
    metrics.lag.set(sum);
    metrics.lagMost.set(most);
  }

  clear(): void {
    this.partitions.clear();
  }
}
