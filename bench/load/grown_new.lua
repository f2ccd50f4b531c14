-- New locks between those that are there: Tables.grow leaves the last 24 days of each 36 free. Own
-- argument: which eighth of them, three days of each 24. No two of these locks meet, so that what is
-- measured is the table's size, and not how many of them are there already.

local common = dofile(os.getenv("BENCH_LOAD") .. "/common.lua")
local random, floor = math.random, math.floor
local head, start, last, close, rooms, dates, first, places, step, place

function init(arguments)
   math.randomseed(tonumber(arguments[1]))
   rooms = common.room_ids(common.rooms)
   dates = common.dates(tonumber(arguments[2]), common.days + 3)
   head, start, last, close = common.lock_request(10)
   first = 12 + tonumber(arguments[3]) * 3
   places = 100 * common.rooms
   step, place = common.scattered(places), random(0, places - 1)
end

function request()
   place = (place + step) % places
   local arrival = floor(place / common.rooms) * 36 + first
   return head .. rooms[place % common.rooms] .. start .. dates[arrival]
      .. last .. dates[arrival + random(1, 3)] .. close
end

done = common.done
