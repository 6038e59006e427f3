-- Triples of bucket, limit, amount -> {0, 0, spent...} all drawn, or {index, wait_ms, spent...} nothing drawn:
-- the bucket to wait for longest.
local now, refused, longest = now_ms(), 0, 0
local answer = { 0, 0 }
for i = 1, #ARGV, 3 do
  local limit, amount = tonumber(ARGV[i + 1]), tonumber(ARGV[i + 2])
  local spent = spent_of(rate_key(ARGV[i]), limit, now)
  local excess = spent + (math.min(amount, limit) - limit) * UNITS
  if amount > 0 and math.ceil(excess / limit) > longest then
    refused, longest = (i + 2) / 3, math.ceil(excess / limit)
  end
  answer[#answer + 1] = spent
end
for i = 1, #ARGV, 3 do
  local limit, place = tonumber(ARGV[i + 1]), 2 + (i + 2) / 3
  if refused == 0 then answer[place] = drawn(answer[place], limit, tonumber(ARGV[i + 2])) end
  keep_spent(rate_key(ARGV[i]), answer[place], limit, now)
end
answer[1], answer[2] = refused, longest
return answer
