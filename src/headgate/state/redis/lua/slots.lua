-- Slots of one resource, in five keys under headgate:slot:<resource>:
--   lease  zset   token -> end of the lease, ms       info   hash  token -> "<held since ms>:<owner>"
--   queue  zset   token -> place in line (a sequence)  alive  zset  token -> end of the waiter's life, ms
--   limit  string the newest limit that a caller named
local function keys_of(resource)
  local p = 'headgate:slot:' .. resource .. ':'
  return { lease = p .. 'lease', info = p .. 'info', queue = p .. 'queue', alive = p .. 'alive', limit = p .. 'limit' }
end

local UNUSED_MS = 86400000 -- what nobody touches for a day is gone; no wait and no stream lasts as long

local function hold(k, token, owner, now, lease_ms)
  redis.call('ZADD', k.lease, now + lease_ms, token)
  redis.call('HSET', k.info, token, string.format('%.0f:%s', now, owner))
  redis.call('PEXPIRE', k.lease, UNUSED_MS)
  redis.call('PEXPIRE', k.info, UNUSED_MS)
end

local function leave_queue(k, token)
  redis.call('ZREM', k.alive, token)
  return redis.call('ZREM', k.queue, token)
end

local function has_room(k)
  local limit = tonumber(redis.call('GET', k.limit) or '0')
  return limit <= 0 or redis.call('ZCARD', k.lease) < limit
end

-- Reclaim lost leases, forget dead waiters, serve the queue from its head. Afterwards: room means that nobody waits.
local function tidy(k, now, lease_ms)
  for _, token in ipairs(redis.call('ZRANGEBYSCORE', k.lease, '-inf', now)) do
    redis.call('ZREM', k.lease, token)
    redis.call('HDEL', k.info, token)
  end
  for _, token in ipairs(redis.call('ZRANGEBYSCORE', k.alive, '-inf', now)) do
    leave_queue(k, token)
    redis.call('HDEL', k.info, token)
  end
  if redis.call('ZCARD', k.queue) == 0 then return end
  while has_room(k) do
    local head = redis.call('ZRANGE', k.queue, 0, 0)[1]
    if not head then return end
    local info = redis.call('HGET', k.info, head) or '0:'
    leave_queue(k, head)
    hold(k, head, string.match(info, '^%d+:(.*)$'), now, lease_ms)
  end
end

local function set_limit(k, limit)
  redis.call('SET', k.limit, limit, 'PX', UNUSED_MS)
end

local function line_up(k, token, owner, seq, now, alive_ms)
  redis.call('ZADD', k.queue, seq, token)
  redis.call('ZADD', k.alive, now + alive_ms, token)
  redis.call('HSET', k.info, token, '0:' .. owner)
  for _, key in ipairs({ k.queue, k.alive, k.info }) do redis.call('PEXPIRE', key, UNUSED_MS) end
end
