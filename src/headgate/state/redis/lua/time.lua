-- Milliseconds of the server's clock: the machines of an installation need not agree on the time.
local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
