"""Real clients against a faulty upstream: directly, and through the gateway, which must make no difference.

Each driver runs all scenarios of `faulty.py` and tells the outcome of each, one line of JSON. A run is right when its
outcome and its calls of the upstream are the expected ones, and the same with the gateway as without. Where the gateway
may try again by itself, the clients see nothing of faults that come before an answer, and make one call each.
"""

import json
import subprocess
import sys
import tempfile
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from faulty import ANSWER, SCENARIOS, FaultyUpstream
from gateway import RunningGateway

HERE = Path(__file__).resolve().parent

DRIVERS = {
    "python sdk": "faulty_python.py",
    "typescript sdk": "faulty_ts.mjs",
    "claude code": "faulty_claude.py",
}

FINE = {"text": ANSWER}
RETRIED = ["529 twice, then an answer", "429 with retry-after"]

# The calls that a client makes by itself, and whether it has an answer then. The SDKs try again what has not begun;
# Claude Code also asks again, without a stream, for an answer that broke off.
CALLS = {
    "sdk": {
        "no fault": (["stream"], True),
        "529 twice, then an answer": (["stream"] * 3, True),
        "429 with retry-after": (["stream"] * 2, True),
        "an error event after text": (["stream"], False),
        "a stream cut after text": (["stream"], False),
    },
    "claude code": {
        "no fault": (["stream"], True),
        "529 twice, then an answer": (["stream"] * 3, True),
        "429 with retry-after": (["stream"] * 2, True),
        "an error event after text": (["stream", "whole"], True),
        "a stream cut after text": (["stream", "stream"], True),
    },
}


def run(driver, program, environment, url, key):
    """The outcome of each scenario and the id of its run."""
    runs = {scenario: f"run-{uuid.uuid4()}" for scenario in SCENARIOS}
    own = {"ANTHROPIC_BASE_URL": url, "ANTHROPIC_API_KEY": key, "RUNS": json.dumps(runs)}
    with tempfile.TemporaryDirectory(dir=environment["TMPDIR"]) as empty:
        done = subprocess.run(
            [program, HERE / DRIVERS[driver]], cwd=empty, env=environment | own, capture_output=True, text=True
        )
    told = [json.loads(line) for line in done.stdout.splitlines()]
    outcomes = {line["scenario"]: line["outcome"] for line in told}
    broken = {"broken": f"exit code {done.returncode}: {done.stderr[-2000:]}"}
    return {scenario: (run, outcomes.get(scenario, broken)) for scenario, run in runs.items()}


def all_at_once(programs, environment, url, key):
    """The same of each driver. They wait most of the time, so they do it together."""
    with ThreadPoolExecutor() as at_once:
        runs = {driver: at_once.submit(run, driver, programs[driver], environment, url, key) for driver in DRIVERS}
    return {driver: started.result() for driver, started in runs.items()}


def wrong(driver, scenario, outcome, calls):
    """What a client without a gateway, or with one that tries nothing itself, should not have done."""
    due, succeeds = CALLS.get(driver, CALLS["sdk"])[scenario]
    if calls != due:
        return f"the upstream was called {calls} and not {due}; the client has {outcome}"
    if succeeds and outcome != FINE:
        return f"the client has {outcome}"
    if not succeeds and "error" not in outcome:
        return f"the client has {outcome} where it should see an error"
    return None


def results(binary, policies, folder, bare, programs, environment):
    """A name for each check and what was wrong with it, if anything."""
    upstream = FaultyUpstream()
    try:
        direct = all_at_once(programs, environment, upstream.url, "any")
        for driver, scenarios in direct.items():
            for scenario, (run_id, outcome) in scenarios.items():
                yield f"{driver}, no gateway: {scenario}", wrong(driver, scenario, outcome, upstream.calls(run_id))
        yield from through(0, direct, upstream, binary, policies, folder / "plain", bare, programs, environment)
        yield from through(2, direct, upstream, binary, policies, folder / "retries", bare, programs, environment)
    finally:
        upstream.stop()


def through(attempts, direct, upstream, binary, policies, folder, bare, programs, environment):
    """The same through a gateway that makes so many further attempts by itself."""
    folder.mkdir()
    gateway = RunningGateway(binary, policies, folder, bare, upstream.url, attempts)
    if gateway.process is None:
        yield "gateway: has no retries of its own, so none were looked at", None
        return
    try:
        told = all_at_once(programs, environment, gateway.url, gateway.key)
        ends = gateway.stop()
    finally:
        gateway.kill()
    receipts = gateway.receipts()
    manner = f"gateway with {attempts} retries" if attempts else "gateway"
    for driver, scenarios in told.items():
        for scenario, (run_id, outcome) in scenarios.items():
            calls, written = upstream.calls(run_id), receipts.get(run_id, [])
            hidden = attempts > 0 and scenario in RETRIED
            if hidden:
                why = retried(scenario, outcome, calls, written)
            else:
                why = wrong(driver, scenario, outcome, calls) or same(direct[driver][scenario][1], outcome, calls, written)
            yield f"{driver}, {manner}: {scenario}", why
    yield f"{manner}, in front of faults: ends at SIGTERM", ends


def same(direct, outcome, calls, receipts):
    """What differs from the client without a gateway; the calls have been compared."""
    if outcome != direct:
        return f"the client has {outcome}, and without the gateway {direct}"
    if len(receipts) != len(calls):
        return f"{len(receipts)} receipts for {len(calls)} calls"
    return None


def retried(scenario, outcome, calls, receipts):
    """What is wrong where the gateway should have tried again."""
    due = len(SCENARIOS[scenario]) + 1
    if outcome != FINE:
        return f"the client has {outcome}"
    if len(calls) != due:
        return f"the upstream was called {len(calls)} times and not {due}"
    if len(receipts) != 1:
        return f"{len(receipts)} receipts: the client saw a fault"
    return None


def programs(venv):
    """What runs each driver."""
    return {"python sdk": venv if venv.exists() else sys.executable, "typescript sdk": "node", "claude code": sys.executable}
