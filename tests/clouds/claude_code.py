"""Writes the fixtures of host/bedrock, host/vertex and host/foundry that have what Claude Code sends to each of them with each model, as a
server on this machine sees it.

    python tests/clouds/claude_code.py PATH_OF_CLAUDE [CLOUD...]

A cloud is `bedrock`, `vertex` or `foundry`; without one, all are recorded.
"""

import http.server, json, os, pathlib, subprocess, sys, tempfile, threading
from types import SimpleNamespace

TESTS = pathlib.Path(__file__).parents[1]
sys.path.insert(0, str(TESTS / "bedrock"))
from frames import chunk

HOST = TESTS.parent / "host"
NAMES = [
    "claude-opus-5-5", "claude-opus-5", "claude-opus-4-8", "claude-opus-4-7", "claude-opus-4-6", "claude-opus-4-5@20251101",
    "claude-opus-4-1@20250805", "claude-sonnet-5-5", "claude-sonnet-4-6", "claude-sonnet-4-5@20250929", "claude-sonnet-4@20250514",
    "claude-haiku-5-5", "claude-haiku-4-5@20251001", "claude-fable-5-1", "claude-3-7-sonnet@20250219",
]
EVENTS = [
    {"type": "message_start", "message": {"id": "msg_1", "type": "message", "role": "assistant", "content": [], "model": "m",
     "stop_reason": None, "stop_sequence": None, "usage": {"input_tokens": 1, "output_tokens": 1}}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "ok"}},
    {"type": "content_block_stop", "index": 0},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": {"output_tokens": 1}},
    {"type": "message_stop"},
]
SSE = "text/event-stream; charset=utf-8", "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in EVENTS).encode()
KEPT = ("accept", "content-type", "anthropic-version", "anthropic-beta", "x-api-key", "api-key")


def named_headers(headers):
    return {"headers": {name: headers[name] for name in KEPT if name in headers}}


def bedrock_names():
    """Ids of inference profiles, and an ARN. Claude Opus 4.6 has a version and no date; models before Claude 4.6 have both."""
    for name in NAMES:
        dated = name.replace("@", "-") + "-v1:0" if "@" in name else name
        yield f"us.anthropic.{dated}{'-v1' if name == 'claude-opus-4-6' else ''}"
    yield "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc123def456"


# What is different: the names, the surroundings of Claude Code, the answer, and the form of a row.
CLOUDS = {
    "bedrock": SimpleNamespace(
        file="claude_code_on_bedrock.json", names=list(bedrock_names()),
        settings=lambda address: {
            "CLAUDE_CODE_USE_BEDROCK": "1", "CLAUDE_CODE_SKIP_BEDROCK_AUTH": "1", "ANTHROPIC_BEDROCK_BASE_URL": address,
            "AWS_REGION": "us-east-1",
        },
        answer=("application/vnd.amazon.eventstream", b"".join(map(chunk, EVENTS))), none=b'{"message":"none"}',
        headers=lambda headers: {
            "accept": headers["accept"], "content_type": headers["content-type"], "header_betas": headers["anthropic-beta"],
        },
    ),
    "vertex": SimpleNamespace(
        file="claude_code.json", names=NAMES,
        settings=lambda address: {
            "CLAUDE_CODE_USE_VERTEX": "1", "CLAUDE_CODE_SKIP_VERTEX_AUTH": "1", "ANTHROPIC_VERTEX_BASE_URL": f"{address}/v1",
            "ANTHROPIC_VERTEX_PROJECT_ID": "my-project", "CLOUD_ML_REGION": "global",
        },
        answer=SSE, none=b'{"error":{"message":"none"}}', headers=named_headers,
    ),
    "foundry": SimpleNamespace(
        # Deployments have the API's names unless the operator chose others.
        file="claude_code.json", names=[name.replace("@", "-") for name in NAMES] + ["our-deployment"],
        settings=lambda address: {
            "CLAUDE_CODE_USE_FOUNDRY": "1", "ANTHROPIC_FOUNDRY_BASE_URL": f"{address}/anthropic", "ANTHROPIC_FOUNDRY_API_KEY": "a-key",
        },
        answer=SSE, none=b'{"error":{"message":"none"}}', headers=named_headers,
    ),
}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.seen.append((self.path, self.headers, json.loads(body)))
        self.answer(200, *self.server.cloud.answer)

    def do_GET(self):
        self.answer(404, "application/json", self.server.cloud.none)

    def answer(self, status, kind, body):
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def reduced(body):
    """The body without what a person or a tool wrote."""
    tools = [{**tool, "description": "…", "input_schema": {"type": "object"}} for tool in body.get("tools", [])]
    return {
        **body,
        "messages": [{**message, "content": "…"} for message in body["messages"]],
        "system": [{**part, "text": "…"} for part in body["system"]],
        "tools": tools[:3] + [tool for tool in tools[3:] if "defer_loading" in tool][:1],
        "metadata": {"user_id": "…"},
    }


def record(claude, server, model):
    """A row: the last request of Claude Code with this model."""
    server.seen.clear()
    with tempfile.TemporaryDirectory() as home:
        subprocess.run([claude, "-p", "say ok"], cwd=home, check=True, timeout=300, stdout=subprocess.DEVNULL, env={
            "PATH": os.environ["PATH"], "HOME": home, "ANTHROPIC_MODEL": model, "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            **server.cloud.settings(f"http://127.0.0.1:{server.server_port}"),
        })
    path, headers, body = server.seen[-1]
    return {"model": model, "path": path, **server.cloud.headers(headers), "body": reduced(body)}


def main(claude, chosen):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.seen = []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    for name in chosen or CLOUDS:
        server.cloud = CLOUDS[name]
        rows = [record(claude, server, model) for model in server.cloud.names]
        path = HOST / name / "tests/fixtures" / server.cloud.file
        path.write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n")


main(sys.argv[1], sys.argv[2:])
