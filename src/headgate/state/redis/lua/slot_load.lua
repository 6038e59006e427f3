-- resources -> in use, waiting of each. Reads only.
local now = now_ms()
local loads = {}
for i, resource in ipairs(ARGV) do
  local k = keys_of(resource)
  loads[2 * i - 1] = redis.call('ZCOUNT', k.lease, string.format('(%.0f', now), '+inf')
  loads[2 * i] = redis.call('ZCOUNT', k.alive, string.format('(%.0f', now), '+inf')
end
return loads
