-- resource, idle ms -> conversations that are not idle
local key = 'headgate:sessions:' .. ARGV[1]
return redis.call('ZCOUNT', key, '(' .. string.format('%.0f', now_ms() - tonumber(ARGV[2])), '+inf')
