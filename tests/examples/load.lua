-- For wrk: posts two bodies in turns, and compares each response with what belongs to one of them.
-- Arguments: for each, the body, the status, and the body of the response.

local threads = {}

function setup(thread)
    table.insert(threads, thread)
end

function init(arguments)
    bodies, expected = { arguments[1], arguments[4] }, {}
    for _, first in ipairs({ 2, 5 }) do
        table.insert(expected, { status = tonumber(arguments[first]), body = arguments[first + 1] })
    end
    requests, right, wrong, example = 0, { 0, 0 }, 0, ""
end

function request()
    requests = requests + 1
    return wrk.format("POST", nil, nil, bodies[requests % 2 + 1])
end

function response(status, headers, body)
    for n, response in ipairs(expected) do
        if status == response.status and body == response.body then
            right[n] = right[n] + 1
            return
        end
    end
    wrong, example = wrong + 1, status .. " " .. body:sub(1, 200)
end

function done(summary, latency, requests)
    local first, second, wrong, example = 0, 0, 0, ""
    for _, thread in ipairs(threads) do
        local right = thread:get("right")
        first, second, wrong = first + right[1], second + right[2], wrong + thread:get("wrong")
        example = example .. thread:get("example")
    end
    local errors = summary.errors
    local failed = errors.connect + errors.read + errors.write + errors.timeout
    io.stderr:write(("%d %d right, %d wrong %s, %d failed\n"):format(first, second, wrong, example, failed))
end
