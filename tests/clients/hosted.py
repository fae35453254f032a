"""A model of one's own behind Messages: LiteLLM's proxy as the gateway's upstream, and the Python SDK as its client.

The proxy turns Messages into the chat completions of the model (`chatting.py`) and back, so the gateway needs no dialect for it. Each
exchange is priced by a price file of its own, and its receipt has to have what the model said it used.
"""

import json
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from chatting import USAGE, ChattingModel
from gateway import SECRET, RunningGateway

HERE = Path(__file__).resolve().parent
MODEL = "our-model"

PRICES = {
    "as_of": "2026-11-30",
    "source": "the price that this test sets",
    "web_search_usd_per_1000": 10,
    "inference_geo_us_multiplier": 1,
    "batch_multiplier": 0.5,
    "models": [{"id": MODEL, "max_output": 8192, "usd_per_mtok": {"input": 2, "output": 3, "cache_write_5m": 0, "cache_write_1h": 0, "cache_read": 0}}],
}
COST = USAGE["prompt_tokens"] * 2_000_000 + USAGE["completion_tokens"] * 3_000_000


class Proxy:
    """A running proxy of LiteLLM in front of a model; `url` is where it listens."""

    def __init__(self, litellm, model, folder, environment):
        config = folder / "litellm.yaml"
        served = {"model": f"hosted_vllm/{MODEL}", "api_base": f"{model.url}/v1", "api_key": "none"}
        settings = {"model_list": [{"model_name": MODEL, "litellm_params": served}], "general_settings": {"master_key": SECRET}}
        # JSON is YAML.
        config.write_text(json.dumps(settings))
        self.log_file = folder / "litellm.log"
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        python = litellm / "bin/python"
        program = [python if python.exists() else sys.executable, "-c", "import litellm; litellm.run_server()"]
        arguments = ["--config", config, "--host", "127.0.0.1", "--port", str(port)]
        own = {"HOME": str(folder), "PYTHONPATH": str(litellm / "packages"), "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
        with self.log_file.open("wb") as log:
            self.process = subprocess.Popen([*program, *arguments], env=environment | own, stdout=log, stderr=log)
        self._serving()

    def _serving(self):
        """Waits for it, which imports for half a minute on a busy machine."""
        for _ in range(1800):
            try:
                return urllib.request.urlopen(f"{self.url}/health/liveliness").close()
            except OSError:
                if self.process.poll() is not None:
                    break
                time.sleep(0.1)
        raise SystemExit(f"LiteLLM did not serve\n{self.log_file.read_text()[-4000:]}")

    def stop(self):
        self.process.kill()
        self.process.wait()


def free_port():
    """A port that the kernel says is free: LiteLLM does not tell which one it got."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wrong(told, receipts):
    """What is wrong with a check, if anything."""
    if "problem" in told:
        return told["problem"]
    if len(receipts) != told["requests"]:
        return f"{len(receipts)} receipts of {told['requests']} requests"
    for receipt in receipts:
        used = receipt.get("usage", {})
        found = (used.get("source"), used.get("input_tokens"), used.get("output_tokens"), receipt.get("cost_picousd"))
        due = ("reported", USAGE["prompt_tokens"], USAGE["completion_tokens"], COST)
        if receipt["endpoint"] == "messages" and found != due:
            return f"the receipt has {found} and not {due}"
        if receipt["outcome"] != "answered" or receipt["attempts"]["0"]["upstream"] != "default":
            return f"the receipt is {receipt}"
    return None


def results(binary, policies, folder, bare, environment, litellm, python):
    """A name for each check and what was wrong with it, if anything."""
    own = folder / "hosted"
    own.mkdir()
    (own / "prices.json").write_text(json.dumps(PRICES))
    model = ChattingModel()
    proxy = Proxy(litellm, model, own, bare)
    gateway = RunningGateway(binary, policies, own, bare, proxy.url, 0, 'kind = "messages"\n[prices]\nfile = "prices.json"\n')
    try:
        checked = subprocess.run([binary, "check", "--upstreams"], cwd=own, env=bare, capture_output=True, text=True)
        here = {"ANTHROPIC_BASE_URL": gateway.url, "ANTHROPIC_API_KEY": gateway.key}
        with tempfile.TemporaryDirectory(dir=environment["TMPDIR"]) as empty:
            done = subprocess.run(
                [python, HERE / "hosted_python.py"], cwd=empty, env=environment | here, capture_output=True, text=True
            )
        ends = gateway.stop()
    finally:
        gateway.kill()
        proxy.stop()
        model.stop()
    found = gateway.receipts()
    told = [json.loads(line) for line in done.stdout.splitlines()]
    if done.returncode != 0 or not told:
        ends = f"exit code {done.returncode}: {done.stderr[-2000:]}"
    yield "litellm: the gateway ends", ends
    line = "upstream default: it answers with 1 model, all of which have prices"
    yield "litellm: `check --upstreams` finds its model", None if line in checked.stdout else checked.stdout + checked.stderr
    for check in told:
        yield f"litellm: {check['check']}", wrong(check, found.get(check["correlation_id"], []))
