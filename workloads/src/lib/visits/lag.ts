import type { Redis } from "ioredis";
import { redisScripts } from "../redisScripts";
import type { StreamGroup } from "./streams";

/**
 * KEYS: stream. ARGV: group. Tells Redis how many entries the group has read; they are counted from the other end, since what was
 * read is trimmed. Returns whether Redis knew otherwise.
 */
const script = `
local call = redis.call
for _, flat in ipairs(call('XINFO', 'GROUPS', KEYS[1])) do
  local group = {}
  for i = 1, #flat, 2 do group[flat[i]] = flat[i + 1] end
  if group['name'] == ARGV[1] then
    local unread, from = 0, '(' .. group['last-delivered-id']
    repeat
      local some = call('XRANGE', KEYS[1], from, '+', 'COUNT', 1000)
      unread = unread + #some
      if #some > 0 then from = '(' .. some[#some][1] end
    until #some < 1000
    if group['lag'] == unread then return 0 end
    local stream = call('XINFO', 'STREAM', KEYS[1])
    local added
    for i = 1, #stream, 2 do if stream[i] == 'entries-added' then added = stream[i + 1] end end
    call('XGROUP', 'SETID', KEYS[1], ARGV[1], group['last-delivered-id'], 'ENTRIESREAD', added - unread)
    return 1
  end
end
return 0`;

const scriptsOf = redisScripts("visits", { countLag: { numberOfKeys: 1, lua: script } });

/**
 * Makes the group's lag right, by which KEDA starts workers. Redis 7.0 keeps in its append-only file what was given to whom, but
 * not how many entries that were: after a start from it the lag is nothing, or too large for good.
 * @returns whether it was wrong.
 */
export async function countLag(redis: Redis, { stream, consumerGroup }: StreamGroup): Promise<boolean> {
  return (await scriptsOf(redis).countLag(stream, consumerGroup)) === 1;
}
