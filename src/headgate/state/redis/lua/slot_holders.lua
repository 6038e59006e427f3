-- resource -> "<held since ms>:<owner>" of every slot in use.
local k = keys_of(ARGV[1])
local tokens = redis.call('ZRANGEBYSCORE', k.lease, string.format('(%.0f', now_ms()), '+inf')
local holders = {}
for i, token in ipairs(tokens) do holders[i] = redis.call('HGET', k.info, token) or '0:' end
return holders
