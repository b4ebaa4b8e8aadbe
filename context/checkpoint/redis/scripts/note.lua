-- ARGV[5] is the note.
if not again then
  redis.call('HSET', KEYS[1], 'write', ARGV[4], 'note', ARGV[5])
end
return {'ok'}
