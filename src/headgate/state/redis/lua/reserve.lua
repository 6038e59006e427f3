-- id, expires_at_ms, then pairs of bound and amount -> {'held'} | {'refused', bound, free, held} | {'unknown', epoch, bounds...}
local id = ARGV[1]
local unknown, seen = { 'unknown', epoch() }, {}
for i = 3, #ARGV, 2 do
  local key = bound_key(ARGV[i])
  if redis.call('HEXISTS', key, 'free') == 0 and not seen[key] then
    seen[key] = true
    unknown[#unknown + 1] = ARGV[i]
    redis.call('HINCRBY', key, 'moved', 0) -- it exists from now on: somebody is reading its value
    redis.call('PEXPIRE', key, BOUND_TTL_MS)
  end
end
if #unknown > 2 then return unknown end
for i = 3, #ARGV, 2 do
  local key = bound_key(ARGV[i])
  if redis.call('HINCRBY', key, 'free', negated(ARGV[i + 1])) < 0 then
    for j = 3, i, 2 do redis.call('HINCRBY', bound_key(ARGV[j]), 'free', ARGV[j + 1]) end
    return { 'refused', ARGV[i], redis.call('HGET', key, 'free'), redis.call('HGET', key, 'held') or '0' }
  end
end
for i = 3, #ARGV, 2 do
  local key = bound_key(ARGV[i])
  redis.call('HINCRBY', key, 'held', ARGV[i + 1])
  redis.call('PERSIST', key) -- until the claim is dropped
  redis.call('HINCRBY', 'headgate:held:' .. id, ARGV[i], ARGV[i + 1])
end
redis.call('ZADD', 'headgate:reservations', 'GT', ARGV[2], id)
return { 'held' }
