-- lease_ms, then pairs of resource and token.
local ends = now_ms() + tonumber(ARGV[1])
for i = 2, #ARGV, 2 do
  redis.call('ZADD', keys_of(ARGV[i]).lease, 'XX', ends, ARGV[i + 1])
end
