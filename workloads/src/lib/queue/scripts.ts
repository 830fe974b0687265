import { redisScripts } from "../redisScripts";

/**
 * Every step of the queue that must happen at once, as Lua. Times are milliseconds of the caller unless the name says
 * otherwise; lists of records travel as JSON. All scripts may be repeated without harm.
 */

/** Seconds that `FILE:<path>` is kept after its last change. */
export const fileLifetimeSeconds = 604_800;
/** Seconds that statistics of one day (`MAXSEQ`) are kept: 400 days. */
export const statisticsLifetimeSeconds = 34_560_000;
/** Dead letters that a bucket takes of objects that never reached the queue: about 60 MB. */
export const unqueuedDeadLimit = 100_000;
/** Entries that the list `REJECTED` keeps. */
export const rejectedLimit = 1_000;
/** A dead letter whose name begins so is a follow-up, not an object. */
export const followUpPrefix = "followup:";

/**
 * Marker, push and statistics of a batch of records. ARGV: now s, marker lifetime s, force, number of groups, (bucket,
 * instrument, dayObs) a group, then one text with group, path, identity and seqNum (or nothing) of each record, each ended
 * by a NUL: one long argument costs a tenth of many short ones. Returns 1 or 0 a record.
 * Nothing may fail between a marker and its push, since Redis does not roll back: the queues' types are looked at first,
 * and statistics are only tried. Few calls a record, because this is what enqueue waits for.
 */
const enqueue = `
local call, try, now, ttl, force = redis.call, redis.pcall, ARGV[1], ARGV[2], ARGV[3] == '1'
local groups, queue, push, count, top, out = tonumber(ARGV[4]), {}, {}, {}, {}, {}
for g = 1, groups do
  queue[g] = 'QUEUE:' .. ARGV[2 + 3 * g]
  local kind = call('TYPE', queue[g]).ok
  if kind ~= 'list' and kind ~= 'none' then return redis.error_reply('WRONGTYPE ' .. queue[g] .. ' is a ' .. kind .. ', not a list') end
  push[queue[g]], count[g], top[g] = {}, 0, -1
end
local field = '([^%z]*)%z'
for group, path, identity, seq in string.gmatch(ARGV[5 + 3 * groups], field .. field .. field .. field) do
  local g = tonumber(group)
  local known = call('SET', 'ENQ:' .. path, identity, 'EX', ttl, 'GET')
  if known == identity and not force then
    out[#out + 1] = 0
  else
    out[#out + 1] = 1
    local paths = push[queue[g]]
    paths[#paths + 1] = path
    local file = 'FILE:' .. path
    try('HSET', file, 'recv_time', now)
    local fields = try('HLEN', file)
    if type(fields) == 'number' and fields > 1 then
      try('HDEL', file, 'ing_fail_count', 'ing_fail_exc', 'md_fail_exc', 'first_fail_time', 'attempts')
    end
    try('EXPIRE', file, ${fileLifetimeSeconds})
    count[g] = count[g] + 1
    local seqNum = tonumber(seq)
    if seqNum and seqNum > top[g] then top[g] = seqNum end
  end
end
for key, paths in pairs(push) do
  for first = 1, #paths, 1000 do
    call('LPUSH', key, unpack(paths, first, math.min(first + 999, #paths)))
  end
end
for g = 1, groups do
  if count[g] > 0 then
    local bucket, instrument, day = ARGV[2 + 3 * g], ARGV[3 + 3 * g], ARGV[4 + 3 * g]
    try('HINCRBY', 'REC:' .. bucket, day, count[g])
    try('HINCRBY', 'RECINSTR:' .. bucket .. ':' .. instrument, day, count[g])
    local key = 'MAXSEQ:' .. bucket .. ':' .. instrument .. ':' .. day
    local known = top[g] >= 0 and try('GET', key)
    if top[g] >= 0 and top[g] > (type(known) == 'string' and tonumber(known) or -1) then try('SET', key, string.format('%d', top[g]), 'EX', ${statisticsLifetimeSeconds}) end
  end
end
return out`;

/** KEYS: lease, workers. ARGV: token, lease ms, worker key. Takes the lease, whoever held it: one process lives per pod. */
const openLease = `
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
redis.call('SADD', KEYS[2], ARGV[3])
return 1`;

/** KEYS: lease. ARGV: token, lease ms. Returns 0 when the lease is another's or gone. */
const renewLease = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1`;

const fenced = `if redis.call('GET', KEYS[1]) ~= ARGV[1] then return redis.error_reply('FENCED the lease ' .. KEYS[1] .. ' is lost') end`;

/**
 * KEYS: lease, worker, queue, retry. ARGV: token, now, limit. Tops the worker's list up to the limit and returns all of
 * it, oldest first. Due retries come first, but take at most half of the room while the queue has work.
 */
const claim = `${fenced}
local room = tonumber(ARGV[3]) - redis.call('LLEN', KEYS[2])
if room > 0 then
  local waiting = redis.call('LLEN', KEYS[3])
  local share = room
  if waiting > 0 then share = math.max(math.ceil(room / 2), room - waiting) end
  local due = redis.call('ZRANGEBYSCORE', KEYS[4], '-inf', ARGV[2], 'LIMIT', 0, share)
  for _, path in ipairs(due) do
    redis.call('ZREM', KEYS[4], path)
    redis.call('LPUSH', KEYS[2], path)
  end
  for _ = 1, room - #due do
    if not redis.call('LMOVE', KEYS[3], KEYS[2], 'RIGHT', 'LEFT') then break end
  end
