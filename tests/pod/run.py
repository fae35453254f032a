#!/usr/bin/env python3
"""The shipped pod under attack: eight clients for SECONDS at a time, while another tenant asks and the kubelet probes.

    tests/pod/run.py BINARY POLICIES [SECONDS] [ATTACK...]

It passes when in every attack the pod lives, stays within its memory limit, answers each of its neighbour's requests, fails no
three probes in a row, keeps all of the neighbour's receipts and shows nothing to whoever may not see it.
"""

import multiprocessing
import pathlib
import queue
import sys
import tempfile
import threading
import time
import types

import attacks
import upstream
from pod import Pod, memory_limit
from wire import exchange, headers, message

CLIENTS = 8
# Patience of a neighbour with one answer, and of the kubelet with a probe, in seconds; and how many probes in a row have to
# fail before it restarts the pod (both are its defaults).
PATIENCE = 10
PROBE = 1
FAILURES = 3


def neighbour(pod, stop, answers):
    """Asks four times a second, as an ordinary tenant does, and notes each status."""
    while not stop.is_set():
        answers.append(exchange(pod.client, "POST", "/v1/messages", headers(pod.keys["bob"]), message(), PATIENCE))
        stop.wait(0.25)


def kubelet(pod, stop, probes):
    """Probes as the manifest says."""
    while not stop.is_set():
        probes.append(exchange(pod.admin, "GET", "/healthz", {}, timeout=PROBE))
        stop.wait(1)


def judge(pod, answers, probes, breaches):
    """Everything that is wrong with how an attack went."""
    wrong = []
    if not pod.is_alive():
        wrong.append(f"the pod died: exit code {pod.process.returncode}")
    if pod.peak() > memory_limit():
        wrong.append(f"it had {pod.most >> 20} MiB")
    refused = [status for status in answers if status != 200]
    if refused:
        wrong.append(f"{len(refused)} of {len(answers)} answers to the neighbour were not 200: {sorted(set(map(str, refused)))}")
    if any(all(status != 200 for status in probes[at:at + FAILURES]) for at in range(len(probes) - FAILURES + 1)):
        wrong.append(f"the kubelet would have restarted it: {FAILURES} probes in a row failed")
    served = sum(status == 200 for status in answers)
    kept = pod.receipts_of("bob")
    if kept < served:
        wrong.append(f"{kept} receipts are left of {served}")
    while True:
        try:
            wrong.append(breaches.get_nowait())
        except queue.Empty:
            return sorted(set(wrong))


def attacked(attack, binary, policies, url, seconds):
    """Runs one attack and returns what went wrong."""
    with tempfile.TemporaryDirectory() as folder:
        pod = Pod(binary, policies, pathlib.Path(folder), url, ["mallory", "bob"])
        stop, breaches = multiprocessing.Event(), multiprocessing.Queue()
        target = types.SimpleNamespace(client=pod.client, admin=pod.admin, key=pod.keys["mallory"], breaches=breaches)
        attackers = [multiprocessing.Process(target=attack, args=(target, stop), daemon=True) for _ in range(CLIENTS)]
        answers, probes = [], []
        watching = [
            threading.Thread(target=work, args=(pod, stop, notes), daemon=True)
            for work, notes in ((neighbour, answers), (kubelet, probes))
        ]
        for one in attackers + watching:
            one.start()
        end = time.monotonic() + seconds
        while time.monotonic() < end and pod.is_alive():
            pod.peak()
            time.sleep(0.2)
        stop.set()
        for one in watching:
            one.join()
        time.sleep(1)
        wrong = judge(pod, answers, probes, breaches)
        for one in attackers:
            one.kill()
        print(
            f"{attack.__name__}: {sum(status == 200 for status in answers)} of {len(answers)} answers to the neighbour,"
            f" {sum(status == 200 for status in probes)} of {len(probes)} probes, at most {pod.most >> 20} MiB"
            f"{' in a cgroup' if pod.cgroup.folder else ''}",
            flush=True,
        )
        pod.end()
        return wrong


def main():
    binary, policies, *rest = sys.argv[1:]
    seconds = int(rest[0]) if rest else 300
    chosen = [attack for attack in attacks.ALL if attack.__name__ in rest[1:] or not rest[1:]]
    ports, told = multiprocessing.Pipe()
    multiprocessing.Process(target=upstream.serve, args=(told,), daemon=True).start()
    url = f"http://127.0.0.1:{ports.recv()}"
    failed = False
    for attack in chosen:
        for wrong in attacked(attack, str(pathlib.Path(binary).resolve()), pathlib.Path(policies).resolve(), url, seconds):
            failed = True
            print(f"{attack.__name__}: {wrong}", file=sys.stderr, flush=True)
    sys.stdout.flush()
    sys.exit(failed)


if __name__ == "__main__":
    main()
