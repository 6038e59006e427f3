-- Token buckets: headgate:rate:<name> is the string 'spent at_ms limit'; without it the bucket is full.
-- The arithmetic of core/limits/token_bucket.py: units are 1/60000, so all numbers are whole and below 2^53.
local UNITS, MAX_DEBT_MINUTES = 60000, 60

local function rate_key(name) return 'headgate:rate:' .. name end

-- What is spent of the bucket now. A clock that went back refills nothing until it is touched again.
local function spent_of(key, limit, now)
  local value = redis.call('GET', key)
  if not value then return 0 end
  local spent, at, old_limit = string.match(value, '^(%d+) (%d+) (%d+)$')
  spent = math.max(0, spent - old_limit * math.max(0, now - at))
  if tonumber(old_limit) ~= limit then spent = math.floor(spent * (limit / old_limit)) end
  return spent
end

local function keep_spent(key, spent, limit, now)
  if spent <= 0 then
    redis.call('DEL', key)
  else
    local value = string.format('%.0f %.0f %.0f', spent, now, limit)
    redis.call('SET', key, value, 'PX', math.ceil(spent / limit))
  end
end

local function drawn(spent, limit, amount)
  return math.min(math.max(0, spent + amount * UNITS), limit * UNITS * (1 + MAX_DEBT_MINUTES))
end
