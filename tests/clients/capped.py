"""An upstream whose answers cost $4.10 each: 205,000 tokens of Opus 5.5. On a port of the kernel's choice."""

import json

from faulty import StandIn, begin_stream, message, send_events, whole

USAGE = {"input_tokens": 0, "output_tokens": 205_000}


class CappedUpstream(StandIn):
    """The server; `url` is where it listens, `calls` the number of messages that it was sent."""

    def __init__(self):
        self.calls = 0
        super().__init__()

    def post(self, handler, text):
        self.calls += 1
        answer(handler, json.loads(text))


def answer(handler, body):
    """Answers one call."""
    if not body.get("stream"):
        content = [{"type": "text", "text": "Hi."}]
        return whole(handler, 200, message(body, content, "end_turn", USAGE), {})
    begin_stream(handler)
    send_events(handler, events(body))
    handler.wfile.write(b"0\r\n\r\n")


def events(body):
    yield {"type": "message_start", "message": message(body, [], None, USAGE | {"output_tokens": 1})}
    yield {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
    yield {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hi."}}
    yield {"type": "content_block_stop", "index": 0}
    delta = {"stop_reason": "end_turn", "stop_sequence": None}
    yield {"type": "message_delta", "delta": delta, "usage": USAGE}
    yield {"type": "message_stop"}
