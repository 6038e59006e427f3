-- resource, limit, token, owner, lease_ms, max_waiting (0: do not wait), alive_ms, claim of a share (or empty)
-- -> {'held'} | {'full', waiting} | {'waiting', place, seq}
local k, token, owner = keys_of(ARGV[1]), ARGV[3], ARGV[4]
local now, lease_ms = now_ms(), tonumber(ARGV[5])
set_limit(k, ARGV[2])
tidy(k, now, lease_ms)
local waiting = redis.call('ZCARD', k.queue)
if waiting == 0 and has_room(k) then
  claim_share(k, token, ARGV[8])
  hold(k, token, owner, now, lease_ms)
  return { 'held' }
end
if waiting >= tonumber(ARGV[6]) then return { 'full', waiting } end
local seq = redis.call('INCR', 'headgate:slot-seq')
line_up(k, token, owner, seq, now, tonumber(ARGV[7]), ARGV[8])
return { 'waiting', place_of(k, token), seq }
