"""The Python SDK with a model that is none of Anthropic's: plain, streamed, tools both ways, and a count of tokens."""

import json
import uuid

import anthropic
from checks import CORRELATION_ID, WEATHER, expect

CLIENT = anthropic.Anthropic(max_retries=0, timeout=60)
HELLO = {"model": "our-model", "max_tokens": 100, "messages": [{"role": "user", "content": "Hello!"}]}
ANSWER = "Hello from a model of our own."
RESULT = "18 degrees"


def check(name, act):
    told = {"check": name, "correlation_id": f"clients-{uuid.uuid4()}"}
    try:
        told["requests"] = act({CORRELATION_ID: told["correlation_id"]})
    except Exception as error:
        told["problem"] = f"{type(error).__name__}: {error}"
    print(json.dumps(told), flush=True)


def whole(headers, **more):
    return CLIENT.messages.create(**HELLO | more, extra_headers=headers)


def streamed(headers, **more):
    with CLIENT.messages.stream(**HELLO | more, extra_headers=headers) as stream:
        return stream.get_final_message()


def plain(ask):
    def act(headers):
        message = ask(headers)
        expect(message.content[0].text == ANSWER, f"answered {message.content}")
        return 1

    return act


def tool_round(ask):
    def act(headers):
        call = ask(headers, tools=[WEATHER])
        expect(call.stop_reason == "tool_use", f"stopped for {call.stop_reason}")
        use = next(block for block in call.content if block.type == "tool_use")
        expect(use.name == WEATHER["name"] and use.input == {"city": "Lisbon"}, f"called {use}")
        result = {"type": "tool_result", "tool_use_id": use.id, "content": RESULT}
        history = [*HELLO["messages"], {"role": "assistant", "content": call.content}, {"role": "user", "content": [result]}]
        final = ask(headers, tools=[WEATHER], messages=history)
        expect(final.content[0].text == f"It is {RESULT}.", f"answered {final.content}")
        return 2

    return act


def counted(headers):
    count = CLIENT.messages.count_tokens(model="our-model", messages=HELLO["messages"], extra_headers=headers)
    expect(count.input_tokens > 0, f"counted {count}")
    return 1


for way, ask in [("whole", whole), ("streamed", streamed)]:
    check(f"a message, {way}", plain(ask))
    check(f"a round of tools, {way}", tool_round(ask))
check("count_tokens", counted)
