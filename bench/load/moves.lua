-- Lock n, which is in room n, moves to other days of it: the same idempotency key again.
-- Own argument: how many locks there are (Tables.fill).

local common = dofile(os.getenv("BENCH_LOAD") .. "/common.lua")
local random = math.random
local head, middle, start, last, close, numbers, rooms, dates, count, step, number

function init(arguments)
   math.randomseed(tonumber(arguments[1]))
   count = tonumber(arguments[3])
   numbers, rooms = common.numbers(count), common.room_ids(count)
   dates = common.dates(tonumber(arguments[2]), common.days + 3)
   step, number = common.scattered(count), random(0, count - 1)
   local key = '"idempotencyKey":"00000000-0000-7000-8000-'
   local open
   open, start, last, close = common.lock_parts(key .. string.rep("0", 12) .. '",')
   local length = #open + 36 + #start + 10 + #last + 10 + #close
   local behind = open:find(key, 1, true) + #key
   head = common.head("POST", "/v1/locks", length) .. open:sub(1, behind - 1)
   middle = open:sub(behind + 12)
end

function request()
   number = (number + step) % count
   local arrival = random(0, common.days - 1)
   return head .. numbers[number] .. middle .. rooms[number] .. start .. dates[arrival]
      .. last .. dates[arrival + random(1, 3)] .. close
end

done = common.done
