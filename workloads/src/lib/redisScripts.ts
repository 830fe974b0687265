import type { Redis } from "ioredis";

/** A step that must happen at once, in Lua. */
export interface RedisScript {
  readonly numberOfKeys: number;
  readonly lua: string;
}

/** The scripts as methods: keys, then arguments. */
export type RedisScripts<Names extends string> = Readonly<
  Record<Names, (...args: (string | number)[]) => Promise<unknown>>
>;

/**
 * Gives a client the scripts as methods; ioredis sends the hash and loads the text when the server does not know it.
 * @param family distinguishes scripts of one name on the same client, e.g. `queue`.
 */
export function redisScripts<Names extends string>(
  family: string,
  scripts: Readonly<Record<Names, RedisScript>>,
): (redis: Redis) => RedisScripts<Names> {
  const byClient = new WeakMap<Redis, RedisScripts<Names>>();
  return (redis) => {
    const known = byClient.get(redis);
    if (known) return known;
    const client = redis as unknown as RedisScripts<string>;
    const methods = Object.entries<RedisScript>(scripts).map(([name, script]) => {
      const command = `usdf_${family}_${name}`;
      redis.defineCommand(command, script);
      return [name, (...args: (string | number)[]) => client[command]!(...args)];
    });
    const made = Object.fromEntries(methods) as RedisScripts<Names>;
    byClient.set(redis, made);
    return made;
  };
}
