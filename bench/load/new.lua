-- New locks on many rooms: one of 100,000 rooms for one to three nights somewhere in ten years.

local common = dofile(os.getenv("BENCH_LOAD") .. "/common.lua")
local random = math.random
local head, start, last, close, rooms, dates

function init(arguments)
   math.randomseed(tonumber(arguments[1]))
   rooms = common.room_ids(common.rooms)
   dates = common.dates(tonumber(arguments[2]), common.days + 3)
   head, start, last, close = common.lock_request(10)
end

function request()
   local arrival = random(0, common.days - 1)
   return head .. rooms[random(0, common.rooms - 1)] .. start .. dates[arrival]
      .. last .. dates[arrival + random(1, 3)] .. close
end

done = common.done
