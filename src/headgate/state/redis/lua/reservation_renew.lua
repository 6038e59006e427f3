-- ttl_ms, then ids: only what is still held
local until_ms = now_ms() + tonumber(ARGV[1])
for i = 2, #ARGV do redis.call('ZADD', 'headgate:reservations', 'XX', 'GT', until_ms, ARGV[i]) end
