"""Claude Code near its spending limit, and at it: the warning is on its screen, and then one clear message after one request.

Each answer costs 41 % of the limit, so the third one is warned of and the fourth request is refused.
"""

import json
import shutil
import subprocess
import sys
import tempfile
import uuid
from pathlib import Path

from capped import CappedUpstream
from gateway import RunningGateway

HERE = Path(__file__).resolve().parent
WORDS = "Ask the platform team for more."

LIMIT = """[grants]
body = "head"
clock = true
[[settings.tiers.pro.limits]]
account = "key"
window = "day"
usd = 10
"""


def policies_with_limit(policies, folder):
    """The shipped plugins with this limit, in a folder of their own."""
    own = folder / "policies"
    shutil.copytree(policies, own, ignore=shutil.ignore_patterns("optional"))
    (own / "budget.toml").write_text(LIMIT)
    return own


def ask(gateway, environment):
    """What Claude Code makes of one prompt, and the receipts of its requests."""
    run_id = f"run-{uuid.uuid4()}"
    here = {
        "ANTHROPIC_BASE_URL": gateway.url,
        "ANTHROPIC_AUTH_TOKEN": gateway.key,
        "CLAUDE_CODE_USE_GATEWAY": "1",
        "RUN": run_id,
    }
    own = {name: value for name, value in environment.items() if name != "ANTHROPIC_API_KEY"}
    with tempfile.TemporaryDirectory(dir=environment["TMPDIR"]) as empty:
        done = subprocess.run(
            [sys.executable, HERE / "capped_claude.py"], cwd=empty, env=own | here, capture_output=True, text=True
        )
    if done.returncode != 0:
        raise SystemExit(f"exit code {done.returncode}: {done.stderr[-2000:]}")
    return run_id, json.loads(done.stdout)


def warned(told):
    """What is wrong with the end of the run that is near the limit, if anything."""
    if told["error"]:
        return f"it was not served: {told}"
    limits = [limit for limit in told["limits"] if limit.get("status") == "allowed_warning"]
    if not limits:
        return f"it shows no warning: {told}"
    return None


def refused(told, receipts, calls):
    """What is wrong with the end of the run that is refused, if anything."""
    said = str(told["result"])
    if not told["error"] or "limit of $10.00 per day" not in said or WORDS not in said:
        return f"it does not say why: {told}"
    outcomes = [(receipt["status"], receipt["outcome"]) for receipt in receipts]
    if outcomes != [(429, "refused")]:
        return f"it made these requests: {outcomes}"
    return None if calls == 3 else f"{calls} calls reached the upstream"


def results(binary, policies, folder, bare, environment):
    """A name for each check and what was wrong with it, if anything."""
    own = folder / "caps"
    own.mkdir()
    upstream = CappedUpstream()
    words = f'[budgets]\nmessage = "{WORDS}"\n'
    gateway = RunningGateway(binary, policies_with_limit(policies, own), own, bare, upstream.url, 0, words)
    try:
        runs = [ask(gateway, environment) for _ in range(4)]
        ends = gateway.stop()
    finally:
        gateway.kill()
        upstream.stop()
    receipts = gateway.receipts()
    near, (last, told) = runs[2][1], runs[3]
    yield "claude code near its limit shows the warning", warned(near)
    wrong = refused(told, receipts.get(last, []), upstream.calls)
    yield "claude code at its limit says so after one request", wrong or ends
