"""Anthropic's Python SDK as an ordinary client of the API, whose gateway sends to a stand-in for Amazon Bedrock.

The stand-in compares each signature with the one that botocore makes of the same request. It knows nothing of the gateway.
"""

import base64
import http.server
import json
import struct
import subprocess
import threading
import urllib.parse
import zlib
from pathlib import Path
from types import SimpleNamespace

from gateway import RunningGateway

HERE = Path(__file__).resolve().parent
ID, SECRET, SESSION, REGION = "AKIACLIENTS", "secret-of-the-clients", "session/of+clients=", "eu-central-1"
MODEL = "claude-sonnet-4-5-20250929"


def message(text, usage):
    return {
        "id": "msg_bdrk_01", "type": "message", "role": "assistant", "model": MODEL, "stop_reason": "end_turn", "stop_sequence": None,
        "content": [{"type": "text", "text": text}] if text else [], "usage": usage,
    }


def frame(headers, payload):
    """A frame of an event stream, by AWS's description of them."""
    fields = b"".join(
        struct.pack("!B", len(name)) + name.encode() + struct.pack("!BH", 7, len(value)) + value.encode()
        for name, value in headers.items()
    )
    prelude = struct.pack("!II", 16 + len(fields) + len(payload), len(fields))
    checked = prelude + struct.pack("!I", zlib.crc32(prelude)) + fields + payload
    return checked + struct.pack("!I", zlib.crc32(checked))


def chunk(event):
    payload = json.dumps({"bytes": base64.b64encode(json.dumps(event).encode()).decode(), "p": "abc"})
    return frame({":message-type": "event", ":event-type": "chunk", ":content-type": "application/json"}, payload.encode())


def stream():
    started = message("", {"input_tokens": 9, "output_tokens": 1}) | {"stop_reason": None}
    yield {"type": "message_start", "message": started}
    yield {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
    for text in ["good", " morning"]:
        yield {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}}
    yield {"type": "content_block_stop", "index": 0}
    yield {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": {"output_tokens": 3}}
    yield {"type": "message_stop", "amazon-bedrock-invocationMetrics": {"inputTokenCount": 9, "outputTokenCount": 3, "invocationLatency": 70, "firstByteLatency": 30}}


class BedrockHandler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        seen = SimpleNamespace(path=self.path, headers=dict(self.headers.items()), body=body)
        self.server.seen.append(seen)
        operation = self.path.rsplit("/", 1)[-1]
        if operation == "invoke":
            return self.answer("application/json", json.dumps(message("good morning", {"input_tokens": 9, "output_tokens": 3})).encode())
        if operation == "invoke-with-response-stream":
            return self.answer("application/vnd.amazon.eventstream", b"".join(map(chunk, stream())))
        return self.answer("application/json", b'{"inputTokens": 9}')

    def answer(self, kind, body):
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.send_header("x-amzn-requestid", "0a1b-clients")
        self.end_headers()
        self.wfile.write(body)


# Compares a signature with botocore's, in the interpreter that has it.
VERIFY = """
import datetime, json, sys
from unittest import mock
import botocore.auth
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
given = json.load(sys.stdin)
lower = {name.lower(): value for name, value in given["headers"].items()}
signed = lower["authorization"].split("SignedHeaders=")[1].split(",")[0].split(";")
time = datetime.datetime.strptime(lower["x-amz-date"], "%Y%m%dT%H%M%SZ")
own = {"x-amz-date", "x-amz-security-token", "host"}
request = AWSRequest(
    method="POST", url=f"http://{lower['host']}{given['path']}", data=given["body"].encode(),
    headers={name: lower[name] for name in signed if name not in own},
)
class Then(SigV4Auth):
    def _modify_request_before_signing(self, request):
        request.context["timestamp"] = lower["x-amz-date"]
        super()._modify_request_before_signing(request)
    def headers_to_sign(self, request):
        headers = super().headers_to_sign(request)
        for name in [name for name in headers.keys() if name.lower() not in signed]:
            del headers[name]
        return headers
with mock.patch("botocore.auth.get_current_datetime", lambda *_, **__: time):
    Then(Credentials(given["id"], given["secret"], given["session"]), "bedrock", given["region"]).add_auth(request)
ours, theirs = lower["authorization"], request.headers["Authorization"]
print("same" if ours == theirs else f"{ours} is not {theirs}")
"""


def compared(seen, python, environment):
    """What is wrong with the signature of a request, if anything."""
    given = {
        "path": urllib.parse.urlsplit(seen.path).path, "headers": seen.headers, "body": seen.body.decode(),
        "id": ID, "secret": SECRET, "session": SESSION, "region": REGION,
    }
    done = subprocess.run([python, "-c", VERIFY], input=json.dumps(given), env=environment, capture_output=True, text=True)
    said = done.stdout.strip()
    return None if said == "same" else f"{said} {done.stderr[-1000:]}"


def results(binary, policies, folder, bare, python, environment):
    """The checks of this run, each with what is wrong."""
    own = folder / "bedrock"
    own.mkdir()
    (own / "credentials").write_text(
        f"[clients]\naws_access_key_id = {ID}\naws_secret_access_key = {SECRET}\naws_session_token = {SESSION}\n"
    )
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), BedrockHandler)
    server.seen = []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    table = f"""kind = "bedrock"
region = "{REGION}"
endpoint = "http://127.0.0.1:{server.server_address[1]}"
"""
    more = '[upstreams.default.aws]\nprofile = "clients"\ncredentials_file = "credentials"\nconfig_file = "credentials"\n'
    gateway = RunningGateway(binary, policies, own, bare, None, 0, more, table)
    here = environment | {"ANTHROPIC_BASE_URL": gateway.url, "ANTHROPIC_API_KEY": gateway.key}
    try:
        done = subprocess.run([python, HERE / "bedrock_python.py"], cwd=own, env=here, capture_output=True, text=True)
        ends = gateway.stop()
    finally:
        gateway.kill()
        server.shutdown()
    told = [json.loads(line) for line in done.stdout.splitlines()]
    checks = [(f"bedrock: {check['check']}", check.get("problem")) for check in told]
    if done.returncode != 0 or not told:
        checks.append(("bedrock: driver", f"exit code {done.returncode}: {done.stderr[-2000:]}"))
    signatures = [compared(seen, python, environment) for seen in server.seen]
    checks.append(("bedrock: signatures are botocore's", next((why for why in signatures if why), None if signatures else "no request came")))
    paths = [seen.path for seen in server.seen]
    expected = [f"/model/eu.anthropic.{MODEL}-v1%3A0/invoke", f"/model/eu.anthropic.{MODEL}-v1%3A0/invoke-with-response-stream", f"/model/anthropic.{MODEL}-v1%3A0/count-tokens"]
    checks.append(("bedrock: each request came to its operation", None if paths == expected else f"{paths}"))
    receipts = [receipt for of in gateway.receipts().values() for receipt in of if receipt["endpoint"] == "messages"]
    fine = len(receipts) == 2 and all(
        receipt["outcome"] == "answered" and receipt["cost_picousd"] > 0 and receipt["attempts"]["0"]["provider"] == "bedrock"
        for receipt in receipts
    )
    checks.append(("bedrock: receipts have the provider and the cost", None if fine else json.dumps(receipts)))
    checks.append(("bedrock: ends at SIGTERM", ends))
    return checks
