"""Anthropic's Python SDK: a message, a stream and a count, as its users write them."""

import anthropic

from checks import check, expect

client = anthropic.Anthropic()
ASKED = {"model": "claude-sonnet-4-5", "messages": [{"role": "user", "content": "how do you do?"}]}


def whole(_):
    answer = client.messages.create(max_tokens=64, **ASKED)
    expect(answer.content[0].text == "good morning", f"it said {answer.content}")
    expect(answer.usage.output_tokens == 3, f"usage is {answer.usage}")
    expect(answer._request_id == "0a1b-clients", f"the id is {answer._request_id}")
    return []


def streamed(_):
    with client.messages.stream(max_tokens=64, **ASKED) as stream:
        texts = list(stream.text_stream)
        final = stream.get_final_message()
    expect(texts == ["good", " morning"], f"the texts are {texts}")
    expect(final.stop_reason == "end_turn" and final.usage.output_tokens == 3, f"the end is {final}")
    return []


def counted(_):
    count = client.messages.count_tokens(**ASKED)
    expect(count.input_tokens == 9, f"the count is {count}")
    return []


check("a message", whole)
check("a stream", streamed)
check("a count", counted)
