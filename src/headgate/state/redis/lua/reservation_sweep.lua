-- at most -> how many were dropped
local expired = redis.call('ZRANGEBYSCORE', 'headgate:reservations', '-inf', now_ms(), 'LIMIT', 0, ARGV[1])
for _, id in ipairs(expired) do abandon(id) end
return #expired
