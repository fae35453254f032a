"""Claude Code through the session of `scripted.py`: prints its exit code and its events. It tries nothing again by itself."""

import json

import claude_cli
import scripted

settings = {"CLAUDE_CODE_MAX_RETRIES": "0"}
done, events = claude_cli.run({}, settings, scripted.TASK, "--model", scripted.MODEL, "--allowedTools", "Bash,Agent,Task")
print(json.dumps({"code": done.returncode, "events": events}))
