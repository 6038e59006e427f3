-- ids
for _, id in ipairs(ARGV) do abandon(id) end
