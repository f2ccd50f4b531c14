-- wrk script: new locks on many rooms. Each request takes one room of 100,000 for
-- one to three nights somewhere in ten years.
-- Answers are counted; done() prints them as one line of JSON behind "result ".

local tenant = "7b5a3c1e-0d2f-4e6a-8b9c-1d3e5f7a9b0c"
local room_type = "2f4e6d8c-1a3b-4c5d-9e8f-7a6b5c4d3e2f"
local first_day = os.time({year = os.date("%Y") + 1, month = 1, day = 1, hour = 12})
local threads = {}

function setup(thread)
   table.insert(threads, thread)
   thread:set("seed", #threads * 7919 + os.time() % 100000 * 31)
end

function init()
   math.randomseed(seed)
   locked, conflicts, refused, other = 0, 0, 0, 0
end

function request()
   local room = math.random(0, 99999)
   local arrival = first_day + math.random(0, 3650) * 86400
   local departure = arrival + math.random(1, 3) * 86400
   local body = string.format(
      '{"tenantId":"%s","roomTypeId":"%s","roomId":"00000000-0000-4000-8000-%012d",'
      .. '"stayStart":"%s","stayEnd":"%s"}', tenant, room_type, room,
      os.date("!%Y-%m-%d", arrival), os.date("!%Y-%m-%d", departure))
   return wrk.format("POST", "/v1/locks", {["Content-Type"] = "application/json"}, body)
end

function response(status)
   if status == 200 then
      locked = locked + 1
   elseif status == 409 then
      conflicts = conflicts + 1
   elseif status == 503 then
      refused = refused + 1
   else
      other = other + 1
   end
end

function done(summary, latency)
   local sum = {locked = 0, conflicts = 0, refused = 0, other = 0}
   for _, thread in ipairs(threads) do
      for name in pairs(sum) do
         sum[name] = sum[name] + thread:get(name)
      end
   end
   io.write(string.format(
      'result {"seconds":%.3f,"locked":%d,"conflicts":%d,"refused":%d,"other":%d,'
      .. '"errors":%d,"p50_ms":%.3f,"p99_ms":%.3f,"max_ms":%.3f}\n',
      summary.duration / 1e6, sum.locked, sum.conflicts, sum.refused, sum.other,
      summary.errors.connect + summary.errors.read + summary.errors.write
         + summary.errors.timeout,
      latency:percentile(50) / 1000, latency:percentile(99) / 1000, latency.max / 1000))
end
