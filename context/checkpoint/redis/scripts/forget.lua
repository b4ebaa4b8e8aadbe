-- KEYS[2] is the list of what has expired, KEYS[3] and on are the buckets of the entries. ARGV[5] is the end of what may be forgotten, [6]
-- how many further entries are returned; then stand field, value and entry of each. A context that has another value now is left alone.
if not again then
  redis.call('HSET', KEYS[1], 'write', ARGV[4])
  for i = 3, #KEYS do
    local at = 7 + (i - 3) * 3
    if redis.call('HGET', KEYS[i], ARGV[at]) == ARGV[at + 1] then
      redis.call('HDEL', KEYS[i], ARGV[at])
    end
    redis.call('ZREM', KEYS[2], ARGV[at + 2])
  end
end
return {'ok', redis.call('ZRANGEBYLEX', KEYS[2], '-', ARGV[5], 'LIMIT', 0, ARGV[6])}