end
local held = redis.call('LRANGE', KEYS[2], 0, -1)
local out, seen = {}, {}
for i = #held, 1, -1 do
  if not seen[held[i]] then
    seen[held[i]] = true
    out[#out + 1] = held[i]
  end
end
return out`;

/**
 * KEYS: lease, worker, queue, retry, followUp. ARGV: token, now ms, now s, bucket, webhook '1'|'0', JSON
 * [{path, instrument, dayObs, expId?, filename?, visit?, releases?}]. Ingested: off the list, counted once for each object,
 * work after ingest noted, parked guiders of the exposure put first in the queue. Returns the paths that were still held.
 */
const complete = `${fenced}
local done, webhooks, order = {}, {}, {}
for _, item in ipairs(cjson.decode(ARGV[6])) do
  if redis.call('LREM', KEYS[2], 0, item.path) > 0 then
    done[#done + 1] = item.path
    local file = 'FILE:' .. item.path
    if redis.call('HSETNX', file, 'ingest_time', ARGV[3]) == 1 then
      redis.call('HINCRBY', 'INGEST:' .. ARGV[4] .. ':' .. item.instrument, item.dayObs, 1)
      local received = tonumber(redis.call('HGET', file, 'recv_time') or '')
      if received then
        local latency, key = math.max(0, ARGV[3] - received), 'LATENCY:' .. ARGV[4] .. ':' .. item.instrument
        local text = string.format('%.3f', latency)
        redis.call('HINCRBY', key, item.dayObs .. ':count', 1)
        redis.call('HINCRBYFLOAT', key, item.dayObs .. ':sum', text)
        local least = tonumber(redis.call('HGET', key, item.dayObs .. ':min') or '')
        local most = tonumber(redis.call('HGET', key, item.dayObs .. ':max') or '')
        if not least or latency < least then redis.call('HSET', key, item.dayObs .. ':min', text) end
        if not most or latency > most then redis.call('HSET', key, item.dayObs .. ':max', text) end
      end
    end
    redis.call('HDEL', file, 'ing_fail_count', 'first_fail_time', 'attempts')
    redis.call('EXPIRE', file, ${fileLifetimeSeconds})
    if item.visit then redis.call('ZADD', KEYS[5], 'NX', ARGV[2], item.visit) end
    if ARGV[5] == '1' and item.expId then
      if not webhooks[item.expId] then
        webhooks[item.expId] = {}
        order[#order + 1] = item.expId
      end
      table.insert(webhooks[item.expId], item.filename)
    end
    if item.releases then
      local parked = 'PARKED:' .. ARGV[4] .. ':' .. item.releases
      for _, path in ipairs(redis.call('SMEMBERS', parked)) do
        if redis.call('ZREM', KEYS[4], path) == 1 then redis.call('RPUSH', KEYS[3], path) end
      end
      redis.call('DEL', parked)
    end
  end
end
for _, expId in ipairs(order) do
  local call = cjson.encode({kind = 'webhook', expId = expId, filenames = webhooks[expId]})
  redis.call('ZADD', KEYS[5], 'NX', ARGV[2], call)
end
return done`;

/**
 * KEYS: lease, worker, retry, dead, FILE. ARGV: token, path, now ms, JSON {code, reason, counts, maxFailures, maxAgeMs,
 * baseMs, maxMs, spread, failKey, dayObs, field, parkKey?}. One failed attempt: back-off, or the dead-letter hash once the
 * attempts that count reach the limit or the object fails for longer than the age limit.
 * Returns {retry|dead|not-held, attempts, due ms}.
 */
const fail = `${fenced}
local path, now, f = ARGV[2], tonumber(ARGV[3]), cjson.decode(ARGV[4])
if redis.call('LREM', KEYS[2], 0, path) == 0 then return {'not-held', 0, 0} end
redis.call('HSETNX', KEYS[5], 'first_fail_time', string.format('%.3f', now / 1000))
redis.call('HSET', KEYS[5], f.field, f.reason)
local first = tonumber(redis.call('HGET', KEYS[5], 'first_fail_time')) * 1000
local attempts = tonumber(redis.call('HINCRBY', KEYS[5], 'attempts', 1))
local counted = tonumber(redis.call('HGET', KEYS[5], 'ing_fail_count') or '0')
if f.counts then
  counted = redis.call('HINCRBY', KEYS[5], 'ing_fail_count', 1)
  redis.call('HINCRBY', f.failKey, f.dayObs, 1)
end
redis.call('EXPIRE', KEYS[5], ${fileLifetimeSeconds})
if counted >= f.maxFailures or now - first >= f.maxAgeMs then
  redis.call('HDEL', KEYS[5], 'first_fail_time', 'attempts')
  redis.call('HSET', KEYS[4], path, cjson.encode({code = f.code, reason = f.reason, attempts = attempts, sinceMs = first, deadMs = now}))
  if f.parkKey then redis.call('SREM', f.parkKey, path) end
  return {'dead', attempts, 0}
end
local exponent = f.counts and counted or attempts
local delay = math.min(f.maxMs, f.baseMs * 2 ^ math.min(math.max(exponent - 1, 0), 30)) * f.spread
local due = math.floor(now + delay)
redis.call('ZADD', KEYS[3], due, path)
if f.parkKey then
  redis.call('SADD', f.parkKey, path)
  redis.call('PEXPIRE', f.parkKey, f.maxAgeMs)
end
return {'retry', attempts, due}`;

/** KEYS: lease, worker, queue, workers. ARGV: token, worker key. Hands everything back, oldest work first, and ends the lease. */
const release = `${fenced}
local n = 0
while redis.call('LMOVE', KEYS[2], KEYS[3], 'LEFT', 'RIGHT') do n = n + 1 end
redis.call('DEL', KEYS[1])
redis.call('SREM', KEYS[4], ARGV[2])
return n`;

/**
 * KEYS: lease, worker, queue, workers. ARGV: worker key, idle limit s. Gives back the list of a pod that has no lease. A list
 * that never had one (an image without leases) is given back when nobody touched it for the idle limit.
 * Returns the number of paths, or -1 when the pod lives.
 */
const recover = `
if redis.call('EXISTS', KEYS[1]) == 1 then return -1 end
if redis.call('SISMEMBER', KEYS[4], ARGV[1]) == 0 then
  local idle = redis.call('OBJECT', 'IDLETIME', KEYS[2])
  if not idle or idle <= tonumber(ARGV[2]) then return -1 end
end
local n = 0
while redis.call('LMOVE', KEYS[2], KEYS[3], 'LEFT', 'RIGHT') do n = n + 1 end
redis.call('SREM', KEYS[4], ARGV[1])
return n`;

/**
 * KEYS: dead. ARGV: now ms, limit, JSON [{path, code, reason}]. Dead letters of objects that never reached the queue.
 * Returns how many found no room.
 */
const bury = `
local room, left = tonumber(ARGV[2]) - redis.call('HLEN', KEYS[1]), 0
for _, item in ipairs(cjson.decode(ARGV[3])) do
  if redis.call('HEXISTS', KEYS[1], item.path) == 0 then
    if room > 0 then
      room = room - 1
      redis.call('HSET', KEYS[1], item.path, cjson.encode({code = item.code, reason = item.reason, attempts = 0, sinceMs = tonumber(ARGV[1]), deadMs = tonumber(ARGV[1])}))
    else
      left = left + 1
    end
  end
end
return left`;

/**
 * KEYS: dead, queue, followUp. ARGV: now ms, paths. Puts dead letters back, first in the queue (a follow-up: due now), with a
 * clean record. Returns those that were there.
 */
const revive = `
local out = {}
for i = 2, #ARGV do
  local path = ARGV[i]
  if redis.call('HDEL', KEYS[1], path) == 1 then
    if string.sub(path, 1, ${followUpPrefix.length}) == '${followUpPrefix}' then
      redis.call('ZADD', KEYS[3], ARGV[1], string.sub(path, ${followUpPrefix.length + 1}))
    else
      redis.call('HDEL', 'FILE:' .. path, 'ing_fail_count', 'ing_fail_exc', 'md_fail_exc', 'first_fail_time', 'attempts')
      redis.call('RPUSH', KEYS[2], path)
    end
    out[#out + 1] = path
  end
end
return out`;

/** KEYS: followUp. ARGV: now, limit, hold ms. Takes due work and hides it for the hold time, so that a crash repeats it. */
const takeFollowUps = `
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'LIMIT', 0, ARGV[2])
for _, member in ipairs(due) do redis.call('ZADD', KEYS[1], 'XX', ARGV[1] + ARGV[3], member) end
return due`;

/** The scripts of a client, as methods. */
export const scriptsOf = redisScripts("queue", {
  enqueue: { numberOfKeys: 0, lua: enqueue },
  openLease: { numberOfKeys: 2, lua: openLease },
  renewLease: { numberOfKeys: 1, lua: renewLease },
  claim: { numberOfKeys: 4, lua: claim },
  complete: { numberOfKeys: 5, lua: complete },
  fail: { numberOfKeys: 5, lua: fail },
  release: { numberOfKeys: 4, lua: release },
  recover: { numberOfKeys: 4, lua: recover },
  bury: { numberOfKeys: 1, lua: bury },
  revive: { numberOfKeys: 3, lua: revive },
  takeFollowUps: { numberOfKeys: 1, lua: takeFollowUps },
});
