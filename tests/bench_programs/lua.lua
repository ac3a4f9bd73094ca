-- Tables, strings and closures, in a state of its own.
local state = 1
local function draw(limit)
    state = state * 16807 % 2147483647
    return state % limit + 1
end

local words, counts = {}, {}
for i = 1, 200000 do
    local word = "word" .. draw(40000)
    words[i] = word
    counts[word] = (counts[word] or 0) + 1
end

local keys = {}
for key in pairs(counts) do keys[#keys + 1] = key end
table.sort(keys, function(a, b)
    if counts[a] ~= counts[b] then return counts[a] > counts[b] end
    return a < b
end)

local function tree(depth)
    if depth == 0 then return { leaf = draw(100) } end
    return { left = tree(depth - 1), right = tree(depth - 1) }
end
local function sum(node)
    if node.leaf then return 1 end
    return sum(node.left) + sum(node.right)
end
local leaves = 0
for _ = 1, 12 do leaves = leaves + sum(tree(14)) end

local parts = {}
for i = 1, 60000 do parts[i] = (words[i]:upper():reverse()):sub(2, 7) .. i end
local text = table.concat(parts, ",")
local digits = select(2, text:gsub("%d+", function(d) return "<" .. d .. ">" end))
print(#keys, keys[1], leaves, #text, digits)
