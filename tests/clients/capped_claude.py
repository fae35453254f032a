"""Claude Code's answer to a prompt, for `caps.py`: prints its end, and what it was told about limits."""

import json
import os

import claude_cli
from checks import CORRELATION_ID

headers = {CORRELATION_ID: os.environ["RUN"]}
done, events = claude_cli.run(headers, {}, "say hi", "--model", "claude-opus-5-5")
limits = [event.get("rate_limit_info", event) for event in events if event.get("type") == "rate_limit_event"]
last = events[-1] if events else {"result": done.stdout + done.stderr, "is_error": True}
print(json.dumps({"code": done.returncode, "result": last.get("result"), "error": bool(last.get("is_error")), "limits": limits}))
