-- KEYS[2] is the list of what has expired. ARGV[5] is the meta as the handle knows it, '' for none, [6] the new one, [7] the end of what may
-- be forgotten now, [8] how many entries of that are returned.
if not again then
  if (redis.call('HGET', KEYS[1], 'meta') or '') ~= ARGV[5] then
    return {'meta'}
  end
  redis.call('HSET', KEYS[1], 'write', ARGV[4], 'meta', ARGV[6])
end
return {'ok', redis.call('ZRANGEBYLEX', KEYS[2], '-', ARGV[7], 'LIMIT', 0, ARGV[8])}
