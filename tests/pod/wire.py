"""HTTP/1.1 for attackers, who write what no library would, and for neighbours, who do not."""

import http.client
import json
import socket

MODEL = "claude-haiku-4-5"


def connect(address, timeout=30):
    """A connected socket."""
    host, port = address.rsplit(":", 1)
    return socket.create_connection((host, int(port)), timeout=timeout)


def exchange(address, method, path, headers, body=b"", timeout=30):
    """Sends one request on a connection of its own and returns the status of its answer, or None if there is none."""
    connection = http.client.HTTPConnection(address, timeout=timeout)
    try:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        answer.read()
        return answer.status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def message(**members):
    """The body of a small message."""
    body = {"model": MODEL, "max_tokens": 16, "messages": [{"role": "user", "content": "Hello!"}]}
    return json.dumps(body | members).encode()


def headers(key, **more):
    """The headers of a message; underscores in names stand for hyphens."""
    always = {"content-type": "application/json", "anthropic-version": "2023-06-01", "x-api-key": key}
    return always | {name.replace("_", "-"): value for name, value in more.items()}
