-- resource, session, limit, idle ms -> known | new | full
local key = 'headgate:sessions:' .. ARGV[1]
local now, idle = now_ms(), tonumber(ARGV[4])
redis.call('ZREMRANGEBYSCORE', key, '-inf', now - idle)
local known = redis.call('ZSCORE', key, ARGV[2])
if not known and redis.call('ZCARD', key) >= tonumber(ARGV[3]) then return 'full' end
redis.call('ZADD', key, now, ARGV[2])
redis.call('PEXPIRE', key, idle)
return known and 'known' or 'new'
