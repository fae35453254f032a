"""A stand-in for the API that serves the session of `scripted.py`; those for clouds, in `clouds.py`, are made of it."""

import json
import threading
from types import SimpleNamespace

from faulty import StandIn, begin_stream, send_events, whole
from scripted import MODEL, events

THROTTLED = "This request would exceed the rate limit of your organization."
# The answers of a key without a limit.
MANY = 1_000_000


class Api(StandIn):
    """The API. Each key is good for a number of answers; `calls` has what it was asked, `used` and `refused` what became of it by key."""

    provider = "anthropic"
    model = MODEL

    def __init__(self, session, keys):
        self.session, self.limits = session, keys
        self.calls, self.used, self.refused = [], dict.fromkeys(keys, 0), dict.fromkeys(keys, 0)
        self._counting = threading.Lock()
        super().__init__()

    def post(self, handler, text):
        call = self.read(handler, json.loads(text))
        self.calls.append(call)
        if call.key not in self.limits:
            return self.fail(handler, 401, "authentication_error", "invalid credential", {})
        problem = self.problem(call) or self.session.refusal(call.body)
        if problem:
            return self.fail(handler, 400, "invalid_request_error", problem, {})
        has_room, headers = self.count(call.key)
        if not has_room:
            return self.fail(handler, 429, "rate_limit_error", THROTTLED, headers | {"retry-after": "600"})
        self.tell(handler, self.session.answer(call.body, self.provider), headers)

    def count(self, key):
        """Counts a request of this key: true if it is good for one more, and the headers that say what is left."""
        with self._counting:
            has_room = self.used[key] < self.limits[key]
            (self.used if has_room else self.refused)[key] += 1
            left = self.limits[key] - self.used[key]
        # The reset is so far away that nothing comes back during a session.
        said = {"limit": str(self.limits[key]), "remaining": str(left), "reset": "2999-01-01T00:00:00Z"}
        return has_room, {f"anthropic-ratelimit-requests-{name}": value for name, value in said.items()}

    def read(self, handler, body):
        """A call: the key, the model, the betas and the body."""
        betas = handler.headers.get("anthropic-beta", "")
        return SimpleNamespace(
            key=handler.headers.get("x-api-key"), path=handler.path, model=body.get("model"),
            betas=[beta.strip() for beta in betas.split(",") if beta], body=body,
        )

    def problem(self, call):
        """What is wrong with a request, if anything."""
        return None if call.path.startswith("/v1/messages") else f"no such path: {call.path}"

    def tell(self, handler, message, headers):
        """Streams a message."""
        begin_stream(handler, headers)
        send_events(handler, events(message))
        handler.wfile.write(b"0\r\n\r\n")

    def fail(self, handler, status, kind, said, headers):
        error = {"type": "error", "error": {"type": kind, "message": said}, "request_id": "req_011Served"}
        whole(handler, status, error, headers)
