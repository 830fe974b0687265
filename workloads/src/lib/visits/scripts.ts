import { redisScripts } from "../redisScripts";

/**
 * Every step on the streams that must happen at once, as Lua. All may be repeated without harm. What can fail is read
 * before the first write, since Redis does not roll back.
 */

/** Entries that the stream of dead letters keeps, about; the oldest go first. */
export const deadLetterLimit = 20_000;

/**
 * KEYS: stream, visit. ARGV: group, digest, sndStamp, survey, at, lifetime s, most entries of the stream, number of field
 * arguments, names and values, then the detectors. Marker and entries of one visit.
 * Returns {added|replaced|repeat|older|full, first id, last id, entries of the stream}.
 */
const addVisit = `
local call = redis.call
local known = call('HMGET', KEYS[2], 'digest', 'sndStamp', 'firstId', 'lastId')
local length = call('XLEN', KEYS[1])
if known[1] == ARGV[2] then return {'repeat', known[3], known[4], length} end
if known[1] and tonumber(known[2]) > tonumber(ARGV[3]) then return {'older', known[3], known[4], length} end
local fields = tonumber(ARGV[8])
local count = #ARGV - 8 - fields
if length + count > tonumber(ARGV[7]) then return {'full', '', '', length} end
local entry = {KEYS[1], '*', unpack(ARGV, 9, 8 + fields)}
local at = #entry + 2
entry[at - 1] = 'detector'
if call('EXISTS', KEYS[1]) == 0 then call('XGROUP', 'CREATE', KEYS[1], ARGV[1], '0', 'MKSTREAM') end
local first, last = '', ''
for i = 9 + fields, #ARGV do
  entry[at] = ARGV[i]
  last = call('XADD', unpack(entry))
  if first == '' then first = last end
end
call('HSET', KEYS[2], 'digest', ARGV[2], 'sndStamp', ARGV[3], 'survey', ARGV[4], 'detectors', count, 'stream', KEYS[1],
  'firstId', first, 'lastId', last, 'at', ARGV[5])
call('EXPIRE', KEYS[2], ARGV[6])
return {known[1] and 'replaced' or 'added', first, last, length + count}`;

/** Flat names and values as a table. */
const tableOf = `
local function tableOf(flat)
  local out = {}
  for i = 1, #flat, 2 do out[flat[i]] = flat[i + 1] end
  return out
end`;

/**
 * KEYS: stream. Removes the entries before the first one that some group has not read, or has pending.
 * Returns {removed, left}. Without any group nothing was read.
 */
const trim = `${tableOf}
if redis.call('EXISTS', KEYS[1]) == 0 then return {0, 0} end
local function parts(id)
  local ms, seq = string.match(id, '^(%d+)-(%d+)$')
  return tonumber(ms), tonumber(seq)
end
local keepMs, keepSeq
local function keep(ms, seq)
  if not keepMs or ms < keepMs or (ms == keepMs and seq < keepSeq) then keepMs, keepSeq = ms, seq end
end
for _, flat in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
  local group = tableOf(flat)
  local ms, seq = parts(group['last-delivered-id'])
  keep(ms, seq + 1)
  if group['pending'] > 0 then keep(parts(redis.call('XPENDING', KEYS[1], group['name'])[2])) end
end
local removed = 0
if keepMs then removed = redis.call('XTRIM', KEYS[1], 'MINID', '=', string.format('%.0f-%.0f', keepMs, keepSeq)) end
return {removed, redis.call('XLEN', KEYS[1])}`;

/**
 * KEYS: stream, dead letters. ARGV: group, id, consumer ('' any), least idle ms, whether the attempt counts, most attempts,
 * fields of the dead letter. Gives an entry that was taken back to the stream as a new one, or makes it a dead letter.
 * Returns {put-back|dead|not-pending|not-ours|not-idle|gone, new id, attempt}.
 */
