"""Stand-ins for clouds that serve the session of `scripted.py`, each in its own dialect.

A cloud takes of a request what Claude Code itself sends to that cloud, by the recordings that its crate has, and refuses all else in its
own words. It knows nothing of the gateway's tables.
"""

import json
import urllib.parse
from pathlib import Path
from types import SimpleNamespace

from bedrock import chunk
from faulty import begin_stream, whole
from scripted import MODEL, events
from served import MANY, Api

HOST = Path(__file__).resolve().parents[2] / "host"


class Cloud(Api):
    """A cloud. `recorded` are its recordings, `keys` and `secrets` what it lets in, and what nobody may tell, `table` its upstream's settings."""

    # Betas and members that other gateways and clients pass, such as LiteLLM; `messages` has those of messages.
    passed = {"betas": [], "members": [], "messages": []}

    def __init__(self, session):
        rows = json.loads((HOST / self.recorded).read_text())
        self.betas = {beta for row in rows for beta in self.betas_of(row)}.union(self.passed["betas"])
        self.members = {member for row in rows for member in row["body"]}.union(self.passed["members"])
        of_messages = {member for row in rows for message in row["body"]["messages"] for member in message}
        self.of_messages = of_messages.union(self.passed["messages"])
        super().__init__(session, self.keys)

    def betas_of(self, row):
        """The betas of a recorded request."""
        return row["headers"].get("anthropic-beta", "").split(",")

    def settings(self, folder):
        """The settings of its upstream; what they need is put into the folder."""
        for name, text in self.files().items():
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
    passed = Cloud.passed | {"betas": ["thinking-display-updates-2026-08-18"]}
    keys = {"AKIATHROUGH": MANY}
    secrets = ["secret+of/the+through", "session/of+the/through="]
    table = """kind = "bedrock"
region = "us-east-1"
endpoint = "{url}"
[upstreams.cloud.aws]
profile = "through"
credentials_file = "credentials"
config_file = "credentials"
"""

    def files(self):
        secret, session = self.secrets
        own = {"aws_access_key_id": next(iter(self.keys)), "aws_secret_access_key": secret, "aws_session_token": session}
        return {"credentials": "[through]\n" + "".join(f"{name} = {value}\n" for name, value in own.items())}

    def betas_of(self, row):
        return row["body"].get("anthropic_beta", [])

    def read(self, handler, body):
        named = handler.headers.get("authorization", "").partition("Credential=")[2].partition("/")[0]
        model = urllib.parse.unquote(handler.path).split("/")[2]
        return SimpleNamespace(key=named, path=handler.path, model=model, betas=body.get("anthropic_beta", []), body=body)

    def wrong_path(self, path):
        return None if path.endswith("/invoke-with-response-stream") else f"no such operation: {path}"

    def tell(self, handler, message, _):
        begin_stream(handler, {"content-type": "application/vnd.amazon.eventstream", "x-amzn-requestid": "0a1b-through"})
        for data in map(chunk, events(message)):
            handler.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        handler.wfile.write(b"0\r\n\r\n")

    def fail(self, handler, status, kind, said, _):
        name = {401: "UnrecognizedClientException", 400: "ValidationException"}[status]
        whole(handler, status, {"message": said}, {"x-amzn-errortype": name})


class Vertex(Cloud):
    """Google's Vertex AI, with the endpoint for tokens of the service account whose key its crate's fixtures have."""

    provider = "vertex"
    recorded = "vertex/tests/fixtures/claude_code.json"
    passed = {
        "betas": [
            "context-management-2025-06-27", "mid-conversation-tool-changes-2026-07-01", "per-turn-control-2026-07-01",
            "thinking-display-updates-2026-08-18",
        ],
        "members": ["context_management"],
        "messages": ["output_config"],
    }
    account = json.loads((HOST / "vertex/tests/fixtures/questions.json").read_text())["service_account"]["file"]
    token = "ya29.token/of+the_through"
    keys = {f"Bearer {token}": MANY}
    # All lines of the private key but those that say that it is one.
    secrets = [token, *account["private_key"].strip().splitlines()[1:-1]]
    table = """kind = "vertex"
project = "through"
location = "global"
endpoint = "{url}"
[upstreams.cloud.google]
file = "account.json"
"""

    def files(self):
        return {"account.json": json.dumps(self.account | {"token_uri": f"{self.url}/token"})}

    def post(self, handler, text):
        if handler.path != "/token":
            return super().post(handler, text)
        whole(handler, 200, {"access_token": self.token, "expires_in": 3599, "token_type": "Bearer"}, {})

    def read(self, handler, body):
        call = super().read(handler, body)
        call.key = handler.headers.get("authorization")
        call.model = urllib.parse.unquote(handler.path).rpartition("/")[2].partition(":")[0]
        return call

    def wrong_path(self, path):
        due = f"/v1/projects/through/locations/global/publishers/anthropic/models/{self.model}:streamRawPredict"
        return None if urllib.parse.unquote(path) == due else f"no such path: {path}"

    def fail(self, handler, status, kind, said, _):
        name = {401: "UNAUTHENTICATED", 400: "INVALID_ARGUMENT"}[status]
        whole(handler, status, {"error": {"code": status, "message": said, "status": name}}, {})


class Foundry(Cloud):
    """Microsoft Foundry, with a key of the resource, and a deployment that the operator named."""

    provider = "foundry"
    model = "our-deployment"
    recorded = "foundry/tests/fixtures/claude_code.json"
    passed = Bedrock.passed
    secrets = ["key/of+the/through"]
    keys = {secrets[0]: MANY}
    table = """kind = "foundry"
resource = "through"
endpoint = "{url}/anthropic"
models = {{ "MODEL" = "our-deployment" }}
credential = {{ file = "foundry.key" }}
""".replace("MODEL", MODEL)

    def files(self):
        return {"foundry.key": self.secrets[0]}

    def wrong_path(self, path):
        return None if path.partition("?")[0] == "/anthropic/v1/messages" else f"no such path: {path}"


CLOUDS = [Bedrock, Vertex, Foundry]
