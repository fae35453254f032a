"""A gateway as a process: `witgate demo` in front of its stand-in, or `witgate run` in front of an upstream of the
tests. Ports are of the kernel's choice."""

import http.client
import json
import re
import signal
import subprocess
import threading
import time
import urllib.parse
import urllib.request


# The credential that upstreams of the tests are sent.
SECRET = "sk-upstream-secret"
# The admin pages that need nothing but the gateway itself.
PAGES = ["/readyz", "/plugins", "/upstreams", "/budgets", "/keys", "/config", "/metrics"]


class Gateway:
    """A running gateway. `url` is where clients connect, `key` its virtual key."""

    def __init__(self, binary, policies, folder, environment):
        self.receipts_file = folder / "receipts.jsonl"
        self.log_file = folder / "witgate.log"
        arguments = ["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--policies", policies]
        with self.log_file.open("wb") as log:
            self.process = subprocess.Popen(
                [binary, "demo", *arguments, "--receipts", self.receipts_file],
                env=environment, stdout=subprocess.PIPE, stderr=log, text=True,
            )
        self.url, self.key = self._welcome()

    def _welcome(self):
        """Reads what the demo says about itself, up to its key. A start that hangs is ended after a minute."""
        patience = threading.Timer(60, self.process.kill)
        patience.start()
        said = ""
        for line in self.process.stdout:
            said += line
            url, key = re.search(r"serving at (http://[^\s,]+)", said), re.search(r"x-api-key: (\S+?)'", said)
            if url and key:
                patience.cancel()
                return url[1], key[1]
        patience.cancel()
        raise SystemExit(f"the gateway did not serve, exit code {self.process.wait()}\n{self.log()}")

    def stop(self):
        """Sends SIGTERM while an idle connection is open, and returns what was wrong, if anything."""
        idle = http.client.HTTPConnection(urllib.parse.urlsplit(self.url).netloc, timeout=10)
        try:
            idle.request("HEAD", "/api/hello")
            idle.getresponse().read()
        except OSError as error:
            return f"it did not answer any more: {error}, exit code {self.process.poll()}"
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            return "it still runs after 5 s"
        return None if code == 0 else f"exit code {code}"

    def kill(self):
        """Ends it, however it is."""
        self.process.kill()
        self.process.wait()

    def receipts(self):
        """The receipts of both files by correlation id, in the order in which their requests ended."""
        found = {}
        refused = self.receipts_file.with_name("receipts-refused.jsonl")
        for file in (self.receipts_file, refused):
            if not file.exists():
                continue
            for line in file.read_text().splitlines():
                receipt = json.loads(line)
                found.setdefault(receipt.get("correlation_id"), []).append(receipt)
        return found

    def pages(self):
        """The texts of its admin pages, by path."""
        admin = re.search(r"serving .*admin=\S*?([\d.]+:\d+)", self.log())[1]
        return {page: urllib.request.urlopen(f"http://{admin}{page}", timeout=10).read().decode() for page in PAGES}

    def log(self):
        """What it printed on both outputs."""
        return self.log_file.read_text()


class RunningGateway(Gateway):
    """`witgate run` in front of one upstream, which it asks so many times more when it fails.

    `process` is None where the gateway does not know of such attempts yet and some are wanted.
    """

    def __init__(self, binary, policies, folder, environment, upstream, attempts, more="", table=None, top=""):
        self.receipts_file = folder / "receipts.jsonl"
        self.log_file = folder / "witgate.log"
        self.process = None
        made = self._witgate(binary, folder, environment, "key", "new", "--id", "clients", "--tier", "pro", "--file", "keys.toml")
        self.key = re.search(r"wgk\S+", made.stdout)[0]
        (folder / "secret").write_text(SECRET)
        config = folder / "witgate.toml"
        text = f"""{top}[listen]
address = "127.0.0.1:0"
[admin]
address = "127.0.0.1:0"
[keys]
file = "keys.toml"
[plugins]
directory = "{policies}"
cache = "{folder.parent}/code"
[receipts]
file = "receipts.jsonl"
[upstreams.default]
"""
        text += table or f'base_url = "{upstream}"\ncredential = {{ file = "secret" }}\n'
        config.write_text(f"{text}retry = {{ attempts = {attempts} }}\n{more}")
        if self._witgate(binary, folder, environment, "check").returncode != 0:
            if attempts:
                return
            config.write_text(text + more)
        with self.log_file.open("wb") as log:
            self.process = subprocess.Popen([binary, "run"], cwd=folder, env=environment, stdout=log, stderr=log)
        self.url = self._serving()

    def _witgate(self, binary, folder, environment, *arguments):
        return subprocess.run([binary, *arguments], cwd=folder, env=environment, capture_output=True, text=True)

    def _serving(self):
        """Waits for the line of its log that says where it serves."""
        for _ in range(6000):
            found = re.search(r"serving address=(\S+)", self.log())
            if found:
                return f"http://{found[1]}"
            if self.process.poll() is not None:
                break
            time.sleep(0.01)
        raise SystemExit(f"the gateway did not serve\n{self.log()}")
