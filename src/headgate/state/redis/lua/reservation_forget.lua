-- bounds
for _, name in ipairs(ARGV) do forget(name) end
