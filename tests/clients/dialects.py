"""OpenAI's SDKs, LangChain and LiteLLM with the openai plugin between them and the stand-in.

They have a gateway of their own, because the usual lineup does not have the plugin.
"""

import json
import shutil
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from gateway import Gateway

HERE = Path(__file__).resolve().parent

# The drivers, each with its program: the one that has the clients in Python, or Node.js.
DRIVERS = {
    "openai python sdk": "openai_sdk.py",
    "openai typescript sdk": "openai_ts.mjs",
    "langchain": "openai_langchain.py",
    "litellm": "openai_litellm.py",
}


def results(binary, policies, folder, bare, python, environment, differences):
    """The name of each check, with what was wrong, if anything."""
    own = folder / "dialects"
    shutil.copytree(policies, own / "policies", ignore=shutil.ignore_patterns("optional"))
    for file in ("openai.toml", "openai.wasm"):
        shutil.copy(policies / "optional" / file, own / "policies")
    gateway = Gateway(binary, own / "policies", own, bare)
    environment = environment | {"OPENAI_BASE_URL": f"{gateway.url}/v1", "OPENAI_API_KEY": gateway.key}
    try:
        with ThreadPoolExecutor() as at_once:
            told = dict(zip(DRIVERS, at_once.map(lambda driver: run(driver, python, environment), DRIVERS)))
        ends = gateway.stop()
    finally:
        gateway.kill()
    receipts = gateway.receipts()
    found = [
        (f"{driver}: {check['check']}", problem(check, receipts.get(check.get("correlation_id"), []), differences))
        for driver, checks in told.items()
        for check in checks
    ]
    return [*found, ("dialects: the gateway ends at SIGTERM", ends)]


def run(driver, python, environment):
    """The lines of a driver, each a check. One more if it broke off."""
    script = DRIVERS[driver]
    program = "node" if script.endswith(".mjs") else python
    with tempfile.TemporaryDirectory(dir=environment["TMPDIR"]) as empty:
        done = subprocess.run([program, HERE / script], cwd=empty, env=environment, capture_output=True, text=True)
    told = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode != 0 or not told:
        told.append({"check": "driver", "problem": f"exit code {done.returncode}: {done.stderr[-2000:]}"})
    return told


def problem(told, receipts, differences):
    """What is wrong with a check, if anything."""
    if "problem" in told:
        return told["problem"]
    if told["receipts"] is None:
        return None
    if len(receipts) != len(told["receipts"]):
        return f"{len(receipts)} receipts, {len(told['receipts'])} requests"
    found = [what for due, receipt in zip(told["receipts"], receipts) for what in differences(due, receipt)]
    return "; ".join(found) or None
