-- KEYS[2] is the list of what has expired, KEYS[3] and on are the buckets. From ARGV[5] on stand the number of keyspaces and the head's
-- fields for them, the number of expired contexts and their entries, and for each bucket the number of contexts, their fields, their values.
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

redis.call('HSET', KEYS[1], 'write', ARGV[4])
local from, to = list(at)
for i = from, to do
  redis.call('HSETNX', KEYS[1], ARGV[i], '')
end
from, to = list(at)
for i = from, to do
  redis.call('ZADD', KEYS[2], 0, ARGV[i])
end
for bucket = 3, #KEYS do
  from, to = list(at)
  local n = to - from + 1
  local old = redis.call('HMGET', KEYS[bucket], unpack(ARGV, from, to))
  local set = {}
  for i = 1, n do
    local new = ARGV[to + i]
    if not old[i] or not later(old[i], new) then
      set[#set + 1] = ARGV[from + i - 1]
      set[#set + 1] = new
    end
  end
  if #set > 0 then
    redis.call('HSET', KEYS[bucket], unpack(set))
  end
  at = to + n + 1
end
return {'ok'}
