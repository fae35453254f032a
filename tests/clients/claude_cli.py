"""`claude -p` with nothing of the caller's surroundings. Whatever goes elsewhere than to the gateway is caught."""

import json
import os
import socket
import subprocess

LAUNCHER = os.path.join(os.environ["CLIENTS"], "npm/node_modules/@anthropic-ai/claude-code/cli-wrapper.cjs")

# Everything that is not for the gateway is sent to this proxy, which only notes that somebody came.
ELSEWHERE = socket.create_server(("127.0.0.1", 0))
ELSEWHERE.setblocking(False)

SETTINGS = {
    "CLAUDE_CONFIG_DIR": os.path.join(os.environ["HOME"], "claude"),
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    "DISABLE_TELEMETRY": "1",
    "DISABLE_AUTOUPDATER": "1",
    "API_TIMEOUT_MS": "30000",
    "HTTP_PROXY": f"http://127.0.0.1:{ELSEWHERE.getsockname()[1]}",
    "HTTPS_PROXY": f"http://127.0.0.1:{ELSEWHERE.getsockname()[1]}",
    "NO_PROXY": "127.0.0.1",
}


def run(headers, settings, *arguments):
    """The finished process and the events that it printed; the last is its result."""
    lines = "\n".join(f"{name}: {value}" for name, value in headers.items())
    environment = os.environ | SETTINGS | settings | {"ANTHROPIC_CUSTOM_HEADERS": lines}
    command = ["node", LAUNCHER, "-p", *arguments, "--output-format", "stream-json", "--verbose"]
    done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
    return done, [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
