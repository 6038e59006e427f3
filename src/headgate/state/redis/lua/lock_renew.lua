-- name, token, ttl_ms -> 1 when the token still holds the lock
local key = 'headgate:lock:' .. ARGV[1]
if redis.call('GET', key) ~= ARGV[2] then return 0 end
return redis.call('PEXPIRE', key, ARGV[3])
