"""The Python SDK, configured by its environment variables alone."""

import asyncio

import anthropic
from checks import CORRELATION_ID, MODEL, WEATHER, answered, check, expect, expect_echo

PATIENCE = {"max_retries": 0, "timeout": 30}
CLIENT = anthropic.Anthropic(**PATIENCE)
HELLO = {"model": MODEL, "max_tokens": 100, "messages": [{"role": "user", "content": "Hello!"}]}


def header(correlation_id):
    return {CORRELATION_ID: correlation_id}


def create(correlation_id, **parameters):
    """The message, and what its receipt has to say."""
    raw = CLIENT.messages.with_raw_response.create(**parameters, extra_headers=header(correlation_id))
    expect_echo(raw.headers, correlation_id)
    message = raw.parse()
    return message, answered(message.usage.model_dump(), message.stop_reason)


def plain_message(correlation_id):
    message, receipt = create(correlation_id, **HELLO)
    expect("Hello!" in message.content[0].text, f"answered {message.content}")
    return [receipt]


def streamed_message(correlation_id):
    with CLIENT.messages.stream(**HELLO, extra_headers=header(correlation_id)) as stream:
        expect_echo(stream.response.headers, correlation_id)
        text = "".join(stream.text_stream)
        message = stream.get_final_message()
    expect("Hello!" in text and text == message.content[0].text, f"streamed {text!r}")
    return [answered(message.usage.model_dump(), message.stop_reason)]


def streamed_message_async(correlation_id):
    async def stream():
        async with anthropic.AsyncAnthropic(**PATIENCE) as client:
            async with client.messages.stream(**HELLO, extra_headers=header(correlation_id)) as stream:
                expect_echo(stream.response.headers, correlation_id)
                return await stream.get_final_message()

    message = asyncio.run(stream())
    expect("Hello!" in message.content[0].text, f"answered {message.content}")
    return [answered(message.usage.model_dump(), message.stop_reason)]


def tool_round(correlation_id):
    question = {"role": "user", "content": "Call get_weather for Lisbon."}
    round_ = HELLO | {"tools": [WEATHER], "messages": [question]}
    call, first = create(correlation_id, **round_)
    expect(call.stop_reason == "tool_use", f"stopped for {call.stop_reason}")
    use = next(block for block in call.content if block.type == "tool_use")
    expect(use.name == "get_weather" and use.input == {"city": "Lisbon"}, f"called {use}")

    result = {"type": "tool_result", "tool_use_id": use.id, "content": "18 degrees, sunny"}
    history = [question, {"role": "assistant", "content": call.content}, {"role": "user", "content": [result]}]
    final, second = create(correlation_id, **round_ | {"messages": history})
    expect("18 degrees, sunny" in final.content[0].text, f"answered {final.content}")
    return [first, second]


def count_tokens(correlation_id):
    raw = CLIENT.messages.with_raw_response.count_tokens(
        model=MODEL, messages=HELLO["messages"], extra_headers=header(correlation_id)
    )
    expect_echo(raw.headers, correlation_id)
    expect(raw.parse().input_tokens > 0, f"counted {raw.parse()}")
    return [{"endpoint": "count-tokens"}]


def model_list(correlation_id):
    raw = CLIENT.models.with_raw_response.list(extra_headers=header(correlation_id))
    expect_echo(raw.headers, correlation_id)
    models = [model.id for model in raw.parse().data]
    expect(MODEL in models, f"listed {models}")
    return [{"endpoint": "models"}]


check("plain message", plain_message)
check("streamed message", streamed_message)
check("streamed message, async", streamed_message_async)
check("tool round", tool_round)
check("count_tokens", count_tokens)
check("model list", model_list)
