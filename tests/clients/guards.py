"""Claude Code with the shipped guard between it and an upstream that tells a key.

The key is in the output of a tool, and comes back in the answer in pieces. Each run has its own gateway, whose guard does
something else about it; the client has to come to an end in each, in as many calls as it should make.
"""

import json
import shutil
import subprocess
import sys
import tempfile
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from gateway import RunningGateway
from telling import KEY, TellingUpstream

HERE = Path(__file__).resolve().parent
REDACTED = "[redacted:aws-key]"

# What the guard does about requests and responses, and how it ends a response that it blocks.
RUNS = {
    "a key is redacted on both ways": ('request = "redact"\nresponse = "redact"\n', "redacted"),
    "a key is blocked on its way to the model": ('request = "block"\nresponse = "off"\n', "request blocked"),
    "a key is blocked quietly on its way back": ('request = "off"\nresponse = "block"\n', "ended quietly"),
    "a key is blocked with an error on its way back": ('request = "off"\nresponse = "block"\nquietly = false\n', "ended loudly"),
}


def policies_with(settings, policies, folder):
    """The shipped plugins and the guard with these settings, in a folder of their own."""
    own = folder / "policies"
    shutil.copytree(policies, own, ignore=shutil.ignore_patterns("optional"))
    shutil.copy(policies / "optional/guard.wasm", own)
    grants = '[grants]\ncontent = ["request", "response"]\nmetrics = true\n'
    (own / "guard.toml").write_text(f"{grants}[settings]\n{settings}")
    return own


def wrong(due, told, calls, receipts):
    """What is wrong with a run, if anything."""
    said, outcomes = str(told["result"]), [receipt["outcome"] for receipt in receipts]
    guarded = [receipt.get("guards", {}).get("guard", {}) for receipt in receipts]
    if told["tool"] != [KEY]:
        return f"the tool gave {told['tool']}"
    if KEY in said:
        return f"the client was told the key: {said}"
    if due == "redacted":
        fine = (
            not told["error"]
            and said == f"The key is {REDACTED}, as you asked."
            and outcomes == ["answered", "answered"]
            and KEY not in "".join(calls)
            and REDACTED in calls[-1]
            and guarded[-1].get("changed", 0) >= 2
        )
    elif due == "request blocked":
        fine = told["error"] and len(calls) == 1 and outcomes == ["answered", "refused"] and "stopped" in guarded[-1]
    elif due == "ended quietly":
        # Claude Code asks once more after a refusal of a model, too.
        fine = told["error"] and len(calls) == 3 and outcomes == ["answered", "refused", "refused"]
        fine = fine and [receipt["status"] for receipt in receipts] == [200, 200, 200]
    else:
        # After the error event Claude Code asks once more, without a stream.
        fine = told["error"] and len(calls) == 3 and outcomes == ["answered", "refused", "refused"]
    return None if fine else f"the client has {told}, {len(calls)} calls, receipts {outcomes} with {guarded}"


def run(settings, due, binary, policies, folder, bare, environment):
    """Runs Claude Code once, and returns what was wrong, if anything."""
    upstream = TellingUpstream()
    own = policies_with(settings, policies, folder)
    gateway = RunningGateway(binary, own, folder, bare, upstream.url, 0)
    run_id = f"run-{uuid.uuid4()}"
    here = {"ANTHROPIC_BASE_URL": gateway.url, "ANTHROPIC_API_KEY": gateway.key, "RUN": run_id, "HOME": str(folder)}
    try:
        with tempfile.TemporaryDirectory(dir=environment["TMPDIR"]) as empty:
            done = subprocess.run(
                [sys.executable, HERE / "guarded_claude.py"], cwd=empty, env=environment | here, capture_output=True, text=True
            )
        ends = gateway.stop()
    finally:
        gateway.kill()
        upstream.stop()
    if done.returncode != 0:
        return f"exit code {done.returncode}: {done.stderr[-2000:]}"
    receipts = gateway.receipts().get(run_id, [])
    return wrong(due, json.loads(done.stdout), upstream.calls, receipts) or ends


def results(binary, policies, folder, bare, environment):
    """A name for each check and what was wrong with it, if anything."""

    def found(number, settings, due):
        own = folder / f"guard-{number}"
        own.mkdir()
        return run(settings, due, binary, policies, own, bare, environment)

    # They wait for Claude Code's own retries, so they do it together.
    with ThreadPoolExecutor() as at_once:
        runs = {name: at_once.submit(found, number, *of) for number, (name, of) in enumerate(RUNS.items())}
    return [(f"claude code, guard: {name}", started.result()) for name, started in runs.items()]
