"""A run of the session of `scripted.py`: Claude Code in front of a gateway, and stand-ins behind it. What is right about one is judged here."""

import json
import re
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import leaks
import scripted
from gateway import RunningGateway
from served import MANY, Api

HERE = Path(__file__).resolve().parent
PRICES = HERE.parents[1] / "host/messages/prices.json"
# The cloud has a contract, so that a cost says by whose prices it was counted.
FACTORS = {"default": Fraction(1), "cloud": Fraction("0.85")}
CONTRACT = '[[prices.contract]]\nupstreams = ["cloud"]\nmultiplier = "0.85"\n'
# Both, the API first.
GROUP = """[groups.all]
members = [{{ upstream = "default" }}, {{ upstream = "cloud" }}]
choice = "order"
allow_provider_change = {}
"""
# All that the gateway itself can tell; its compiler of plugins would write megabytes.
LOUD = "trace,wasmtime=warn,cranelift=warn,wasmparser=warn,regalloc2=warn,object=warn"


class Run:
    """A session that has ended.

    `code` and `events` are Claude Code's, and `last` its last event; `upstreams` know what they were asked. `broken`, `ends` and `leaked` are
    sentences about the driver, the gateway's end, and secrets that were told; `None` if nothing is wrong.
    """

    def __init__(self, tools, name, target="default", cloud=None, more="", limits=None):
        """`limits` has the answers that each credential of the API is good for; several are a pool."""
        binary, policies, folder, bare, environment = tools
        self.folder = folder / name
        self.folder.mkdir()
        self.session = scripted.Session()
        self.keys = {key: f"sk-{key}/of+{name}" for key in limits or ["only"]}
        self.api = Api(self.session, {secret: (limits or {}).get(key, MANY) for key, secret in self.keys.items()})
        self.upstreams, secrets = {"default": self.api}, [*self.keys.values()]
        if cloud:
            self.upstreams["cloud"] = cloud(self.session)
            more += f"[upstreams.cloud]\n{self.upstreams['cloud'].settings(self.folder)}{CONTRACT}"
            secrets += cloud.secrets
        top, loud = f'default_upstream = "{target}"\n', bare | {"WITGATE_LOG": LOUD}
        gateway = RunningGateway(binary, policies, self.folder, loud, None, 0, more, self.pool(), top)
        done, pages = self.talk(gateway, environment)
        self.broken = f"the driver's exit code is {done.returncode}: {done.stderr[-2000:]}" if done.returncode else None
        told = {"code": None, "events": []} if self.broken else json.loads(done.stdout)
        self.code, self.events = told["code"], told["events"]
        self.last = self.events[-1] if self.events else {}
        self.receipts = [receipt for of in gateway.receipts().values() for receipt in of if receipt["endpoint"] == "messages"]
        texts = {"the log": gateway.log(), "the receipts": gateway.receipts_file.read_text(), "what the client was told": done.stdout}
        self.leaked = leaks.found([*secrets, gateway.key], pages | texts)

    def talk(self, gateway, environment):
        """Runs Claude Code and stops everything: the finished driver, and the admin pages as they were then."""
        here = {"ANTHROPIC_BASE_URL": gateway.url, "ANTHROPIC_API_KEY": gateway.key, "HOME": str(self.folder), "TMPDIR": str(self.folder)}
        try:
            done = subprocess.run(
                [sys.executable, HERE / "session_claude.py"], cwd=self.folder, env=environment | here, capture_output=True, text=True
            )
            pages = gateway.pages()
            self.ends = gateway.stop()
        finally:
            gateway.kill()
            for upstream in self.upstreams.values():
                upstream.stop()
        return done, pages

    def pool(self):
        """The settings of the API's upstream: its address and its credentials."""
        for key, secret in self.keys.items():
            (self.folder / f"{key}.key").write_text(secret)
        entries = [f'{{ name = "{key}", file = "{key}.key" }}' for key in self.keys]
        several = f"credentials = [{', '.join(entries)}]"
        return f'base_url = "{self.api.url}"\n' + (several if len(entries) > 1 else 'credential = { file = "only.key" }') + "\n"

    def transcript(self):
        """What the client saw, without what differs from run to run. Helpers work at the same time, so each has a list of its own."""
        seen = {}
        for event in self.events:
            if event["type"] in ("assistant", "user"):
                content = json.dumps(event["message"]["content"])
                content = re.sub(r"agentId: \w+|to: '\w+'|duration_ms: \d+", "…", content)
                content = re.sub(r'"signature": "[^"]+"', '"signature": "…"', content)
                own = seen.setdefault(event.get("parent_tool_use_id"), [])
                own.append((event["type"], event["message"].get("id"), event["message"].get("model"), content))
        # Reports of helpers come in the order in which they end.
        for own in seen.values():
            own.sort(key=lambda it: it[3] if "hand-back" in it[3] else "")
        names = ("subtype", "is_error", "num_turns", "result", "stop_reason", "usage")
        # The client adds up dollars in floating point, in the order in which answers come.
        cost = round(self.last.get("total_cost_usd", 0), 9)
        return seen | {"end": [("cost", cost), *((name, self.last.get(name)) for name in names)]}


