-- resource, token, lease_ms -> 1 when the slot came in the last moment (it stays held), else 0 and out of the queue.
local k, token = keys_of(ARGV[1]), ARGV[2]
tidy(k, now_ms(), tonumber(ARGV[3]))
if redis.call('ZSCORE', k.lease, token) then return 1 end
drop_waiter(k, token)
redis.call('HDEL', k.info, token)
return 0
