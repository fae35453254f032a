"""Claude Code against faults, with its own retries as they are by default."""

import json
import os

import claude_cli
from checks import CORRELATION_ID

for scenario, run in json.loads(os.environ["RUNS"]).items():
    headers = {"x-fault": scenario, "x-fault-run": run, CORRELATION_ID: run}
    try:
        done, events = claude_cli.run(headers, {}, "say hi")
        last = events[-1] if events else {"result": done.stdout, "is_error": True}
        outcome = {"error": last["result"]} if last.get("is_error") or done.returncode else {"text": last["result"]}
    except Exception as error:
        outcome = {"broken": f"{type(error).__name__}: {error}"}
    print(json.dumps({"scenario": scenario, "outcome": outcome}), flush=True)
