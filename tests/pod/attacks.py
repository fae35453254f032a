"""The attacks. Each is one client's work until `stop` is set; eight run at a time.

An attack gets the pod's addresses and a key of a tenant `mallory`, which those without a key leave alone.
"""

import gzip
import json
import time

from wire import connect, exchange, headers, message

# What unpacks to almost 32 MiB, the largest body that is taken, from 32 KiB.
PAD = 31 << 20


def oversized(pod, stop):
    """Names, users and metadata beyond what plugins take."""
    metadata = {f"k{number}": "v" for number in range(1025)}
    bodies = [
        message(vmx={"metadata": metadata}),
        message(model="m" * 2_000_000),
        message(metadata={"user_id": "u" * 2_000_000}),
        message(vmx={"metadata": {"deep": json.loads("[" * 400 + "]" * 400)}}),
    ]
    while not stop.is_set():
        for body in bodies:
            exchange(pod.client, "POST", "/v1/messages", headers(pod.key), body)
            time.sleep(0.01)


def refused_receipts(pod, stop):
    """Without a key: refusals that each leave a large receipt."""
    method, path = "M" * 20_000, "/v1/messages?" + "q" * 20_000
    while not stop.is_set():
        exchange(pod.client, method, path, {"user-agent": "u" * 20_000, "x-api-key": "wgk-none"})


def packed_names(pod, stop):
    """A name of a model that is small only as long as it is packed, alone and in a batch."""
    name = "m" * PAD
    alone = gzip.compress(message(model=name))
    batch = gzip.compress(json.dumps(
        {"requests": [{"custom_id": "a", "params": json.loads(message(model=name))}]}).encode())
    own = headers(pod.key, content_encoding="gzip")
    while not stop.is_set():
        exchange(pod.client, "POST", "/v1/messages", own, alone)
        exchange(pod.client, "POST", "/v1/messages/batches", own, batch)


def unfinished_heads(pod, stop):
    """Without a key: heads of a megabyte that never end, a hundred and twenty connections a client."""
    line = b"x-pad: " + b"p" * 8000 + b"\r\n"
    while not stop.is_set():
        held = []
        for _ in range(120):
            if stop.is_set():
                break
            try:
                stream = connect(pod.client, timeout=2)
                stream.sendall(b"POST /v1/messages HTTP/1.1\r\nhost: a\r\n" + line * 130)
                held.append(stream)
            except OSError:
                pass
        stop.wait(5)
        for stream in held:
            stream.close()


def bombs(pod, stop):
    """Small bodies that unpack to large ones, while the upstream thinks."""
    body = gzip.compress(message(metadata={"pad": "p" * PAD}))
    own = headers(pod.key, content_encoding="gzip", x_think="20")
    held = []
    while not stop.is_set():
        try:
            stream = connect(pod.client)
            lines = "".join(f"{name}: {value}\r\n" for name, value in own.items())
            stream.sendall(f"POST /v1/messages HTTP/1.1\r\nhost: a\r\n{lines}content-length: {len(body)}\r\n\r\n".encode() + body)
            held.append(stream)
        except OSError:
            pass
        if len(held) > 40:
            held.pop(0).close()
        time.sleep(0.05)


def unfinished_batches(pod, stop):
    """Batches of 250 MB whose last byte never comes."""
    while not stop.is_set():
        try:
            stream = connect(pod.client, timeout=5)
            lines = "".join(f"{name}: {value}\r\n" for name, value in headers(pod.key).items())
            stream.sendall(f"POST /v1/messages/batches HTTP/1.1\r\nhost: a\r\n{lines}content-length: 250000000\r\n\r\n".encode())
            for _ in range(238):
                stream.sendall(b" " * (1 << 20))
            stop.wait(10)
            stream.close()
        except OSError:
            stop.wait(0.1)


def rebound_pages(pod, stop):
    """A web page at an operator's desk, whose name leads to the admin pages. An answer of 200 is a breach."""
    asked = [(method, page) for method in ("GET", "POST", "DELETE") for page in ("/budgets", "/keys", "/upstreams", "/plugins", "/config", "/metrics")]
    own = {"host": "evil.example:8788", "sec-fetch-site": "cross-site"}
    while not stop.is_set():
        for method, page in asked:
            if exchange(pod.admin, method, page, own) == 200:
                pod.breaches.put(f"{method} {page} was answered to a page of another origin")
        time.sleep(0.02)


def admin_heads(pod, stop):
    """Heads that trickle in at the admin port, forty connections a client."""
    held = []
    while not stop.is_set():
        if len(held) < 40:
            try:
                stream = connect(pod.admin, timeout=2)
                stream.sendall(b"GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\n")
                held.append(stream)
            except OSError:
                stop.wait(0.1)
            continue
        for stream in list(held):
            try:
                stream.sendall(b"x")
            except OSError:
                held.remove(stream)
        stop.wait(0.5)


ALL = [oversized, refused_receipts, packed_names, unfinished_heads, bombs, unfinished_batches, rebound_pages, admin_heads]
