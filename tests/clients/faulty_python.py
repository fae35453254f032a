"""The Python SDK against faults, with its own retries as they are by default."""

import json
import os

import anthropic
from checks import CORRELATION_ID, MODEL

CLIENT = anthropic.Anthropic(timeout=30)


def ask(scenario, run):
    headers = {"x-fault": scenario, "x-fault-run": run, CORRELATION_ID: run}
    hello = {"model": MODEL, "max_tokens": 100, "messages": [{"role": "user", "content": "Hello!"}]}
    with CLIENT.messages.stream(**hello, extra_headers=headers) as stream:
        return stream.get_final_message().content[0].text


for scenario, run in json.loads(os.environ["RUNS"]).items():
    try:
        outcome = {"text": ask(scenario, run)}
    except Exception as error:
        outcome = {"error": type(error).__name__, "type": getattr(error, "type", None)}
    print(json.dumps({"scenario": scenario, "outcome": outcome}), flush=True)
