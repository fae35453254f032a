"""An upstream that fails as its requests ask it to, and remembers who asked how often.

The header `x-fault` names a scenario and `x-fault-run` a run of it: the first calls of a run meet the scenario's faults,
one each, and those after them get an answer. It speaks enough of the API for the real clients, on a port of the kernel's
choice, in a thread of this process.
"""

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SCENARIO, RUN = "x-fault", "x-fault-run"
ANSWER = "Hello from behind the faults."
USAGE = {"input_tokens": 25, "output_tokens": 9}

# Each fault is a status with its retry-after, or how a stream of events ends after its first text.
SCENARIOS = {
    "no fault": [],
    "529 twice, then an answer": [(529, None), (529, None)],
    "429 with retry-after": [(429, 1)],
    "an error event after text": ["error"],
    "a stream cut after text": ["cut"],
}
KINDS = {429: "rate_limit_error", 529: "overloaded_error"}


class StandIn:
    """A server that answers as its `post` does, given the request's handler and text; `url` is where it listens."""

    def __init__(self):
        post = self.post

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # Without it the head and the body of an answer wait for each other's acknowledgement.
            disable_nagle_algorithm = True

            def do_HEAD(self):
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def do_POST(self):
                post(self, self.rfile.read(int(self.headers["content-length"])).decode())

            def log_message(self, *_):
                pass

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self):
        self._server.shutdown()
        self._server.server_close()


class FaultyUpstream(StandIn):
    """The server; `url` is where it listens."""

    def __init__(self):
        self._lock = threading.Lock()
        self._calls = {}
        super().__init__()

    def post(self, handler, text):
        body = json.loads(text)
        fault = self._next(handler.headers.get(SCENARIO, "no fault"), handler.headers.get(RUN, ""), body)
        answer(handler, body, fault)

    def _next(self, scenario, run, body):
        with self._lock:
            calls = self._calls.setdefault(run, [])
            calls.append("stream" if body.get("stream") else "whole")
            faults = SCENARIOS[scenario]
            return faults[len(calls) - 1] if len(calls) <= len(faults) else None

    def calls(self, run):
        """The calls of a run, each "stream" or "whole"."""
        with self._lock:
            return list(self._calls.get(run, []))


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        """A client that resets its connection is nothing to tell of; all else is."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


def answer(handler, body, fault):
    """Answers one request."""
    if isinstance(fault, tuple):
        status, retry_after = fault
        error = {"type": "error", "error": {"type": KINDS[status], "message": "Try again"}, "request_id": "req_011Faulty"}
        extra = {} if retry_after is None else {"retry-after": str(retry_after)}
        return whole(handler, status, error, extra)
    if not body.get("stream"):
        return whole(handler, 200, message(body, [{"type": "text", "text": ANSWER}], "end_turn", USAGE), {})
    return stream(handler, body, fault)


def message(body, content, stop_reason, usage):
    return {
        "id": "msg_01Faulty", "type": "message", "role": "assistant", "model": body["model"], "content": content,
        "stop_reason": stop_reason, "stop_sequence": None, "usage": usage,
    }


def whole(handler, status, value, extra):
    data = json.dumps(value).encode()
    handler.send_response(status)
    headers = {"content-type": "application/json", "request-id": "req_011Faulty", "content-length": str(len(data))}
    for name, text in (headers | extra).items():
        handler.send_header(name, text)
    handler.end_headers()
    handler.wfile.write(data)


def stream(handler, body, fault):
    """A stream of events, a chunk each. A fault comes after the first half of the text."""
    half = len(ANSWER) // 2
    delta = lambda text: {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}}
    events = [
        {"type": "message_start", "message": message(body, [], None, USAGE | {"output_tokens": 1})},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        delta(ANSWER[:half]),
    ]
    if fault == "error":
        events.append({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}})
    elif fault is None:
        events += [
            delta(ANSWER[half:]),
            {"type": "content_block_stop", "index": 0},
            {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": USAGE},
            {"type": "message_stop"},
        ]
    begin_stream(handler)
    send_events(handler, events)
    if fault == "cut":
        handler.close_connection = True
        return
    handler.wfile.write(b"0\r\n\r\n")


def begin_stream(handler, more={}):
    """The head of a stream in chunks."""
    handler.send_response(200)
    always = {"content-type": "text/event-stream", "request-id": "req_011Faulty", "transfer-encoding": "chunked"}
    for name, text in (always | more).items():
        handler.send_header(name, text)
    handler.end_headers()


def send_events(handler, events):
    """Events, a chunk each."""
    for event in events:
        data = f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode()
        handler.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
