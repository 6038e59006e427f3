-- epoch ('' for none), then pairs of bound and settled value.
local read_at = tonumber(ARGV[1])
for i = 2, #ARGV, 2 do
  local key = bound_key(ARGV[i])
  local moved = tonumber(redis.call('HGET', key, 'moved') or '0')
  if redis.call('HEXISTS', key, 'free') == 0 and (not read_at or moved <= read_at) then
    local held = redis.call('HGET', key, 'held') or '0'
    redis.call('HSET', key, 'free', ARGV[i + 1])
    redis.call('HINCRBY', key, 'free', negated(held))
    if held == '0' then redis.call('PEXPIRE', key, BOUND_TTL_MS) end
  end
end
