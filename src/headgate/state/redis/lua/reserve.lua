-- id, expires_at_ms, then triples of bound, amount and overdraft
-- -> {'held', least left} | {'refused', bound, free, held} | {'unknown', epoch, bounds...}
local id = ARGV[1]
local unknown, seen = { 'unknown', epoch() }, {}
for i = 3, #ARGV, 3 do
  local key = bound_key(ARGV[i])
  if redis.call('HEXISTS', key, 'free') == 0 and not seen[key] then
    seen[key] = true
    unknown[#unknown + 1] = ARGV[i]
    redis.call('HINCRBY', key, 'moved', 0) -- it exists from now on: somebody is reading its value
    redis.call('PEXPIRE', key, BOUND_TTL_MS)
  end
end
if #unknown > 2 then return unknown end
local least, least_text = nil, nil
for i = 3, #ARGV, 3 do
  local key = bound_key(ARGV[i])
  -- Numbers only choose here: amounts themselves are moved and read as 64-bit integers.
  local free = redis.call('HINCRBY', key, 'free', negated(ARGV[i + 1]))
  if free < -tonumber(ARGV[i + 2]) then
    for j = 3, i, 3 do redis.call('HINCRBY', bound_key(ARGV[j]), 'free', ARGV[j + 1]) end
    return { 'refused', ARGV[i], redis.call('HGET', key, 'free'), redis.call('HGET', key, 'held') or '0' }
  end
  if not least or free < least then least, least_text = free, redis.call('HGET', key, 'free') end
end
for i = 3, #ARGV, 3 do
  local key = bound_key(ARGV[i])
  redis.call('HINCRBY', key, 'held', ARGV[i + 1])
  redis.call('PERSIST', key) -- until the claim is dropped
  redis.call('HINCRBY', 'headgate:held:' .. id, ARGV[i], ARGV[i + 1])
end
redis.call('ZADD', 'headgate:reservations', 'GT', ARGV[2], id)
return least_text and { 'held', least_text } or { 'held' }
