"""One `witgate demo` in front of its stand-in, on ports of the kernel's choice."""

import http.client
import json
import re
import signal
import subprocess
import threading
import urllib.parse


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
        """The receipts by correlation id, in the order in which their requests ended."""
        found = {}
        if not self.receipts_file.exists():
            return found
        for line in self.receipts_file.read_text().splitlines():
            receipt = json.loads(line)
            found.setdefault(receipt.get("correlation_id"), []).append(receipt)
        return found

    def log(self):
        """What it logged."""
        return self.log_file.read_text()
