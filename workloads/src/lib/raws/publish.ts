import type { Redis } from "ioredis";
import { redisScripts } from "../redisScripts";
import { promptKey } from "../visits/keys";
import { type Raw, rawField } from "./raw";

/**
 * Keeps raws, and rings for those that are new, in one step. ARGV: lifetime s, due ms or nothing, key of the unannounced,
 * number of groups, (hash, visit, name) a group, then one text with group, field and JSON of each raw, each ended by a NUL: one
 * long argument costs a tenth of many short ones. Returns 1 or 0 a raw: whether it was new. The channel of a raw is
 * `<hash>:<detector>`, see promptKey.rawsChannel. A group's first raw notes when its next_visit must have come.
 */
const publish = `
local call, ttl, due, groups, out = redis.call, ARGV[1], ARGV[2], tonumber(ARGV[4]), {}
local had, has = {}, {}
for group, field, raw in string.gmatch(ARGV[5 + 3 * groups], '([^%z]*)%z([^%z]*)%z([^%z]*)%z') do
  local g = tonumber(group)
  local hash = ARGV[2 + 3 * g]
  if had[g] == nil then had[g] = call('EXISTS', hash) end
  local known = call('HGET', hash, field)
  if known == raw then
    out[#out + 1] = 0
  else
    call('HSET', hash, field, raw)
    call('PUBLISH', hash .. ':' .. string.match(field, '^%d+'), raw)
    has[g] = true
    out[#out + 1] = 1
  end
end
for g = 1, groups do
  if has[g] then
    call('EXPIRE', ARGV[2 + 3 * g], ttl)
    if due ~= '' and had[g] == 0 and call('EXISTS', ARGV[3 + 3 * g]) == 0 then
      call('ZADD', ARGV[3], 'NX', due, ARGV[4 + 3 * g])
    end
  end
end
return out`;

const scriptsOf = redisScripts("raws", { publish: { numberOfKeys: 0, lua: publish } });

export interface PublishOptions {
  /** How long a late worker can ask for a group's raws, s. */
  readonly lifetimeSeconds: number;
  /** How long after its first raw a group must have been announced, ms; absent: it need not be. */
  readonly announcedWithinMs?: number;
}

/**
 * Makes raws known to the workers of their group and detector, waiting and late ones; a repeat rings no bell. May be repeated.
 * @returns whether each was new.
 */
export async function publishRaws(redis: Redis, raws: readonly Raw[], options: PublishOptions): Promise<boolean[]> {
  if (raws.length === 0) return [];
  const groups = new Map<string, number>();
  const names: string[] = [];
  let text = "";
  for (const raw of raws) {
    const { instrument, group } = raw;
    const hash = promptKey.raws(instrument, group);
    let number = groups.get(hash);
    if (number === undefined) {
      groups.set(hash, (number = groups.size + 1));
      names.push(hash, promptKey.visit(instrument, group), nameOf(instrument, group));
    }
    text += `${number}\0${rawField(raw)}\0${JSON.stringify(raw)}\0`;
  }
  const { lifetimeSeconds, announcedWithinMs } = options;
  const due = announcedWithinMs === undefined ? "" : Date.now() + announcedWithinMs;
  const args = [lifetimeSeconds, due, promptKey.unannounced, groups.size, ...names, text];
  return ((await scriptsOf(redis).publish(...args)) as number[]).map((isNew) => isNew === 1);
}

/** Member of the unannounced: instruments have no slash. */
const nameOf = (instrument: string, group: string) => `${instrument}/${group}`;

/** A group whose raws came, and no next_visit. */
export interface ForeignGroup {
  readonly instrument: string;
  readonly group: string;
  /** Raws of it so far. */
  readonly raws: number;
  /** One of them. */
  readonly example?: string;
}

/** Groups whose time is over, and that nobody has announced by now; at most `limit`. */
export async function foreignGroups(redis: Redis, limit = 100): Promise<ForeignGroup[]> {
  const due = await redis.zrangebyscore(promptKey.unannounced, "-inf", Date.now(), "LIMIT", 0, limit);
  const found: ForeignGroup[] = [];
  for (const name of due) {
    const slash = name.indexOf("/");
    const [instrument, group] = [name.slice(0, slash), name.slice(slash + 1)];
    if (await redis.exists(promptKey.visit(instrument, group))) {
      await redis.zrem(promptKey.unannounced, name);
      continue;
    }
    const hash = promptKey.raws(instrument, group);
    const [raws, field] = await Promise.all([redis.hlen(hash), redis.hrandfield(hash)]);
    const text = field === null ? null : await redis.hget(hash, String(field));
    found.push({ instrument, group, raws, ...(text !== null && { example: (JSON.parse(text) as Raw).key }) });
  }
  return found;
}

/** A foreign group is reported: it is not among the {@link foreignGroups} any more. */
export async function forgetForeignGroup(redis: Redis, { instrument, group }: ForeignGroup): Promise<void> {
  await redis.zrem(promptKey.unannounced, nameOf(instrument, group));
}
