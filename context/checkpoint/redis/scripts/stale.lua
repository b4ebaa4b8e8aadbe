-- KEYS[2] is an index of deadlines. ARGV[5] and on are entries of it that are removed.
if not again then
  redis.call('HSET', KEYS[1], 'write', ARGV[4])
  for i = 5, #ARGV do
    redis.call('ZREM', KEYS[2], ARGV[i])
  end
end
return {'ok'}
