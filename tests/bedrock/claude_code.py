"""Writes claude_code_on_bedrock.json: what Claude Code sends to Bedrock with each model, as a server on this machine sees it.

    python tests/bedrock/claude_code.py PATH_OF_CLAUDE
"""

import http.server, json, os, subprocess, sys, tempfile, threading

from fixtures import chunk, write

MODELS = [
    "us.anthropic.claude-opus-5-5", "us.anthropic.claude-opus-5", "us.anthropic.claude-opus-4-8", "us.anthropic.claude-opus-4-7",
    "us.anthropic.claude-opus-4-6-v1", "us.anthropic.claude-opus-4-5-20251101-v1:0", "us.anthropic.claude-opus-4-1-20250805-v1:0",
    "us.anthropic.claude-sonnet-5-5", "us.anthropic.claude-sonnet-4-6", "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
    "us.anthropic.claude-sonnet-4-20250514-v1:0", "us.anthropic.claude-haiku-5-5", "us.anthropic.claude-haiku-4-5-20251001-v1:0",
    "us.anthropic.claude-fable-5-1", "us.anthropic.claude-3-7-sonnet-20250219-v1:0",
    "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc123def456",
]
ANSWER = b"".join(map(chunk, [
    {"type": "message_start", "message": {"id": "msg_1", "type": "message", "role": "assistant", "content": [], "model": "m",
     "stop_reason": None, "stop_sequence": None, "usage": {"input_tokens": 1, "output_tokens": 1}}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "ok"}},
    {"type": "content_block_stop", "index": 0},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": {"output_tokens": 1}},
    {"type": "message_stop"},
]))
seen = []


class Bedrock(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        seen.append((self.path, self.headers, json.loads(body)))
        self.answer(200, "application/vnd.amazon.eventstream", ANSWER)

    def do_GET(self):
        self.answer(404, "application/json", b'{"message":"none"}')

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


def main(claude):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Bedrock)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    rows = []
    for model in MODELS:
        seen.clear()
        with tempfile.TemporaryDirectory() as home:
            subprocess.run([claude, "-p", "say ok"], cwd=home, check=True, timeout=120, stdout=subprocess.DEVNULL, env={
                "PATH": os.environ["PATH"], "HOME": home, "AWS_REGION": "us-east-1", "ANTHROPIC_MODEL": model,
                "CLAUDE_CODE_USE_BEDROCK": "1", "CLAUDE_CODE_SKIP_BEDROCK_AUTH": "1",
                "ANTHROPIC_BEDROCK_BASE_URL": f"http://127.0.0.1:{server.server_port}",
                "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            })
        path, headers, body = seen[-1]
        rows.append({
            "model": model, "path": path, "accept": headers["accept"], "content_type": headers["content-type"],
            "header_betas": headers["anthropic-beta"], "body": reduced(body),
        })
    write("claude_code_on_bedrock.json", rows)


main(sys.argv[1])
