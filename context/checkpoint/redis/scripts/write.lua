-- KEYS[2] is the list of what has expired; then come, for each keyspace, its index of deadlines and the buckets. From ARGV[5] on stand the
-- number of keyspaces, for each the head's field and the number of buckets, the number of expired contexts and their entries, and for each
-- bucket the number of contexts, their fields, their values.
if again then
  return {'ok'}
end
local at = 5
local function list(from)
  local n = tonumber(ARGV[from])
  at = from + n + 1
  return from + 1, from + n
end

-- A stored value begins with its version u8 and the position: the offset i64 and the step u32, little endian. A shorter one has none.
local function later(old, new)
  if #old < 21 then
    return false
  end
  local oldLow, oldHigh, oldStep = struct.unpack('<I4i4I4', old, 2)
  local newLow, newHigh, newStep = struct.unpack('<I4i4I4', new, 2)
  if oldHigh ~= newHigh then
    return oldHigh > newHigh
  end
  if oldLow ~= newLow then
    return oldLow > newLow
  end
  return oldStep > newStep
end

-- The entry of a value of version 2 in the index: behind the position stands the deadline, so that the order of the bytes is that of time.
local function entry(value, field)
  if value and #value >= 29 and value:byte(1) == 2 then
    return value:sub(14, 21) .. field
  end
end

redis.call('HSET', KEYS[1], 'write', ARGV[4])
local keyspaces = at
at = at + 1 + 2 * tonumber(ARGV[at])
local from, to = list(at)
for i = from, to do
  redis.call('ZADD', KEYS[2], 0, ARGV[i])
end

-- New entries are added before the contexts, old ones removed behind: a server that starts with an append-only file which ends within a
-- script may carry out a part of it. An entry too many is harmless, a missing one is not.
local function write(index, bucket)
  from, to = list(at)
  local n = to - from + 1
  local old = redis.call('HMGET', bucket, unpack(ARGV, from, to))
  local set, gone = {}, {}
  for i = 1, n do
    local field, new = ARGV[from + i - 1], ARGV[to + i]
    if not old[i] or not later(old[i], new) then
      set[#set + 1] = field
      set[#set + 1] = new
      local was, is = entry(old[i], field), entry(new, field)
      if was and was ~= is then
        gone[#gone + 1] = was
      end
      if is and was ~= is then
        redis.call('ZADD', index, 0, is)
      end
    end
  end
  if #set > 0 then
    redis.call('HSET', bucket, unpack(set))
  end
  for i = 1, #gone do
    redis.call('ZREM', index, gone[i])
  end
  at = to + n + 1
end

local key = 3
for i = keyspaces + 1, keyspaces + 2 * tonumber(ARGV[keyspaces]), 2 do
  redis.call('HSETNX', KEYS[1], ARGV[i], '')
  local buckets = tonumber(ARGV[i + 1])
  for bucket = key + 1, key + buckets do
    write(KEYS[key], KEYS[bucket])
  end
  key = key + buckets + 1
end
return {'ok'}
