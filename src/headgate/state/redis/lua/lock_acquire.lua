-- name, ttl_ms -> token, or nothing when held. Tokens grow with every acquisition.
local key = 'headgate:lock:' .. ARGV[1]
if redis.call('EXISTS', key) == 1 then return false end
local token = redis.call('INCR', 'headgate:lock-seq')
redis.call('SET', key, token, 'PX', ARGV[2])
return token
