-- id, memory_ms (how long the id is remembered), then pairs of bound and amount spent.
local id = ARGV[1]
drop(id)
if not redis.call('SET', 'headgate:settled:' .. id, '1', 'NX', 'PX', ARGV[2]) then return end
for i = 3, #ARGV, 2 do
  local key = bound_key(ARGV[i])
  if redis.call('HEXISTS', key, 'free') == 1 then
    redis.call('HINCRBY', key, 'free', negated(ARGV[i + 1]))
  elseif redis.call('EXISTS', key) == 1 then
    mark_moved(key)
  end
end
