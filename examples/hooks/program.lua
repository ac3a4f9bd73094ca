-- What a Lua program does all day: words are counted, a table is written as JSON and read back, a
-- parser and an interpreter run, coroutines hand values on. Returns one line of results.

local state = 12345
local function random(limit)
    state = (state * 1103515245 + 12345) & 0x7fffffff
    return (state >> 8) % limit + 1
end

local function checksum(text)
    local sum = 0
    for i = 1, #text do sum = (sum * 31 + text:byte(i)) & 0xffffffff end
    return sum
end

-- A text of words, and how often each occurs.
local function words(count)
    local syllables = { "ka", "lo", "mi", "ter", "sun", "ple", "o", "ran", "de", "vis" }
    local text = {}
    for i = 1, count do
        local word = {}
        for j = 1, random(4) do word[j] = syllables[random(#syllables)] end
        text[i] = table.concat(word)
    end
    text = table.concat(text, " ")
    local counts, order = {}, {}
    for word in text:gmatch("%a+") do
        if not counts[word] then order[#order + 1] = word end
        counts[word] = (counts[word] or 0) + 1
    end
    table.sort(order, function(a, b)
        if counts[a] ~= counts[b] then return counts[a] > counts[b] end
        return a < b
    end)
    return order[1] .. "=" .. counts[order[1]], #order
end

-- JSON, both ways.
local function encode(value)
    if type(value) == "table" then
        local parts = {}
        if #value > 0 then
            for i, item in ipairs(value) do parts[i] = encode(item) end
            return "[" .. table.concat(parts, ",") .. "]"
        end
        local keys = {}
        for key in pairs(value) do keys[#keys + 1] = key end
        table.sort(keys)
        for i, key in ipairs(keys) do parts[i] = string.format("%q:%s", key, encode(value[key])) end
        return "{" .. table.concat(parts, ",") .. "}"
    end
    return type(value) == "string" and string.format("%q", value) or tostring(value)
end

local function decode(text)
    local at = 1
    local function value()
        local char = text:sub(at, at)
        if char == "{" or char == "[" then
            local closing, result = char == "{" and "}" or "]", {}
            at = at + 1
            while text:sub(at, at) ~= closing do
                local key = #result + 1
                if closing == "}" then
                    key = value()
                    at = at + 1
                end
                result[key] = value()
                if text:sub(at, at) == "," then at = at + 1 end
            end
            at = at + 1
            return result
        end
        local from, to, token = text:find('^"([^"]*)"', at)
        if from then
            at = to + 1
            return token
        end
        from, to, token = text:find("^(-?[%d%.]+)", at)
        at = to + 1
        return tonumber(token)
    end
    return value()
end

local function documents(count)
    local list = {}
    for i = 1, count do
        list[i] = { id = i, name = "item " .. i, price = random(10000), tags = { "a" .. random(9), "b" } }
    end
    local text = encode(list)
    local again = decode(text)
    assert(encode(again) == text and #again == count)
    return checksum(text)
end

-- An expression is parsed to closures, which are called.
local function compile(text)
    local at = 1
    local sum
    local function atom()
        if text:sub(at, at) == "(" then
            at = at + 1
            local inner = sum()
            at = at + 1
            return inner
        end
        local from, to = text:find("^%d+", at)
        if from then
            local number = tonumber(text:sub(from, to))
            at = to + 1
            return function() return number end
        end
        at = at + 1
        return function(x) return x end
    end
    local function product()
        local left = atom()
        while text:sub(at, at) == "*" do
            at = at + 1
            local a, b = left, atom()
            left = function(x) return a(x) * b(x) % 1000003 end
        end
        return left
    end
    function sum()
        local left = product()
        while text:sub(at, at) == "+" do
            at = at + 1
            local a, b = left, product()
            left = function(x) return a(x) + b(x) end
        end
        return left
    end
    return sum()
end

local function expressions(count)
    local total = 0
    for i = 1, count do
        local text = ("(x+%d)*(x*%d+%d)+x*x"):format(random(99), random(99), random(99))
        total = (total + compile(text)(i)) % 1000003
    end
    return total
end

-- A pipeline of coroutines: primes by a sieve of filters.
local function primes(limit)
    local function filter(source, prime)
        return coroutine.wrap(function()
            for n in source do
                if n % prime ~= 0 then coroutine.yield(n) end
            end
        end)
    end
    local source = coroutine.wrap(function() for n = 2, limit do coroutine.yield(n) end end)
    local last
    while true do
        local prime = source()
        if not prime then return last end
        last, source = prime, filter(source, prime)
    end
end

local word, different = words(60000)
return table.concat({
    word, different, documents(6000), expressions(12000), primes(350),
}, " ")