const putBack = `
local call = redis.call
local pending = call('XPENDING', KEYS[1], ARGV[1], ARGV[2], ARGV[2], 1)[1]
if not pending then return {'not-pending', '', 0} end
if ARGV[3] ~= '' and pending[2] ~= ARGV[3] then return {'not-ours', '', 0} end
if pending[3] < tonumber(ARGV[4]) then return {'not-idle', '', 0} end
local found = call('XRANGE', KEYS[1], ARGV[2], ARGV[2])[1]
if not found then
  call('XACK', KEYS[1], ARGV[1], ARGV[2])
  return {'gone', '', 0}
end
local entry, attempt = {KEYS[1], '*'}, 1
for i = 1, #found[2], 2 do
  if found[2][i] == 'attempt' then attempt = tonumber(found[2][i + 1]) or 1
  else
    entry[#entry + 1] = found[2][i]
    entry[#entry + 1] = found[2][i + 1]
  end
end
if ARGV[5] == '1' and attempt >= tonumber(ARGV[6]) then
  local id = call('XADD', KEYS[2], 'MAXLEN', '~', ${deadLetterLimit}, '*', 'attempts', attempt, unpack(ARGV, 7))
  call('XACK', KEYS[1], ARGV[1], ARGV[2])
  return {'dead', id, attempt}
end
if ARGV[5] == '1' then attempt = attempt + 1 end
if attempt > 1 then
  entry[#entry + 1] = 'attempt'
  entry[#entry + 1] = string.format('%d', attempt)
end
local id = call('XADD', unpack(entry))
call('XACK', KEYS[1], ARGV[1], ARGV[2])
return {'put-back', id, attempt}`;

/** KEYS: stream. ARGV: group, least idle ms. Deletes consumers that have nothing and were not heard of. Returns how many. */
const dropConsumers = `${tableOf}
local dropped = 0
for _, flat in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])) do
  local consumer = tableOf(flat)
  if consumer['pending'] == 0 and consumer['idle'] >= tonumber(ARGV[2]) then
    redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], consumer['name'])
    dropped = dropped + 1
  end
end
return dropped`;

/** KEYS: dead letters, marker of the source. ARGV: marker's lifetime s, fields. Returns the id, or nothing for a repeat. */
const park = `
if ARGV[1] ~= '0' and redis.call('EXISTS', KEYS[2]) == 1 then return false end
local id = redis.call('XADD', KEYS[1], 'MAXLEN', '~', ${deadLetterLimit}, '*', unpack(ARGV, 2))
if ARGV[1] ~= '0' then redis.call('SET', KEYS[2], id, 'EX', ARGV[1]) end
return id`;

/**
 * KEYS: dead letters, stream, marker of its source. ARGV: id, fields of the entry. Gives a dead letter back to its stream; if
 * that fails again, it may be a dead letter again. Returns the new id.
 */
const revive = `
if #redis.call('XRANGE', KEYS[1], ARGV[1], ARGV[1]) == 0 then return false end
local id = redis.call('XADD', KEYS[2], '*', unpack(ARGV, 2))
redis.call('DEL', KEYS[3])
redis.call('XDEL', KEYS[1], ARGV[1])
return id`;

/**
 * KEYS: stream. ARGV: group. Tells Redis how many entries the group has read; they are counted from the other end, since what was
 * read is trimmed. Returns whether Redis knew otherwise.
 */
const countLag = `
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

/** The scripts of a client, as methods. */
export const scriptsOf = redisScripts("visits", {
  addVisit: { numberOfKeys: 2, lua: addVisit },
  trim: { numberOfKeys: 1, lua: trim },
  putBack: { numberOfKeys: 2, lua: putBack },
  dropConsumers: { numberOfKeys: 1, lua: dropConsumers },
  countLag: { numberOfKeys: 1, lua: countLag },
  park: { numberOfKeys: 2, lua: park },
  revive: { numberOfKeys: 3, lua: revive },
});
