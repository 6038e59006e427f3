-- Triples of bucket, limit, amount (negative: given back).
local now = now_ms()
for i = 1, #ARGV, 3 do
  local key, limit = rate_key(ARGV[i]), tonumber(ARGV[i + 1])
  keep_spent(key, drawn(spent_of(key, limit, now), limit, tonumber(ARGV[i + 2])), limit, now)
end
