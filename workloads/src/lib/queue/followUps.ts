import type { Redis } from "ioredis";
import { redisKey } from "../redisKeys";
import { followUpPrefix, scriptsOf } from "./scripts";

/** Work after ingest. `visit`: define the visits of an exposure; `webhook`: tell the image database of new files. */
export type FollowUp =
  | { readonly kind: "visit"; readonly instrument: string; readonly exposure: string }
  | { readonly kind: "webhook"; readonly expId: string; readonly filenames: readonly string[] };

/** Follow-ups of a bucket: taken with a hold time, so that a crash repeats them and two pods do not do the same. */
export class FollowUps {
  private readonly key: string;
  private readonly attemptsKey: string;
  constructor(
    private readonly redis: Redis,
    private readonly bucket: string,
  ) {
    this.key = redisKey.followUp(bucket);
    this.attemptsKey = redisKey.followUpAttempts(bucket);
  }

  /** Due work, oldest first, hidden from others for `holdMs`. The text is what {@link done} and {@link retry} take. */
  async take(limit: number, holdMs: number): Promise<{ text: string; followUp: FollowUp }[]> {
    const texts = (await scriptsOf(this.redis).takeFollowUps(this.key, Date.now(), limit, holdMs)) as string[];
    return texts.map((text) => ({ text, followUp: JSON.parse(text) as FollowUp }));
  }

  async done(text: string): Promise<void> {
    await this.redis.multi().zrem(this.key, text).hdel(this.attemptsKey, text).exec();
  }

  /** Notes a failed attempt; after `maxAttempts` the work becomes a dead letter `followup:<text>`. @returns whether it did. */
  async retry(
    text: string,
    failure: { code: string; reason: string; maxAttempts: number; delayMs: (attempt: number) => number },
  ): Promise<boolean> {
    const attempts = await this.redis.hincrby(this.attemptsKey, text, 1);
    if (attempts < failure.maxAttempts) {
      await this.redis.zadd(this.key, "XX", Date.now() + failure.delayMs(attempts), text);
      return false;
    }
    const letter = JSON.stringify({
      code: failure.code,
      reason: failure.reason.slice(0, 2_000),
      attempts,
      sinceMs: Date.now(),
      deadMs: Date.now(),
    });
    await this.redis
      .multi()
      .hset(redisKey.dead(this.bucket), `${followUpPrefix}${text}`, letter)
      .zrem(this.key, text)
      .hdel(this.attemptsKey, text)
      .exec();
    return true;
  }

  count(): Promise<number> {
    return this.redis.zcard(this.key);
  }
}