def attempts(receipt):
    """The attempts of a receipt, in order."""
    by_number = receipt.get("attempts", {})
    return [by_number[str(number)] for number in range(len(by_number))]


def troubled(run, like=None):
    """What the client saw of trouble, if anything; `like` is a run that had none."""
    if run.broken or run.code != 0 or run.last.get("is_error") or run.last.get("result") != scripted.DONE:
        return run.broken or f"exit code {run.code}, and the client is told: {run.last.get('result', run.last)}"
    retries = [event for event in run.events if event.get("subtype") == "api_retry"]
    if retries:
        return f"the client had to try again: {retries}"
    if not run.session.is_parallel:
        return "the helpers did not ask at the same time"
    return like and different(run.transcript(), like.transcript())


def different(here, there):
    """The first difference of two transcripts, in a sentence, if there is one."""
    for whose in [*here, *(whose for whose in there if whose not in here)]:
        ours, theirs = here.get(whose, []), there.get(whose, [])
        pairs = zip(ours + [None] * len(theirs), theirs + [None] * len(ours))
        for ours, theirs in pairs:
            if ours != theirs:
                return f"in the part of {whose}, the client saw {ours}, and with the API alone {theirs}"
    return None


def cost_of(usage):
    """The cost of a usage in pico-USD, by the price file."""
    listed = json.loads(PRICES.read_text())["models"]
    by_kind = next(model for model in listed if model["id"] == scripted.MODEL)["usd_per_mtok"]
    written = usage["cache_creation"]
    counts = {
        "input": usage["input_tokens"], "output": usage["output_tokens"], "cache_read": usage["cache_read_input_tokens"],
        "cache_write_5m": written["ephemeral_5m_input_tokens"], "cache_write_1h": written["ephemeral_1h_input_tokens"],
    }
    return sum(Fraction(str(by_kind[kind])) * 10**6 * count for kind, count in counts.items())


def wrong_receipt(run, receipt):
    """What is wrong with the receipt of an answer, if anything."""
    name, last = receipt["message_id"], attempts(receipt)[-1]
    usage, provider = run.session.answers[name]
    upstream = run.upstreams[last["upstream"]]
    if upstream.provider != provider or receipt["status"] != 200 or receipt["outcome"] != "answered":
        return f"{name} came from {provider}, and its receipt says {receipt['outcome']} by {last}"
    if receipt["usage"] != usage | {"source": "reported"}:
        return f"{name} used {usage}, and its receipt has {receipt['usage']}"
    cost = cost_of(usage) * FACTORS[last["upstream"]]
    if receipt["cost_picousd"] != cost or "unpriced" in receipt:
        return f"{name} of {provider} cost {cost}, and its receipt has {receipt['cost_picousd']}"
    if last["upstream"] == "cloud" and (last.get("provider"), last.get("sent_model")) != (provider, upstream.model):
        return f"{name} went to {provider} as {upstream.model}, and its receipt has {last}"
    return None


def wrong_receipts(run):
    """What is wrong with the receipts of a session that was served, if anything."""
    found = sorted(receipt.get("message_id", "none") for receipt in run.receipts)
    if found != sorted(run.session.answers) or len(found) != scripted.TURNS:
        return f"the receipts are of {found}, and the answers {sorted(run.session.answers)}"
    return next(filter(None, (wrong_receipt(run, receipt) for receipt in run.receipts)), None)
