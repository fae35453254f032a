"""LiteLLM as a client of OpenAI's API."""

import litellm
from checks import MODEL, check, expect
from openai_checks import BASE, HELLO, KEY, WEATHER, due, header


def ask(correlation_id, **parameters):
    return litellm.completion(
        model=f"openai/{MODEL}", api_base=BASE, api_key=KEY, num_retries=0, timeout=30, extra_headers=header(correlation_id), **parameters
    )


def plain(correlation_id):
    answer = ask(correlation_id, messages=HELLO)
    expect("Hello!" in answer.choices[0].message.content, f"answered {answer}")
    return [due(answer.usage, "end_turn")]


def streamed(correlation_id):
    chunks = list(ask(correlation_id, messages=HELLO, stream=True))
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    expect("Hello!" in text, f"streamed {text!r}")
    return [due(stop_reason="end_turn")]


def tool(correlation_id):
    question = [{"role": "user", "content": "Call get_weather for Lisbon."}]
    call = ask(correlation_id, messages=question, tools=[WEATHER]).choices[0].message.tool_calls[0]
    expect("Lisbon" in call.function.arguments, f"called {call}")
    return [due(stop_reason="tool_use")]


def error(correlation_id):
    try:
        ask(correlation_id, messages=HELLO, seed=1)
    except litellm.BadRequestError as refused:
        expect("seed" in str(refused), f"told {refused}")
    else:
        raise AssertionError("a seed was accepted")
    return None


check("plain message", plain)
check("streamed message", streamed)
check("tool", tool)
check("error", error)
