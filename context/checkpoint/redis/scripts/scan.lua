-- KEYS[2] and on are buckets. ARGV[5] is the size at which the answer ends early. A bucket is read whole: a cursor would be worth nothing on
-- another server, which a failover may bring.
local out, size = {'ok'}, 0
for bucket = 2, #KEYS do
  if size > tonumber(ARGV[5]) then
    break
  end
  local all = redis.call('HGETALL', KEYS[bucket])
  for i = 1, #all do
    size = size + #all[i]
  end
  out[#out + 1] = all
end
return out
