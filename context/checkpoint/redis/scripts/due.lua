-- KEYS[2] is an index of deadlines. ARGV[5] and [6] are the ends, in bytes, of the entries that are asked for, the latter not below the former, [7]
-- is how many. They are returned, and the next one behind them.
local n = tonumber(ARGV[7])
local due = redis.call('ZRANGEBYLEX', KEYS[2], '[' .. ARGV[5], '(' .. ARGV[6], 'LIMIT', 0, n)
local next
if #due == n then
  next = redis.call('ZRANGEBYLEX', KEYS[2], '[' .. ARGV[5], '+', 'LIMIT', n, 1)
else
  next = redis.call('ZRANGEBYLEX', KEYS[2], '[' .. ARGV[6], '+', 'LIMIT', 0, 1)
end
return {'ok', due, next}
