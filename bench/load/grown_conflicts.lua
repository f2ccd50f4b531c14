-- Nights that are taken, at random places of a table that Tables.grow has filled.
-- Own argument: how many locks there are.

local common = dofile(os.getenv("BENCH_LOAD") .. "/common.lua")
local random, floor = math.random, math.floor
local head, start, last, close, rooms, dates, count

function init(arguments)
   math.randomseed(tonumber(arguments[1]))
   count = tonumber(arguments[3])
   rooms = common.room_ids(common.rooms)
   dates = common.dates(tonumber(arguments[2]), common.days + 3)
   head, start, last, close = common.lock_request(10)
end

function request()
   local lock = random(0, count - 1)
   local arrival = floor(lock / common.rooms) * 37 % 100 * 36 + lock * 7919 % 9
   return head .. rooms[lock % common.rooms] .. start .. dates[arrival]
      .. last .. dates[arrival + 1] .. close
end

done = common.done
