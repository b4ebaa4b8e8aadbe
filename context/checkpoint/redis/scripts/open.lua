-- ARGV[1] is the new token, ARGV[2] the newest format that the program knows.
local head = redis.call('HMGET', KEYS[1], 'counter', 'token', 'format')
if head[3] and tonumber(head[3]) > tonumber(ARGV[2]) then
  return {'newer', head[3]}
end
if head[2] ~= ARGV[1] then -- else the client has sent it twice
  redis.call('HSET', KEYS[1], 'format', head[3] or ARGV[2], 'counter', string.format('%.0f', tonumber(head[1] or 0) + 1), 'token', ARGV[1])
  redis.call('HINCRBY', KEYS[1], 'write', 1)
end
return {'ok', redis.call('HGETALL', KEYS[1])}
