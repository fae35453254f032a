"""The plugin of plugins/languages/README.md in Python."""

import json

from componentize_py_types import Err
from wit_world import exports
from wit_world.exports.lifecycle import Configured, Hook, Interest, Problem
from wit_world.imports import context, request, settings
from wit_world.imports.types import EndpointCode_Messages, Plan, Refusal, Target

# The settings. The host calls `configure` before any hook.
wanted: dict = {}


class Lifecycle(exports.Lifecycle):
    def configure(self) -> Configured:
        found = json.loads(settings.json())
        problems = []
        for name in ("cheap_model", "blocked_prefix"):
            if not isinstance(found.get(name), str):
                problems.append(Problem(name, "must be a string"))
        # `True` is an int, too.
        limit = found.get("max_prompt_tokens")
        if type(limit) is not int or limit < 0:
            problems.append(Problem("max_prompt_tokens", "must be a whole number, 0 or more"))
        if problems:
            raise Err(problems)
        wanted.update(found)
        # The host does not call `decide` for other endpoints. All members have to be given.
        messages = Interest(
            hook=Hook.ROUTE,
            endpoints=[EndpointCode_Messages()],
            except_endpoints=None,
            models=None,
            headers=None,
            tiers=None,
            attributes=None,
            secondary_index=False,
            members=None,
        )
        return Configured(interests=[messages], content=[], correlation_header=None, windows=[], dialect=None)


class Route(exports.Route):
    def decide(self) -> Plan | None:
        if context.resource() is not None:
            return None
        head = request.head()
        if head.model is None:
            return None
        if head.model.startswith(wanted["blocked_prefix"]):
            message = f"the model {head.model} is not for this gateway's callers"
            raise Err(Refusal(403, "permission_error", message, None, []))
        if head.prompt_tokens < wanted["max_prompt_tokens"]:
            target = Target("default", wanted["cheap_model"], None, [], [])
            return Plan(
                rule="small",
                targets=[target],
                retry_on=None,
                retries=None,
                on_disconnect=None,
                resource=None,
                attributes=[],
            )
        return None
