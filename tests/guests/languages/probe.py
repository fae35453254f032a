"""Does what a guest better wouldn't, as the header `x-probe` says, and tells in the plan's rule how it went."""

# What is imported here is loaded when the component is built: there are no files later. The name service needs this one.
import encodings.idna
import os
import random
import socket
import sys
import time

from wit_world import exports
from wit_world.exports.lifecycle import Configured
from wit_world.imports import request, settings
from wit_world.imports.types import Plan, Target


class Lifecycle(exports.Lifecycle):
    def configure(self) -> Configured:
        print("getting ready")
        if "early" in settings.json():
            print(request.id())
        return Configured(interests=[], content=[], correlation_header=None, windows=[], dialect=None)


class Route(exports.Route):
    def decide(self) -> Plan | None:
        probe = request.header("x-probe")
        if probe is None:
            return None
        try:
            answer = PROBES[probe]()
        except (OSError, EOFError) as error:
            answer = type(error).__name__
        return Plan(answer, [Target("default", None, None, [], [])], None, None, None, None, [])


def print_lines() -> str:
    print("a whole line")
    print("to the other side", file=sys.stderr)
    print("half a line", end="", flush=True)
    return "printed"


def print_much() -> str:
    print("\n".join(f"line {number}" for number in range(250)))
    return "printed"


def fail() -> str:
    raise ValueError("it was the gardener")


def sleep() -> str:
    time.sleep(3600)
    return "slept"


def surroundings() -> str:
    return f"{len(os.environ)} {sys.argv[1:]}"


def clocks() -> str:
    return str(int(time.time())) if time.monotonic() > 0 else "no clock"


def numbers() -> str:
    return os.urandom(8).hex() + random.SystemRandom().randbytes(8).hex()


PROBES = {
    "print": print_lines,
    "print-much": print_much,
    "fail": fail,
    "exit": lambda: sys.exit(3),
    "end": lambda: os._exit(3),
    "read": lambda: input(),
    "file": lambda: open("/etc/hostname").read(),
    "write": lambda: str(open("/tmp/plugin", "w")),
    "socket": lambda: str(socket.create_connection(("127.0.0.1", 80))),
    "name": lambda: str(socket.getaddrinfo("localhost", 80)),
    "sleep": sleep,
    "surroundings": surroundings,
    "clocks": clocks,
    "numbers": numbers,
}
