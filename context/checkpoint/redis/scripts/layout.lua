-- ARGV[5] and [6] are the field and the description. Only a new one is a write.
if not again and redis.call('HSETNX', KEYS[1], ARGV[5], ARGV[6]) == 0 then
  return {'unchanged'}
end
redis.call('HSET', KEYS[1], 'write', ARGV[4])
return {'ok'}
