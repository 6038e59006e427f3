-- account, model, until_ms -> 1 when it is forgotten. A newer one, which ends later, stays.
local key = cooldown_key(ARGV[1])
local present = redis.call('HGET', key, ARGV[2])
if not present or until_of(present) > tonumber(ARGV[3]) then return 0 end
return redis.call('HDEL', key, ARGV[2])
