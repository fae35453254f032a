"""A model behind an API that LiteLLM calls, the one of OpenAI's chat completions: it is what a company hosts itself.

Answers with text; with a call of the first tool if there are tools and no result yet; with the result of the tool once that
is there. On a port of the kernel's choice, in a thread of this process. It keeps what it was sent.
"""

import json

from faulty import StandIn

USAGE = {"prompt_tokens": 21, "completion_tokens": 8, "total_tokens": 29}
PIECES = ["Hello from ", "a model ", "of our own."]
CITY = '{"city": "Lisbon"}'


class ChattingModel(StandIn):
    """The server; `url` is where it listens, `calls` the bodies that it was sent."""

    def __init__(self):
        self.calls = []
        super().__init__()

    def post(self, handler, text):
        body = json.loads(text)
        self.calls.append(body)
        results = [said["content"] for said in body["messages"] if said["role"] == "tool"]
        if body.get("tools") and not results:
            call = {"id": "call_01", "type": "function", "function": {"name": body["tools"][0]["function"]["name"], "arguments": CITY}}
            deltas, reason = [{"tool_calls": [{"index": 0} | call]}], "tool_calls"
            whole = {"content": None, "tool_calls": [call]}
        else:
            pieces = PIECES if not results else ["It is ", text_of(results[-1]), "."]
            deltas, reason = [{"content": piece} for piece in pieces], "stop"
            whole = {"content": "".join(pieces)}
        if body.get("stream"):
            return stream(handler, body, deltas, reason)
        choice = {"index": 0, "message": {"role": "assistant"} | whole, "finish_reason": reason}
        return send(handler, "application/json", json.dumps(head(body, "chat.completion") | {"choices": [choice], "usage": USAGE}))


def text_of(content):
    return content if isinstance(content, str) else "".join(part["text"] for part in content)


def head(body, kind):
    return {"id": "chatcmpl-01", "object": kind, "created": 1764460800, "model": body["model"]}


def stream(handler, body, deltas, reason):
    chunks = [{"choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in [{"role": "assistant"}, *deltas]]
    chunks.append({"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})
    if (body.get("stream_options") or {}).get("include_usage"):
        chunks.append({"choices": [], "usage": USAGE})
    lines = [f"data: {json.dumps(head(body, 'chat.completion.chunk') | chunk)}\n\n" for chunk in chunks]
    send(handler, "text/event-stream", "".join(lines) + "data: [DONE]\n\n")


def send(handler, kind, text):
    body = text.encode()
    handler.send_response(200)
    handler.send_header("content-type", kind)
    handler.send_header("content-length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)
