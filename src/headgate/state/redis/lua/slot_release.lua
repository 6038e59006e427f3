-- resource, token, lease_ms: leave, whether holding or waiting.
local k, token = keys_of(ARGV[1]), ARGV[2]
if drop_lease(k, token) + drop_waiter(k, token) > 0 then
  redis.call('HDEL', k.info, token)
  tidy(k, now_ms(), tonumber(ARGV[3]))
end
