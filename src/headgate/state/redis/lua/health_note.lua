-- account, most events, kept seconds, event: a line on top of the timeline.
local key = 'headgate:health:' .. ARGV[1]
redis.call('LPUSH', key, ARGV[4])
redis.call('LTRIM', key, 0, tonumber(ARGV[2]) - 1)
redis.call('EXPIRE', key, ARGV[3])
