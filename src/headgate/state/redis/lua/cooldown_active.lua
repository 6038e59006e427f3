-- accounts -> account, model, "<until ms>:<details>" of those in force or not proven to be over
local now = now_ms()
local found = {}
for _, account in ipairs(ARGV) do
  local models = redis.call('HGETALL', cooldown_key(account))
  for i = 1, #models, 2 do
    if until_of(models[i + 1]) + PROBATION_MS > now then
      found[#found + 1] = account
      found[#found + 1] = models[i]
      found[#found + 1] = models[i + 1]
    end
  end
end
return found
