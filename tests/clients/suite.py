"""Runs each driver against a gateway, stops it, and compares its receipts with what the drivers saw.

Receipts are read after the gateway has ended: nothing has to be waited for, and one that is lost in the stop is seen.
Prints a line for each check and the counts last. The exit code is 1 if a check failed.
"""

import hashlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import bedrock
import caps
import dialects
import faults
import guards
import hosted
import pooled
import questions
import through
from gateway import Gateway
from sessions import Run

HERE = Path(__file__).resolve().parent
REPO = HERE.parent.parent
CLIENTS = REPO / ".cache/clients"
VENV = CLIENTS / "python/bin/python"
LITELLM = CLIENTS / "litellm"

DRIVERS = {
    "http": [sys.executable, "raw_http.py"],
    "python sdk": [VENV if VENV.exists() else sys.executable, "python_sdk.py"],
    "typescript sdk": ["node", "ts_sdk.mjs"],
    "claude code": [sys.executable, "claude_code.py"],
}
PLUGINS = ["audit", "budget", "envelope", "route"]


def run(driver, environment):
    """The lines of a driver, each a check. One more if it broke off."""
    program, script = DRIVERS[driver]
    # Each driver gives up by itself where no answer comes.
    with tempfile.TemporaryDirectory(dir=environment["TMPDIR"]) as empty:
        done = subprocess.run([program, HERE / script], cwd=empty, env=environment, capture_output=True, text=True)
    told = [json.loads(line) for line in done.stdout.splitlines()]
    if done.returncode != 0 or not told:
        told.append({"check": "driver", "problem": f"exit code {done.returncode}: {done.stderr[-2000:]}"})
    return told


def differences(due, receipt, path=""):
    """Where a receipt is not what is due. It may have more fields than that."""
    for name, value in due.items():
        found = receipt.get(name) if isinstance(receipt, dict) else None
        if isinstance(value, dict):
            yield from differences(value, found, f"{path}{name}.")
        elif found != value:
            yield f"{path}{name} of the receipt is {found!r} and not {value!r}"


def always_due(receipt, policies):
    """What every receipt of an answered request has."""
    due = {"outcome": "answered", "status": 200, "plugins": policies}
    if receipt.get("endpoint") == "messages":
        due["usage"] = {"source": "reported"}
    return due


def problem(told, receipts, policies):
    """What is wrong with a check, if anything."""
    if "problem" in told:
        return told["problem"]
    if len(receipts) != len(told["receipts"]):
        return f"{len(receipts)} receipts, {len(told['receipts'])} requests"
    found = []
    for due, receipt in zip(told["receipts"], receipts):
        total = due.pop("total_cost_usd", None)
        found += differences(always_due(receipt, policies), receipt)
        found += differences(due, receipt)
        if receipt.get("endpoint") == "messages" and not receipt.get("cost_picousd", 0) > 0:
            found.append("the receipt has no cost")
        # The client adds up dollars in floating point: a nanodollar may be missing.
        costs = [receipt.get("cost_picousd", 0) for receipt in receipts]
        if total is not None and abs(sum(costs) - total * 1e12) > 1000:
            found.append(f"the client's cost is {total} USD, that of the receipts {costs} pico-USD")
    return "; ".join(found) or None


def timed(part, act):
    """What `act` returns. Says how long it took, and for how long processes worked in that time."""

    def worked():
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return used.ru_utime + used.ru_stime

    begun, before = time.monotonic(), worked()
    found = act()
    print(f"clients: {part}: {time.monotonic() - begun:.0f} s, {worked() - before:.0f} s of work", file=sys.stderr, flush=True)
    return found


def main():
    binary = Path(os.environ.get("CARGO_TARGET_DIR", REPO / "target")) / "debug/witgate"
    policies = REPO / "policies"
    for needed in [binary, policies / "optional/guard.wasm", policies / "optional/openai.wasm", *(policies / f"{name}.wasm" for name in PLUGINS)]:
        if not needed.exists():
            raise SystemExit(f"{needed} is missing: `make clients` builds it")
    hashes = {name: hashlib.sha256((policies / f"{name}.wasm").read_bytes()).hexdigest() for name in PLUGINS}
    with tempfile.TemporaryDirectory(prefix="witgate-clients-") as folder:
        # Nothing of the caller's own surroundings: neither keys, nor proxies, nor a home.
        bare = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "HOME": folder, "TMPDIR": folder}
        gateway = Gateway(binary, policies, Path(folder), bare)
        environment = bare | {
            "ANTHROPIC_BASE_URL": gateway.url,
            "ANTHROPIC_API_KEY": gateway.key,
            "CLIENTS": str(CLIENTS),
            "PYTHONPATH": str(CLIENTS / "python/packages"),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        results = []

        def add(part, of):
            # Some of them are generators, which work while they are read.
            results.extend(timed(part, lambda: list(of())))

        try:
            told = {driver: timed(driver, lambda: run(driver, environment)) for driver in DRIVERS}
            ends = gateway.stop()
        finally:
            gateway.kill()

        receipts = gateway.receipts()
        results += [
            (f"{driver}: {check['check']}", problem(check, receipts.get(check.get("correlation_id"), []), hashes))
            for driver, checks in told.items()
            for check in checks
        ]
        results.append(("gateway: ends at SIGTERM", ends))
        python = DRIVERS["python sdk"][0]
        tools = binary, policies, Path(folder), bare
        add("questions", lambda: questions.results(receipts, python, REPO, Path(folder), environment))
        add("faults", lambda: faults.results(*tools, faults.programs(VENV), environment))
        add("guards", lambda: guards.results(*tools, environment))
        add("dialects", lambda: dialects.results(*tools, python, environment, differences))
        add("caps", lambda: caps.results(*tools, environment))
        add("hosted", lambda: hosted.results(*tools, environment, LITELLM, python))
        add("bedrock", lambda: bedrock.results(*tools, python, environment))
        like = timed("a session", lambda: Run((*tools, environment), "api"))
        add("through clouds", lambda: through.results(like, (*tools, environment)))
        add("pooled", lambda: pooled.results(like, (*tools, environment)))
        failed = [name for name, why in results if why]
        for name, why in results:
            print(f"FAILED {name}: {why}" if why else f"ok {name}")
        if failed:
            print(f"\nThe gateway's log:\n{gateway.log()}")
        print(f"{len(results) - len(failed)} passed, {len(failed)} failed")
    return 1 if failed else 0


sys.exit(main())
