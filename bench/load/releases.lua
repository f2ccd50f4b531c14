-- Releases of one lock each, in scattered order, none of them twice.
-- Own argument: how many locks there are (Tables.fill).

local common = dofile(os.getenv("BENCH_LOAD") .. "/common.lua")
local next_request

function init(arguments)
   next_request = common.about_each(arguments, "DELETE", "/v1/locks/00000000-0000-7000-8000-", "?tenantId=")
end

function request()
   return next_request()
end

done = common.done
