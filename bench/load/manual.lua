-- Manual releases of one lock each, with two to be told, in scattered order, none of them twice.
-- Own argument: how many locks there are (Tables.fill).

local common = dofile(os.getenv("BENCH_LOAD") .. "/common.lua")
local next_request

function init(arguments)
   local body = '{"tenantId":"' .. common.tenant .. '","reason":"Guest moved to another room",'
      .. '"actorId":"ops.42","actorName":"Alex Night","notify":["gm@hotel.example","#front-desk"]}'
   next_request = common.each_number(arguments, "POST /v1/locks/00000000-0000-7000-8000-",
      "/manual-release HTTP/1.1\r\nHost: " .. wrk.headers["Host"]
      .. "\r\nX-Guard-Admin-Token: bench\r\nContent-Type: application/json\r\nContent-Length: "
      .. #body .. "\r\n\r\n" .. body)
end

function request()
   return next_request()
end

done = common.done
