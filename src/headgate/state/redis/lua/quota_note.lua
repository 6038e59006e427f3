-- account, most readings, kept seconds, readings: on top of what the account's windows have said.
local key = 'headgate:quota:' .. ARGV[1]
for i = 4, #ARGV do
  redis.call('LPUSH', key, ARGV[i])
end
redis.call('LTRIM', key, 0, tonumber(ARGV[2]) - 1)
redis.call('EXPIRE', key, ARGV[3])
