-- Reads of one lock by its id, in scattered order.
-- Own argument: how many locks there are (Tables.fill).

local common = dofile(os.getenv("BENCH_LOAD") .. "/common.lua")
local head, tail, numbers, count, step, number

function init(arguments)
   math.randomseed(tonumber(arguments[1]))
   count = tonumber(arguments[3])
   numbers = common.numbers(count)
   step, number = common.scattered(count), math.random(0, count - 1)
   head = "GET /v1/locks/00000000-0000-7000-8000-"
   tail = "?tenantId=" .. common.tenant .. " HTTP/1.1\r\nHost: " .. wrk.headers["Host"]
      .. "\r\n\r\n"
end

function request()
   number = (number + step) % count
   return head .. numbers[number] .. tail
end

done = common.done
