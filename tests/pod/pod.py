"""The gateway as the shipped Kubernetes manifest runs it: its configuration, in a cgroup with its memory limit.

Where no cgroup can be made, the limit is checked afterwards, against the most memory that the process ever had.
"""

import json
import pathlib
import re
import subprocess
import textwrap
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
MANIFEST = ROOT / "deploy/kubernetes/witgate.yaml"
UNITS = {"Mi": 1 << 20, "Gi": 1 << 30}


def memory_limit():
    """The pod's memory limit in bytes."""
    number, unit = re.search(r"limits: \{ memory: (\d+)(Mi|Gi) \}", MANIFEST.read_text()).groups()
    return int(number) * UNITS[unit]


def shipped_config():
    """The text of `witgate.toml` in the manifest."""
    block = re.search(r"witgate\.toml: \|\n(.*?)\n---", MANIFEST.read_text(), re.DOTALL)[1]
    return textwrap.dedent(block)


class Cgroup:
    """A memory cgroup of version 1 or 2, or none where this user can't make one."""

    def __init__(self, limit):
        self.folder = None
        name = f"witgate-pod-{time.monotonic_ns()}"
        for root, key in (("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max")):
            folder = pathlib.Path(root, name)
            try:
                folder.mkdir()
            except OSError:
                continue
            try:
                (folder / key).write_text(str(limit))
                self.folder = folder
                return
            except OSError:
                folder.rmdir()

    def enter(self, pid):
        """Moves a process into it."""
        if self.folder:
            (self.folder / "cgroup.procs").write_text(str(pid))

    def remove(self):
        """Removes it once its process is gone."""
        if self.folder:
            self.folder.rmdir()


class Pod:
    """A running gateway. `client` and `admin` are its addresses, `keys` the keys of the tenants that were asked for."""

    def __init__(self, binary, policies, folder, upstream, tenants, extra=""):
        self.folder = folder
        self.binary = binary
        self.keys = {tenant: self._new_key(tenant) for tenant in tenants}
        (folder / "anthropic-key").write_text("upstream-secret")
        config = shipped_config()
        for shipped, own in (
            ('"0.0.0.0:8787"', '"127.0.0.1:0"'),
            ('"0.0.0.0:8788"', '"127.0.0.1:0"'),
            ("/etc/witgate/policies", str(policies)),
            ("/etc/witgate/keys/", f"{folder}/"),
            ("/var/lib/witgate", f"{folder}/state"),
            ("https://api.anthropic.com", upstream),
        ):
            assert shipped in config, f"{shipped} is not in the manifest any more"
            config = config.replace(shipped, own)
        (folder / "state").mkdir()
        (folder / "witgate.toml").write_text(config + extra)
        self.log_file = folder / "log"
        self.cgroup = Cgroup(memory_limit())
        with self.log_file.open("wb") as log:
            self.process = subprocess.Popen(
                ["/bin/sh", "-c", 'read _; exec "$0" --log json run', binary],
                cwd=folder, stdin=subprocess.PIPE, stdout=log, stderr=log,
            )
        self.most = 0
        self.cgroup.enter(self.process.pid)
        self.process.stdin.write(b"\n")
        self.process.stdin.close()
        self.client, self.admin = self._addresses()

    def _new_key(self, tenant):
        made = subprocess.run(
            [self.binary, "key", "new", "--id", tenant, "--tenant", tenant, "--file", self.folder / "keys.toml"],
            capture_output=True, text=True, check=True,
        )
        return re.search(r"wgk\S+", made.stdout)[0]

    def _addresses(self):
        for _ in range(600):
            for line in self.log_file.read_text().splitlines():
                fields = json.loads(line).get("fields", {}) if line.startswith("{") else {}
                if fields.get("message") == "serving":
                    return fields["address"], fields["admin"]
            if self.process.poll() is not None:
                break
            time.sleep(0.1)
        raise SystemExit(f"the pod did not start:\n{self.log_file.read_text()[-2000:]}")

    def peak(self):
        """Returns the most memory that it ever had, in bytes, as far as that was seen."""
        try:
            status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        except FileNotFoundError:
            status = ""
        found = re.search(r"VmHWM:\s+(\d+) kB", status)
        self.most = int(found[1]) * 1024 if found else self.most
        return self.most

    def is_alive(self):
        """Says whether it still runs."""
        return self.process.poll() is None

    def receipts_of(self, tenant):
        """Counts the receipts that still exist for a tenant."""
        mark = f'"tenant":"{tenant}"'
        files = (self.folder / "state").glob("receipts*")
        return sum(line.count(mark) > 0 for file in files for line in file.open(errors="replace"))

    def end(self):
        """Ends it, however it is."""
        self.process.kill()
        self.process.wait()
        for _ in range(50):
            try:
                self.cgroup.remove()
                return
            except OSError:
                time.sleep(0.1)
