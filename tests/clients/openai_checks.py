"""What the drivers of OpenAI's clients in Python have in common: the questions, and the receipts that they leave."""

import os

from checks import CORRELATION_ID, MODEL

BASE = os.environ["OPENAI_BASE_URL"]
KEY = os.environ["OPENAI_API_KEY"]
HELLO = [{"role": "user", "content": "Hello!"}]
PIXEL = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather of a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
SCHEMA = {
    "type": "json_schema",
    "json_schema": {
        "name": "answer",
        "strict": True,
        "schema": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
            "additionalProperties": False,
        },
    },
}


def header(correlation_id):
    return {CORRELATION_ID: correlation_id}


def due(usage=None, stop_reason=None, path="/v1/chat/completions"):
    """The receipt of an answer whose client was told this."""
    receipt = {"endpoint": "messages", "model": {"requested": MODEL}, "dialect": {"plugin": "openai", "path": path}}
    if usage:
        receipt["usage"] = {"output_tokens": usage.completion_tokens}
    if stop_reason:
        receipt["stop_reason"] = stop_reason
    return receipt
