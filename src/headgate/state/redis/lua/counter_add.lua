-- name, amount, window_ms -> value. The window starts with the first addition.
local key = 'headgate:counter:' .. ARGV[1]
local is_new = redis.call('EXISTS', key) == 0
local value = redis.call('INCRBY', key, ARGV[2])
if is_new then redis.call('PEXPIRE', key, ARGV[3]) end
return value
