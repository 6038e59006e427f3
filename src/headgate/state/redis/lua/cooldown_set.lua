-- account, model, until_ms, details: only extends.
local key = cooldown_key(ARGV[1])
local ends = tonumber(ARGV[3])
local present = redis.call('HGET', key, ARGV[2])
if present and until_of(present) >= ends then return end
redis.call('HSET', key, ARGV[2], ARGV[3] .. ':' .. ARGV[4])
local left = redis.call('PTTL', key)
local wanted = ends + PROBATION_MS - now_ms()
if wanted > left then redis.call('PEXPIRE', key, math.max(wanted, 1)) end
