"""Stand-ins that serve the session of `scripted.py`: the API, and each cloud in its own dialect.

A cloud takes of a request what Claude Code itself sends to that cloud, by the recordings that its crate has, and refuses all else in its
own words. It knows nothing of the gateway's tables.
"""

import json
import threading
import urllib.parse
from pathlib import Path
from types import SimpleNamespace

from bedrock import chunk
from faulty import StandIn, begin_stream, send_events, whole
from scripted import MODEL, events

HOST = Path(__file__).resolve().parents[2] / "host"
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


class Cloud(Api):
    """A cloud, which takes what its recordings have. `recorded` is their file, below `host`."""

    recorded = None
    # Betas that other clients are known to send there.
    more_betas = ()

    def __init__(self, session):
        rows = json.loads((HOST / self.recorded).read_text())
        self.members = {member for row in rows for member in row["body"]}
        self.of_messages = {member for row in rows for message in row["body"]["messages"] for member in message}
        self.betas = {beta for row in rows for beta in self.betas_of(row)} | set(self.more_betas)
        super().__init__(session, self.keys)

    def settings(self, folder):
        """The settings of its upstream; what they need is put into the folder."""
        for name, text in self.files.items():
            (folder / name).write_text(text)
        return self.table.format(url=self.url)

    def problem(self, call):
        extra = [name for name in call.body if name not in self.members]
        for number, message in enumerate(call.body["messages"]):
            extra += [f"messages.{number}.{name}" for name in message if name not in self.of_messages]
        unknown = [beta for beta in call.betas if beta not in self.betas]
        if call.model != self.model:
            return f"The provided model identifier is invalid: {call.model}"
        if extra:
            return f"{extra[0]}: Extra inputs are not permitted"
        return f"invalid beta flag: {unknown[0]}" if unknown else self.wrong_path(call.path)


class Bedrock(Cloud):
    """Amazon Bedrock in the region us-east-1. Its key is the public half that a signature names; `bedrock.py` compares signatures."""

    provider = "bedrock"
    model = f"us.anthropic.{MODEL}"
    recorded = "bedrock/tests/fixtures/claude_code_on_bedrock.json"
    more_betas = ["thinking-display-updates-2026-08-18"]
    keys = {"AKIATHROUGH": MANY}
    secrets = ["secret+of/the+through", "session/of+the/through="]
    files = {
        "credentials": "[through]\naws_access_key_id = AKIATHROUGH\n"
        "aws_secret_access_key = {}\naws_session_token = {}\n".format(*secrets)
    }
    table = """kind = "bedrock"
region = "us-east-1"
endpoint = "{url}"
[upstreams.cloud.aws]
profile = "through"
credentials_file = "credentials"
config_file = "credentials"
"""

    @staticmethod
    def betas_of(row):
        return row["body"].get("anthropic_beta", [])

    def read(self, handler, body):
        named = handler.headers.get("authorization", "").partition("Credential=")[2].partition("/")[0]
        _, _, model, _ = urllib.parse.unquote(handler.path).split("/")
        return SimpleNamespace(key=named, path=handler.path, model=model, betas=body.get("anthropic_beta", []), body=body)

    def wrong_path(self, path):
        return None if path.endswith("/invoke-with-response-stream") else f"no such operation: {path}"

    def tell(self, handler, message, _):
        kind = {"content-type": "application/vnd.amazon.eventstream", "x-amzn-requestid": "0a1b-through"}
        begin_stream(handler, kind)
        for event in events(message):
            data = chunk(event)
            handler.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        handler.wfile.write(b"0\r\n\r\n")

    def fail(self, handler, status, kind, said, _):
        name = {401: "UnrecognizedClientException", 400: "ValidationException", 429: "ThrottlingException"}[status]
        whole(handler, status, {"message": said}, {"x-amzn-errortype": name})


# Further clouds are further classes here.
CLOUDS = [Bedrock]
