import type { Redis } from "ioredis";
import { scriptsOf } from "./scripts";
import type { StreamGroup } from "./streams";

/**
 * Makes the group's lag right, by which KEDA starts workers. Redis 7.0 keeps in its append-only file what was given to whom, but
 * not how many entries that were: after a start from it the lag is nothing, or too large for good.
 * @returns whether it was wrong.
 */
export async function countLag(redis: Redis, { stream, consumerGroup }: StreamGroup): Promise<boolean> {
  return (await scriptsOf(redis).countLag(stream, consumerGroup)) === 1;
}
