"""The plugin of this folder's README in Python."""

import json

from componentize_py_types import Err
from wit_world import exports
from wit_world.exports.lifecycle import Problem
from wit_world.imports import settings
from wit_world.imports.types import Envelope, Plan, Refusal, Request, Target, UpstreamStats

# What `configure` read. It is set before any other call.
wanted: dict = {}


class Lifecycle(exports.Lifecycle):
    def configure(self) -> None:
        found = json.loads(settings.json())
        problems = []
        for name in ("cheap_model", "blocked_prefix"):
            if not isinstance(found.get(name), str):
                problems.append(Problem(name, "a text is needed"))
        # In Python `True` is an int as well.
        limit = found.get("max_prompt_tokens")
        if type(limit) is not int or limit < 0:
            problems.append(Problem("max_prompt_tokens", "a whole number is needed, 0 or more"))
        if problems:
            raise Err(problems)
        wanted.update(found)


class Route(exports.Route):
    def decide(self, request: Request, envelope: Envelope, upstreams: list[UpstreamStats]) -> Plan | None:
        head = request.head()
        if head.model is None:
            return None
        if head.model.startswith(wanted["blocked_prefix"]):
            message = f"the model {head.model} is not for this gateway's callers"
            raise Err(Refusal(403, "permission_error", message, None, []))
        if head.prompt_tokens < wanted["max_prompt_tokens"]:
            target = Target("default", wanted["cheap_model"], None, [])
            return Plan("small", [target], [], [])
        return None
