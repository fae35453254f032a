"""An upstream that has its client print a key, and then tells it, in pieces.

The first call of a conversation is answered with a command whose output is a key of AWS, and the one with that output with
the key. It keeps what it was sent. On a port of the kernel's choice, in a thread of this process.
"""

import json

from faulty import USAGE, StandIn, begin_stream, message, send_events, whole

KEY = "AKIA" + "IOSFODNN7EXAMPLE"
# The command itself does not have it.
COMMAND = "printf AKIA%s IOSFODNN7EXAMPLE"
TELLING = ["The key is AKIA", "IOSFODNN", "7EXAMPLE, as you ", "asked."]


class TellingUpstream(StandIn):
    """The server; `url` is where it listens, `calls` the bodies that it was sent."""

    def __init__(self):
        self.calls = []
        super().__init__()

    def post(self, handler, text):
        self.calls.append(text)
        answer(handler, json.loads(text))


def answer(handler, body):
    """Answers one call."""
    told = "tool_result" in json.dumps(body["messages"][-2:])
    if not body.get("stream"):
        content = [{"type": "text", "text": "".join(TELLING)}]
        return whole(handler, 200, message(body, content, "end_turn", USAGE), {})
    if told:
        start, deltas, stop = {"type": "text", "text": ""}, [("text_delta", "text", piece) for piece in TELLING], "end_turn"
    else:
        start = {"type": "tool_use", "id": "toolu_01Telling", "name": "Bash", "input": {}}
        command = json.dumps({"command": COMMAND, "description": "Prints a key"})
        pieces = [command[:20], command[20:]]
        deltas, stop = [("input_json_delta", "partial_json", piece) for piece in pieces], "tool_use"
    begin_stream(handler)
    send_events(handler, events(body, start, deltas, stop))
    handler.wfile.write(b"0\r\n\r\n")


def events(body, start, deltas, stop_reason):
    yield {"type": "message_start", "message": message(body, [], None, USAGE | {"output_tokens": 1})}
    yield {"type": "content_block_start", "index": 0, "content_block": start}
    for kind, member, piece in deltas:
        yield {"type": "content_block_delta", "index": 0, "delta": {"type": kind, member: piece}}
    yield {"type": "content_block_stop", "index": 0}
    yield {"type": "message_delta", "delta": {"stop_reason": stop_reason, "stop_sequence": None}, "usage": USAGE}
    yield {"type": "message_stop"}
