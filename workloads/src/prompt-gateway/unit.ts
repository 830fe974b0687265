import type { Redis } from "ioredis";
import { redisScripts } from "../lib/redisScripts";
import { promptKey, type StreamEntry, type StreamGroup } from "../lib/visits";
import type { Grant } from "./protocol";

/** How long it is known that a (visit, detector) was committed, seconds. */
export const unitLifetimeSeconds = 604_800;

/**
 * The fence before a commit. KEYS: stream, unit. ARGV: group, entry id, consumer, attempt, lifetime s, at. Granted when the entry
 * is still this consumer's, the unit is not done and no other entry that someone holds is committing it; that it is
 * committing is then known before the answer. Returns {granted|lost|done|busy, whether an earlier commit is uncertain}.
 */
const commitScript = `
local call = redis.call
local pending = call('XPENDING', KEYS[1], ARGV[1], ARGV[2], ARGV[2], 1)[1]
if not pending or pending[2] ~= ARGV[3] then return {'lost', 0} end
local unit = call('HMGET', KEYS[2], 'state', 'entry')
if unit[1] == 'done' then return {'done', 0} end
local other = unit[1] == 'committing' and unit[2] ~= ARGV[2]
if other and #call('XPENDING', KEYS[1], ARGV[1], unit[2], unit[2], 1) > 0 then return {'busy', 0} end
call('HSET', KEYS[2], 'state', 'committing', 'entry', ARGV[2], 'owner', ARGV[3], 'attempt', ARGV[4], 'at', ARGV[6])
call('EXPIRE', KEYS[2], ARGV[5])
call('XCLAIM', KEYS[1], ARGV[1], ARGV[3], 0, ARGV[2], 'JUSTID')
return {'granted', other and 1 or 0}`;

/** KEYS: stream. ARGV: group, consumer. Deletes a consumer that holds nothing: with it would go what it has pending. */
const leaveScript = `
if #redis.call('XPENDING', KEYS[1], ARGV[1], '-', '+', 1, ARGV[2]) > 0 then return 0 end
redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], ARGV[2])
return 1`;

const scriptsOf = redisScripts("gateway", {
  commit: { numberOfKeys: 2, lua: commitScript },
  leave: { numberOfKeys: 1, lua: leaveScript },
});

/** Why a commit is not granted. */
const refusals = {
  lost: "this worker was silent for too long and its visit was given to another one",
  done: "the visit is committed already",
  busy: "another worker commits a visit of the same group and detector",
} as const;

/** Ends a consumer; one that still holds an entry stays, and what it holds is given to others when its lease is over. */
export async function leave(redis: Redis, { stream, consumerGroup }: StreamGroup, consumer: string): Promise<void> {
  await scriptsOf(redis).leave(stream, consumerGroup, consumer);
}

/** One (visit, detector) as the worker that holds its entry sees it. Each step may be repeated. */
export class Unit {
  private readonly key: string;

  constructor(
    private readonly redis: Redis,
    private readonly target: StreamGroup,
    private readonly consumer: string,
    private readonly entry: StreamEntry,
    private readonly attempt: number,
  ) {
    const { instrument, groupId, detector } = entry.fields;
    this.key = promptKey.unit(instrument!, groupId!, Number(detector));
  }

  /** How far it is: `new`, `committing` by someone who never told the end, or `done`. */
  async state(): Promise<"new" | "committing" | "done"> {
    return ((await this.redis.hget(this.key, "state")) as "committing" | "done" | null) ?? "new";
  }

  /** Gives a sign of life. @returns whether the entry is still this worker's. */
  async renew(): Promise<boolean> {
    const { stream, consumerGroup } = this.target;
    const held = await this.redis.xclaim(stream, consumerGroup, this.consumer, 0, this.entry.id, "JUSTID");
    return held.length > 0;
  }

  /** Asks to commit. That the unit is committing is durable before it is granted. */
  async commit(): Promise<Grant & { readonly verdict: keyof typeof refusals | "granted" }> {
    const { stream, consumerGroup } = this.target;
    const [verdict, uncertain] = (await scriptsOf(this.redis).commit(
      ...[stream, this.key, consumerGroup, this.entry.id, this.consumer],
      ...[this.attempt, unitLifetimeSeconds, new Date().toISOString()],
    )) as [keyof typeof refusals | "granted", number];
    const granted = verdict === "granted";
    return { verdict, granted, uncertain: uncertain === 1, reason: granted ? "" : refusals[verdict] };
  }

  /** It is committed, which is a fact whoever holds the entry now. */
  async done(): Promise<void> {
    const { stream, consumerGroup } = this.target;
    const fields = { state: "done", attempt: this.attempt, owner: this.consumer, at: new Date().toISOString() };
    const steps = this.redis.multi().hset(this.key, fields).expire(this.key, unitLifetimeSeconds);
    const replies = await steps.xack(stream, consumerGroup, this.entry.id).exec();
    for (const [error] of replies ?? []) if (error) throw error;
  }

  /** There is nothing to do with it. */
  async acknowledge(): Promise<void> {
    await this.redis.xack(this.target.stream, this.target.consumerGroup, this.entry.id);
  }
}
