"""How a driver tells what it saw: one line of JSON for each check, which `suite.py` compares with the receipts.

A line has the check's name, the correlation id that its requests carried, and either `receipts` (a list with, for each
request, the fields that its receipt has to have) or `problem` (a sentence).
"""

import json
import uuid

CORRELATION_ID = "x-vmx-correlation-id"
MODEL = "claude-sonnet-5-5"

WEATHER = {
    "name": "get_weather",
    "description": "The weather of a city.",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


def check(name, act):
    """Runs `act` with a new correlation id. It returns the receipts that are due, or raises."""
    told = {"check": name, "correlation_id": f"clients-{uuid.uuid4()}"}
    try:
        told |= {"receipts": act(told["correlation_id"])}
    except Exception as error:
        told |= {"problem": f"{type(error).__name__}: {error}"}
    print(json.dumps(told), flush=True)


def expect(holds, otherwise):
    """Raises with the sentence `otherwise` unless the condition holds."""
    if not holds:
        raise AssertionError(otherwise)


def expect_echo(headers, correlation_id):
    """The answer returns the correlation id that its request carried."""
    echo = headers.get(CORRELATION_ID)
    expect(echo == correlation_id, f"{CORRELATION_ID} came back as {echo}")


def answered(usage, stop_reason):
    """The receipt of a message whose client was told this."""
    numbers = {"input_tokens": usage["input_tokens"], "output_tokens": usage["output_tokens"]}
    return {"endpoint": "messages", "stop_reason": stop_reason, "usage": numbers}
