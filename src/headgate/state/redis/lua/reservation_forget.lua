-- bounds
for _, name in ipairs(ARGV) do
  local key = bound_key(name)
  if redis.call('EXISTS', key) == 1 then
    redis.call('HDEL', key, 'free')
    mark_moved(key)
  end
end
