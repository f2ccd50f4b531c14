-- The list of the three locks of a reservation, in scattered order.
-- Own argument: how many reservations there are (Tables.fill).

local common = dofile(os.getenv("BENCH_LOAD") .. "/common.lua")
local next_request

function init(arguments)
   next_request = common.about_each(arguments, "GET", "/v1/locks?reservationId=00000000-0000-4000-9000-", "&tenantId=")
end

function request()
   return next_request()
end

done = common.done
