-- headgate:cooldown:<account> is a hash: model -> "<until ms>:<JSON of reason, evidence, strikes, began>".
local PROBATION_MS = 24 * 3600 * 1000
local function cooldown_key(account) return 'headgate:cooldown:' .. account end
local function until_of(value) return tonumber(string.match(value, '^(%d+):')) end
