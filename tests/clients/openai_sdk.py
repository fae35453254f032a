"""OpenAI's SDK for Python."""

import asyncio
import json

import openai
from checks import CORRELATION_ID, MODEL, check, expect
from openai_checks import HELLO, PIXEL, SCHEMA, WEATHER, due, header

PATIENCE = {"max_retries": 0, "timeout": 30}
CLIENT = openai.OpenAI(**PATIENCE)


def create(correlation_id, **parameters):
    raw = CLIENT.chat.completions.with_raw_response.create(model=MODEL, **parameters, extra_headers=header(correlation_id))
    echo = raw.headers.get(CORRELATION_ID)
    expect(echo == correlation_id, f"{CORRELATION_ID} came back as {echo}")
    return raw.parse()


def plain(correlation_id):
    answer = create(correlation_id, messages=HELLO, max_completion_tokens=100)
    expect("Hello!" in answer.choices[0].message.content, f"answered {answer}")
    expect(answer.choices[0].finish_reason == "stop", f"ended for {answer.choices[0].finish_reason}")
    return [due(answer.usage, "end_turn")]


def streamed(correlation_id):
    stream = CLIENT.chat.completions.create(
        model=MODEL, messages=HELLO, stream=True, stream_options={"include_usage": True}, extra_headers=header(correlation_id)
    )
    chunks = list(stream)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    expect("Hello!" in text, f"streamed {text!r}")
    expect(chunks[-1].usage and not chunks[-1].choices, f"the last chunk is {chunks[-1]}")
    return [due(chunks[-1].usage, "end_turn")]


def streamed_async(correlation_id):
    async def stream():
        async with openai.AsyncOpenAI(**PATIENCE) as client:
            async with client.chat.completions.stream(model=MODEL, messages=HELLO, extra_headers=header(correlation_id)) as events:
                async for _ in events:
                    pass
                return await events.get_final_completion()

    answer = asyncio.run(stream())
    expect("Hello!" in answer.choices[0].message.content, f"answered {answer}")
    return [due(stop_reason="end_turn")]


def tool_round(correlation_id):
    question = {"role": "user", "content": "Call get_weather for Lisbon."}
    call = create(correlation_id, messages=[question], tools=[WEATHER]).choices[0]
    expect(call.finish_reason == "tool_calls", f"ended for {call.finish_reason}")
    calls = call.message.tool_calls
    expect(json.loads(calls[0].function.arguments) == {"city": "Lisbon"}, f"called {calls}")
    results = [{"role": "tool", "tool_call_id": it.id, "content": "18 degrees, sunny"} for it in calls]
    final = create(correlation_id, messages=[question, call.message, *results], tools=[WEATHER]).choices[0]
    expect("18 degrees, sunny" in final.message.content, f"answered {final}")
    return [due(stop_reason="tool_use"), due(stop_reason="end_turn")]


def streamed_tool(correlation_id):
    question = [{"role": "user", "content": "Call get_weather for Lisbon."}]
    with CLIENT.chat.completions.stream(model=MODEL, messages=question, tools=[WEATHER], extra_headers=header(correlation_id)) as stream:
        for _ in stream:
            pass
        call = stream.get_final_completion().choices[0].message.tool_calls[0]
    expect(json.loads(call.function.arguments) == {"city": "Lisbon"}, f"called {call}")
    return [due(stop_reason="tool_use")]


def parallel_results(correlation_id):
    call = lambda id, city: {"id": id, "type": "function", "function": {"name": "get_weather", "arguments": json.dumps({"city": city})}}
    messages = [
        {"role": "user", "content": "Both!"},
        {"role": "assistant", "content": None, "tool_calls": [call("call_a", "Lisbon"), call("call_b", "Porto")]},
        {"role": "tool", "tool_call_id": "call_a", "content": "18 degrees"},
        {"role": "tool", "tool_call_id": "call_b", "content": "16 degrees"},
    ]
    answer = create(correlation_id, messages=messages, tools=[WEATHER], parallel_tool_calls=True)
    expect("16 degrees" in answer.choices[0].message.content, f"answered {answer}")
    return [due(stop_reason="end_turn")]


def image(correlation_id):
    parts = [{"type": "text", "text": "Hello!"}, {"type": "image_url", "image_url": {"url": PIXEL}}]
    answer = create(correlation_id, messages=[{"role": "user", "content": parts}])
    expect("Hello!" in answer.choices[0].message.content, f"answered {answer}")
    return [due(answer.usage)]


def schema(correlation_id):
    answer = create(correlation_id, messages=HELLO, response_format=SCHEMA)
    given = json.loads(answer.choices[0].message.content)
    expect(set(given) == {"city"}, f"answered {given}")
    return [due(answer.usage)]


def responses(correlation_id):
    answer = CLIENT.responses.create(model=MODEL, input="Hello!", extra_headers=header(correlation_id))
    expect("Hello!" in answer.output_text, f"answered {answer}")
    return [due(stop_reason="end_turn", path="/v1/responses")]


def streamed_responses(correlation_id):
    tool = {"type": "function", "strict": False, **WEATHER["function"]}
    question = "Call get_weather for Lisbon."
    with CLIENT.responses.stream(model=MODEL, input=question, tools=[tool], extra_headers=header(correlation_id)) as stream:
        for _ in stream:
            pass
        answer = stream.get_final_response()
    call = next(item for item in answer.output if item.type == "function_call")
    expect(json.loads(call.arguments) == {"city": "Lisbon"}, f"called {call}")
    return [due(stop_reason="tool_use", path="/v1/responses")]


def models(correlation_id):
    listed = [model.id for model in CLIENT.models.list(extra_headers=header(correlation_id)).data]
    expect(MODEL in listed, f"listed {listed}")
    return [{"endpoint": "models", "dialect": {"plugin": "openai"}}]


def errors(correlation_id):
    try:
        create(correlation_id, messages=HELLO, seed=1)
    except openai.BadRequestError as error:
        expect(error.param == "seed" and error.code == "unsupported_parameter", f"told {error.body}")
    else:
        raise AssertionError("a seed was accepted")
    try:
        openai.OpenAI(api_key="wrong", **PATIENCE).models.list()
    except openai.AuthenticationError as error:
        expect(error.code == "invalid_api_key", f"told {error.body}")
    else:
        raise AssertionError("a wrong key was accepted")
    return None


check("plain message", plain)
check("streamed message", streamed)
check("streamed message, async", streamed_async)
check("tool round", tool_round)
check("streamed tool", streamed_tool)
check("parallel results", parallel_results)
check("image", image)
check("schema", schema)
check("response", responses)
check("streamed response", streamed_responses)
check("models", models)
check("errors", errors)
