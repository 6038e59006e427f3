-- Money held. headgate:bound:<name> is a hash: free (settled minus held; absent while unknown), held, moved (epoch).
-- headgate:held:<id> is a hash of bound -> amount; headgate:reservations is a zset of id -> expiry, ms.
-- Amounts are moved by HINCRBY only: 64-bit integers, where Lua's numbers are exact up to 2^53 only. Signs survive.
local function bound_key(name) return 'headgate:bound:' .. name end

local BOUND_TTL_MS = 86400000 -- an idle bound is read from the database again after a day

local function epoch() return tonumber(redis.call('GET', 'headgate:bound-epoch') or '0') end

local function mark_moved(key)
  redis.call('HSET', key, 'moved', redis.call('INCR', 'headgate:bound-epoch'))
end

local function negated(amount)
  if amount == '0' then return '0' end
  if string.sub(amount, 1, 1) == '-' then return string.sub(amount, 2) end
  return '-' .. amount
end

local function hold(key, amount, minus)
  redis.call('HINCRBY', key, 'held', amount)
  if redis.call('HEXISTS', key, 'free') == 1 then redis.call('HINCRBY', key, 'free', minus) end
end

local function forget(name)
  local key = bound_key(name)
  if redis.call('EXISTS', key) == 1 then
    redis.call('HDEL', key, 'free')
    mark_moved(key)
  end
end

local function drop(id)
  local claims = redis.call('HGETALL', 'headgate:held:' .. id)
  for i = 1, #claims, 2 do
    hold(bound_key(claims[i]), negated(claims[i + 1]), claims[i + 1])
    redis.call('PEXPIRE', bound_key(claims[i]), BOUND_TTL_MS)
  end
  redis.call('DEL', 'headgate:held:' .. id)
  redis.call('ZREM', 'headgate:reservations', id)
end

local function abandon(id)
  local bounds = redis.call('HKEYS', 'headgate:held:' .. id)
  drop(id)
  for _, name in ipairs(bounds) do forget(name) end
end
