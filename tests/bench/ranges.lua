-- Ranges of 64 KiB anywhere in a file of 20 MB, the same ones in each run.
math.randomseed(7)
local headers = {}
for i = 1, 1024 do
	local at = math.random(0, 20000000 - 65536)
	headers[i] = { Range = string.format("bytes=%d-%d", at, at + 65535) }
end
local n = 0
request = function()
	n = n % #headers + 1
	return wrk.format("GET", nil, headers[n])
end
