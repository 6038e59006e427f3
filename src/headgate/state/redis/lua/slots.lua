-- Slots of one resource, in keys under headgate:slot:<resource>:
--   lease  zset   token -> end of the lease, ms       info   hash  token -> "<held since ms>:<owner>"
--   queue  zset   token -> place in line (a sequence)  alive  zset  token -> end of the waiter's life, ms
--   limit  string the newest limit that a caller named
-- and, where requests claim shares (core/limits/fair_share.py says the same):
--   share  hash   token -> "<weight>:<guaranteed>:<background 0|1>:<granted when it lined up>:<party>"
--   fair   hash   granted, clock; u:<party> slots held, w:<party> requests in line, p:<party> virtual time
local function keys_of(resource)
  local p = 'headgate:slot:' .. resource .. ':'
  return { lease = p .. 'lease', info = p .. 'info', queue = p .. 'queue', alive = p .. 'alive', limit = p .. 'limit',
    share = p .. 'share', fair = p .. 'fair' }
end

local UNUSED_MS = 86400000 -- what nobody touches for a day is gone; no wait and no stream lasts as long
local SCALE, PATIENCE = 1000000, 64

local function parsed(text)
  if not text then return nil end
  local weight, guaranteed, background, entered, party = string.match(text, '^(%d+):(%d+):(%d):(%d+):(.*)$')
  return { weight = tonumber(weight), guaranteed = tonumber(guaranteed), background = background == '1',
    entered = tonumber(entered), party = party }
end

local function share_of(k, token) return parsed(redis.call('HGET', k.share, token)) end

local function fact(k, field) return tonumber(redis.call('HGET', k.fair, field) or '0') end

local function set_fact(k, field, value) redis.call('HSET', k.fair, field, string.format('%.0f', value)) end

-- Remember what the request claims. `claim` is "<weight>:<guaranteed>:<background>:<party>", empty for none.
local function claim_share(k, token, claim)
  if claim == '' or redis.call('HEXISTS', k.share, token) == 1 then return end
  local head, party = string.match(claim, '^(%d+:%d+:%d):(.*)$')
  redis.call('HSET', k.share, token, string.format('%s:%.0f:%s', head, fact(k, 'granted'), party))
  for _, key in ipairs({ k.share, k.fair }) do redis.call('PEXPIRE', key, UNUSED_MS) end
end

local function is_idle(k, party) return fact(k, 'u:' .. party) == 0 and fact(k, 'w:' .. party) == 0 end

local function present(k, party) -- who comes back has not saved up turns
  if is_idle(k, party) then
    set_fact(k, 'p:' .. party, math.max(fact(k, 'p:' .. party), fact(k, 'clock')))
  end
end

local function forget(k, token, party)
  redis.call('HDEL', k.share, token)
  if redis.call('ZCARD', k.lease) == 0 and redis.call('ZCARD', k.queue) == 0 then
    redis.call('DEL', k.share, k.fair)
  elseif is_idle(k, party) and fact(k, 'p:' .. party) <= fact(k, 'clock') then
    redis.call('HDEL', k.fair, 'u:' .. party, 'w:' .. party, 'p:' .. party)
  end
end

local function hold(k, token, owner, now, lease_ms)
  redis.call('ZADD', k.lease, now + lease_ms, token)
  redis.call('HSET', k.info, token, string.format('%.0f:%s', now, owner))
  redis.call('PEXPIRE', k.lease, UNUSED_MS)
  redis.call('PEXPIRE', k.info, UNUSED_MS)
  local share = share_of(k, token)
  if not share then return end
  present(k, share.party)
  local passed = fact(k, 'p:' .. share.party)
  redis.call('HINCRBY', k.fair, 'u:' .. share.party, 1)
  redis.call('HINCRBY', k.fair, 'granted', 1)
  set_fact(k, 'clock', math.max(fact(k, 'clock'), passed))
  set_fact(k, 'p:' .. share.party, passed + math.floor(SCALE / share.weight))
end

local function leave_queue(k, token)
  redis.call('ZREM', k.alive, token)
  local left = redis.call('ZREM', k.queue, token)
  local share = left == 1 and share_of(k, token)
  if share then redis.call('HINCRBY', k.fair, 'w:' .. share.party, -1) end
  return left
end

