-- Half of the requests want the night that lock n has in room n, half a free place.
-- Own argument: how many locks there are (Tables.fill).

local common = dofile(os.getenv("BENCH_LOAD") .. "/common.lua")
local random = math.random
local head, start, last, close, rooms, dates, count

function init(arguments)
   math.randomseed(tonumber(arguments[1]))
   count = tonumber(arguments[3])
   rooms = common.room_ids(common.rooms)
   dates = common.dates(tonumber(arguments[2]), common.days + 3)
   head, start, last, close = common.lock_request(10)
end

function request()
   local room, arrival, nights
   if random() < 0.5 then
      room = random(0, count - 1)
      arrival, nights = room * 7919 % common.days, 1
   else
      room = random(0, common.rooms - 1)
      arrival, nights = random(0, common.days - 1), random(1, 3)
   end
   return head .. rooms[room] .. start .. dates[arrival] .. last .. dates[arrival + nights]
      .. close
end

done = common.done
