-- One request: the same steps as TokenBucket::step, with the server's clock, as one.
-- KEYS[1] the bucket: "<time of the last pass, us>:<what it then lacked of being full, ns>"; absent: full
-- ARGV    time in which one token comes back, time in which the bucket fills (ns)
-- Answers {whether it passes, what the bucket lacks (ns), how long to wait (ns)}.
local time = redis.call('TIME')
local now_us = tonumber(time[1]) * 1000000 + tonumber(time[2])
local token_ns, capacity_ns = tonumber(ARGV[1]), tonumber(ARGV[2])

-- A full bucket equals an absent one, so that is when it may go.
local function keep(lacks_ns)
  local full_in_ms = string.format('%.0f', math.ceil(lacks_ns / 1000000))
  redis.call('SET', KEYS[1], string.format('%.0f:%.0f', now_us, lacks_ns), 'PX', full_in_ms)
end

local debt_ns, went_back = 0, false
local at_us, lacked_ns = string.match(redis.call('GET', KEYS[1]) or '', '^(%d+):(%d+)$')
if at_us then
  local passed_us = now_us - tonumber(at_us)
  -- A clock that went back gives nothing back.
  went_back = passed_us < 0
  debt_ns = math.max(0, tonumber(lacked_ns) - math.max(0, passed_us) * 1000)
end

local over_ns = debt_ns + token_ns - capacity_ns
if over_ns > 0 then
  -- It does not stand still either until the clock is where it was: it goes on from here.
  if went_back then keep(debt_ns) end
  return {0, debt_ns, over_ns}
end
debt_ns = debt_ns + token_ns
keep(debt_ns)
return {1, debt_ns, 0}
