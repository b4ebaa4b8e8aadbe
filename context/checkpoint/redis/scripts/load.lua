-- KEYS[2] and on are buckets. ARGV[5] is the size at which the answer ends early; then stand, for each bucket, the number of fields and they.
local out, size, at = {'ok'}, 0, 6
for bucket = 2, #KEYS do
  if size > tonumber(ARGV[5]) then
    break
  end
  local n = tonumber(ARGV[at])
  local values = redis.call('HMGET', KEYS[bucket], unpack(ARGV, at + 1, at + n))
  for i = 1, n do
    if values[i] then
      size = size + #values[i]
    end
  end
  out[#out + 1] = values
  at = at + n + 1
end
return out