-- The lease is over: 1, or 0 when it was none.
local function drop_lease(k, token)
  local held = redis.call('ZREM', k.lease, token)
  local share = held == 1 and share_of(k, token)
  if share then
    redis.call('HINCRBY', k.fair, 'u:' .. share.party, -1)
    forget(k, token, share.party)
  end
  return held
end

-- The request is gone from the line for good.
local function drop_waiter(k, token)
  local left = leave_queue(k, token)
  local share = share_of(k, token)
  if share then forget(k, token, share.party) end
  return left
end

local function has_room(k)
  local limit = tonumber(redis.call('GET', k.limit) or '0')
  return limit <= 0 or redis.call('ZCARD', k.lease) < limit
end

local function rank_of(fair, share, seq)
  if not share then share = { weight = 1, guaranteed = 0, background = false, entered = 0, party = '' } end
  local used = tonumber(fair['u:' .. share.party] or '0')
  local late = share.background and tonumber(fair['granted'] or '0') - share.entered < PATIENCE
  return { used >= share.guaranteed and 1 or 0, late and 1 or 0, math.floor(used * SCALE / share.weight),
    tonumber(fair['p:' .. share.party] or '0'), seq }
end

local function is_before(a, b)
  for i = 1, 5 do
    if a[i] ~= b[i] then return a[i] < b[i] end
  end
  return false
end

-- Everybody in line with the rank by which they are served; nil where nobody claims a share.
local function ranks(k)
  if redis.call('EXISTS', k.share) == 0 then return nil end
  local line = redis.call('ZRANGE', k.queue, 0, -1, 'WITHSCORES')
  if #line == 0 then return {} end
  local tokens, fair, flat = {}, {}, redis.call('HGETALL', k.fair)
  for i = 1, #flat, 2 do fair[flat[i]] = flat[i + 1] end
  for i = 1, #line, 2 do tokens[#tokens + 1] = line[i] end
  local found, shares = {}, redis.call('HMGET', k.share, unpack(tokens))
  for i, token in ipairs(tokens) do
    found[i] = { token = token, rank = rank_of(fair, parsed(shares[i]), tonumber(line[2 * i])) }
  end
  return found
end

local function next_in_line(k)
  local line = ranks(k)
  if not line then return redis.call('ZRANGE', k.queue, 0, 0)[1] end
  local first
  for _, waiter in ipairs(line) do
    if not first or is_before(waiter.rank, first.rank) then first = waiter end
  end
  return first and first.token
end

-- 1-based, by the order in which they would be served now; nil when it is not in line.
local function place_of(k, token)
  local line = ranks(k)
  if not line then
    local rank = redis.call('ZRANK', k.queue, token)
    return rank and rank + 1
  end
  local own
  for _, waiter in ipairs(line) do
    if waiter.token == token then own = waiter.rank end
  end
  if not own then return nil end
  local place = 1
  for _, waiter in ipairs(line) do
    if is_before(waiter.rank, own) then place = place + 1 end
  end
  return place
end

-- Reclaim lost leases, forget dead waiters, serve the queue. Afterwards: room means that nobody waits.
local function tidy(k, now, lease_ms)
  for _, token in ipairs(redis.call('ZRANGEBYSCORE', k.lease, '-inf', now)) do
    drop_lease(k, token)
    redis.call('HDEL', k.info, token)
  end
  for _, token in ipairs(redis.call('ZRANGEBYSCORE', k.alive, '-inf', now)) do
    drop_waiter(k, token)
    redis.call('HDEL', k.info, token)
  end
  if redis.call('ZCARD', k.queue) == 0 then return end
  while has_room(k) do
    local head = next_in_line(k)
    if not head then return end
    local info = redis.call('HGET', k.info, head) or '0:'
    leave_queue(k, head)
    hold(k, head, string.match(info, '^%d+:(.*)$'), now, lease_ms)
  end
end

local function set_limit(k, limit)
  redis.call('SET', k.limit, limit, 'PX', UNUSED_MS)
end

local function line_up(k, token, owner, seq, now, alive_ms, claim)
  claim_share(k, token, claim)
  local share = redis.call('ZADD', k.queue, seq, token) == 1 and share_of(k, token)
  if share then
    present(k, share.party)
    redis.call('HINCRBY', k.fair, 'w:' .. share.party, 1)
  end
  redis.call('ZADD', k.alive, now + alive_ms, token)
  redis.call('HSET', k.info, token, '0:' .. owner)
  for _, key in ipairs({ k.queue, k.alive, k.info }) do redis.call('PEXPIRE', key, UNUSED_MS) end
end
