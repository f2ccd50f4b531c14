-- One hot room: everybody wants it, each for ten minutes of their own in ten years, in scattered
-- order. All are granted, one after the other, because it is one room.

local common = dofile(os.getenv("BENCH_LOAD") .. "/common.lua")
local head, start, last, close, dates, times
local slots_a_day = 144
local count = common.days * slots_a_day
local step, slot

function init(arguments)
   math.randomseed(tonumber(arguments[1]))
   dates = common.dates(tonumber(arguments[2]), common.days + 1)
   times = {}
   for number = 0, slots_a_day - 1 do
      times[number] = string.format("T%02d:%02d:00Z", math.floor(number / 6), number % 6 * 10)
   end
   head, start, last, close = common.lock_request(20)
   head = head .. common.room_ids(1)[0] .. start
   step, slot = common.scattered(count), math.random(0, count - 1)
end

local function text(number)
   return dates[math.floor(number / slots_a_day)] .. times[number % slots_a_day]
end

function request()
   slot = (slot + step) % count
   return head .. text(slot) .. last .. text(slot + 1) .. close
end

done = common.done
