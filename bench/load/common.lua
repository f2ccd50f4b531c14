-- What the wrk scripts share. They are made to cost little, because wrk runs on the same
-- processors as what it measures: texts are prepared in init(), a request is one concatenation,
-- and nothing looks at the answers (nginx and the table tell what became of the requests).
--
-- Arguments of every script, behind "--": seed, first year, then its own.

local common = {
   tenant = "7b5a3c1e-0d2f-4e6a-8b9c-1d3e5f7a9b0c",
   room_type = "2f4e6d8c-1a3b-4c5d-9e8f-7a6b5c4d3e2f",
   rooms = 100000,
   days = 3650,
}

-- Twelve digits: the end of the uuids of locks. From 0.
function common.numbers(count)
   local found = {}
   for number = 0, count - 1 do
      found[number] = string.format("%012d", number)
   end
   return found
end

-- The uuids of rooms, scattered as random ones are: tables.py says why. From 0.
function common.room_ids(count)
   local found = {}
   for number = 0, count - 1 do
      found[number] = string.format("%08x-0000-4000-8000-%012d",
                                    number * 2654435761 % 4294967296, number)
   end
   return found
end

-- Dates as text, from the first day of the year on. From 0.
function common.dates(year, count)
   local first = os.time({year = year, month = 1, day = 1, hour = 12})
   local found = {}
   for day = 0, count - 1 do
      found[day] = os.date("!%Y-%m-%d", first + day * 86400)
   end
   return found
end

-- The start of a request with a body of this many bytes.
function common.head(method, path, length)
   return method .. " " .. path .. " HTTP/1.1\r\nHost: " .. wrk.headers["Host"]
      .. "\r\nContent-Type: application/json\r\nContent-Length: " .. length .. "\r\n\r\n"
end

-- Each number below count once, scattered: steps of about the golden section.
function common.scattered(count)
   local function divisor(a, b)
      return b == 0 and a or divisor(b, a % b)
   end
   local step = math.floor(count * 0.6180339887)
   while divisor(count, step) ~= 1 do
      step = step + 1
   end
   return step
end

-- Requests that are a head, a number and a tail, about the locks or reservations 0 to count - 1
-- (argument 3), in scattered order, none of them twice in a round.
function common.each_number(arguments, head, tail)
   math.randomseed(tonumber(arguments[1]))
   local count = tonumber(arguments[3])
   local numbers = common.numbers(count)
   local step, number = common.scattered(count), math.random(0, count - 1)
   return function()
      number = (number + step) % count
      return head .. numbers[number] .. tail
   end
end

-- The same for requests without a body, whose path ends before the number and whose query is this
-- with the tenant.
function common.about_each(arguments, method, path, query)
   return common.each_number(arguments, method .. " " .. path,
      query .. common.tenant .. " HTTP/1.1\r\nHost: " .. wrk.headers["Host"] .. "\r\n\r\n")
end

-- The parts around room, first and last day of a new lock; all of them texts.
function common.lock_parts(more)
   local open = '{"tenantId":"' .. common.tenant .. '","roomTypeId":"' .. common.room_type
      .. '",' .. (more or "") .. '"roomId":"'
   local start, last, close = '","stayStart":"', '","stayEnd":"', '"}'
   return open, start, last, close
end

-- The request of a new lock: head and parts to put between room, arrival and departure,
-- where each day is a text of this length.
function common.lock_request(day_length)
   local open, start, last, close = common.lock_parts()
   local length = #open + 36 + #start + day_length + #last + day_length + #close
   return common.head("POST", "/v1/locks", length) .. open, start, last, close
end

-- wrk calls it once at the end: what wrk has seen, as one line of JSON behind "result ".
function common.done(summary, latency)
   local function ms(value)
      return value / 1000
   end
   io.write(string.format(
      'result {"seconds":%.6f,"requests":%d,"not_ok":%d,"errors":%d,"mean_ms":%.4f,'
      .. '"p50_ms":%.4f,"p90_ms":%.4f,"p99_ms":%.4f,"p999_ms":%.4f,"max_ms":%.4f}\n',
      summary.duration / 1e6, summary.requests, summary.errors.status,
      summary.errors.connect + summary.errors.read + summary.errors.write
         + summary.errors.timeout,
      ms(latency.mean), ms(latency:percentile(50)), ms(latency:percentile(90)),
      ms(latency:percentile(99)), ms(latency:percentile(99.9)), ms(latency.max)))
end

return common
