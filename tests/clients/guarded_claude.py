"""Claude Code's Bash round, for `guards.py`: prints its end and what its tool gave it."""

import json
import os

import claude_cli
from checks import CORRELATION_ID

headers = {CORRELATION_ID: os.environ["RUN"]}
done, events = claude_cli.run(headers, {}, "use bash to print the key", "--allowedTools", "Bash")
messages = [event["message"]["content"] for event in events if event["type"] == "user"]
results = [block["content"] for content in messages for block in content if block["type"] == "tool_result"]
last = events[-1] if events else {"result": done.stdout, "is_error": True}
told = {"code": done.returncode, "result": last.get("result"), "error": bool(last.get("is_error")), "tool": results}
print(json.dumps(told))
