"""Writes claude_code.json of host/vertex and host/foundry: what Claude Code sends to each of them with each model, as a server on this
machine sees it.

    python tests/clouds/claude_code.py PATH_OF_CLAUDE
"""

import http.server, json, os, pathlib, subprocess, sys, tempfile, threading

ROOM = pathlib.Path(__file__).parents[2] / "host"
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
ANSWER = "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in EVENTS).encode()
seen = []


class Cloud(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        seen.append((self.path, self.headers, json.loads(body)))
        self.answer(200, "text/event-stream; charset=utf-8", ANSWER)

    def do_GET(self):
        self.answer(404, "application/json", b'{"error":{"message":"none"}}')

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


def settings(cloud, address):
    if cloud == "vertex":
        return {
            "CLAUDE_CODE_USE_VERTEX": "1", "CLAUDE_CODE_SKIP_VERTEX_AUTH": "1", "ANTHROPIC_VERTEX_BASE_URL": f"{address}/v1",
            "ANTHROPIC_VERTEX_PROJECT_ID": "my-project", "CLOUD_ML_REGION": "global",
        }
    return {
        "CLAUDE_CODE_USE_FOUNDRY": "1", "ANTHROPIC_FOUNDRY_BASE_URL": f"{address}/anthropic", "ANTHROPIC_FOUNDRY_API_KEY": "a-key",
    }


def record(claude, cloud, address, model):
    seen.clear()
    with tempfile.TemporaryDirectory() as home:
        subprocess.run([claude, "-p", "say ok"], cwd=home, check=True, timeout=300, stdout=subprocess.DEVNULL, env={
            "PATH": os.environ["PATH"], "HOME": home, "ANTHROPIC_MODEL": model, "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            **settings(cloud, address),
        })
    path, headers, body = seen[-1]
    kept = ("accept", "content-type", "anthropic-version", "anthropic-beta", "x-api-key", "api-key")
    return {
        "model": model, "path": path, "headers": {name: headers[name] for name in kept if name in headers},
        "body": reduced(body),
    }


def main(claude, clouds):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Cloud)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    for cloud in clouds or ("vertex", "foundry"):
        # Deployments of Foundry have the API's names unless the operator chose others.
        names = NAMES if cloud == "vertex" else [name.replace("@", "-") for name in NAMES] + ["our-deployment"]
        rows = [record(claude, cloud, address, name) for name in names]
        path = ROOM / cloud / "tests/fixtures/claude_code.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n")


main(sys.argv[1], sys.argv[2:])
