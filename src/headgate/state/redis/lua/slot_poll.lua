-- resource, token, owner, seq, lease_ms, alive_ms, claim -> 0 when held, else the place in line.
-- A waiter that was thought dead returns to its old place.
local k, token = keys_of(ARGV[1]), ARGV[2]
local now, lease_ms, alive_ms = now_ms(), tonumber(ARGV[5]), tonumber(ARGV[6])
if not redis.call('ZSCORE', k.lease, token) then
  line_up(k, token, ARGV[3], ARGV[4], now, alive_ms, ARGV[7])
end
tidy(k, now, lease_ms)
if redis.call('ZSCORE', k.lease, token) then
  redis.call('ZADD', k.lease, now + lease_ms, token)
  return 0
end
local place = place_of(k, token)
if not place then -- its lease was lost in this very call: line up again
  line_up(k, token, ARGV[3], ARGV[4], now, alive_ms, ARGV[7])
  place = place_of(k, token)
end
return place
