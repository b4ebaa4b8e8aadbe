-- KEYS[2] and on are removed, ARGV[5] and on are fields of the head that are removed.
if again then
  return {'ok'}
end
redis.call('HSET', KEYS[1], 'write', ARGV[4])
for i = 2, #KEYS do
  redis.call('UNLINK', KEYS[i])
end
for i = 5, #ARGV do
  redis.call('HDEL', KEYS[1], ARGV[i])
end
return {'ok'}
