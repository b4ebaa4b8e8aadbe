-- What every script but open begins with. KEYS[1] is the head; ARGV[1] to [4] are the epoch's counter and token, the number of the last
-- write, as the handle knows them, and the number that this write takes; a read has none.
local head = redis.call('HMGET', KEYS[1], 'counter', 'token', 'write')
if head[1] ~= ARGV[1] or head[2] ~= ARGV[2] or (head[3] ~= ARGV[3] and head[3] ~= ARGV[4]) then
  return {'fence', head[1] or '', head[2] or '', head[3] or ''}
end
local again = head[3] == ARGV[4] -- the client has sent it twice: it is done
