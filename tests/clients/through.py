"""Claude Code through each kind of upstream: thinking, tools and helpers at the same time.

Each cloud serves a session alone, and takes one over that the API stops serving. The client has to see what it sees with the API, and each
receipt has to say who served, at which price, and what was left out on the way.
"""

import re
from concurrent.futures import ThreadPoolExecutor

from clouds import CLOUDS
from scripted import message_of, place
from served import THROTTLED
from sessions import GROUP, Run, attempts, troubled, wrong_receipts

# Members in which each dialect differs, whatever was left out.
OF_THE_DIALECT = {"model", "stream", "anthropic_version", "anthropic_beta"}


def alone(run, like):
    """What is wrong with a session of which the cloud served all, if anything."""
    return troubled(run, like) or (f"the API was asked {len(run.api.calls)} times" if run.api.calls else None)


def taken_over(run, like):
    """What is wrong with a session that the API stopped serving, if anything."""
    served = [provider for _, provider in run.session.answers.values()]
    if served.count("anthropic") != run.api.limits[run.keys["only"]] or len(set(served)) != 2:
        return f"the answers are of {served}"
    return troubled(run, like)


def told(run):
    """What is wrong with the end of a session that the API stopped serving and nobody else may go on with, if anything."""
    said = run.broken or str(run.last.get("result"))
    if run.code == 0 or "429" not in said or THROTTLED not in said:
        return f"exit code {run.code}, and the client is told: {said}"
    found = [(receipt["outcome"], [attempt["upstream"] for attempt in attempts(receipt)]) for receipt in run.receipts]
    if found != [("answered", ["default"]), ("upstream-error", ["default"])] or run.upstreams["cloud"].calls:
        return f"the receipts are {found}, and the cloud was asked {len(run.upstreams['cloud'].calls)} times"
    return None


def without(value, path):
    """A value without what a path of a receipt names, and without what becomes empty; `None` if nothing is left."""
    step, _, rest = path.partition(".")
    name, is_list, kind = re.fullmatch(r"(\w+)(\[(\w*)\])?", step).groups()
    inner = value.get(name)
    if is_list and isinstance(inner, list):
        kept = [it for it in inner if not kind or not it.get("type", "").startswith(kind)]
        inner = [without(it, rest) for it in kept] if rest else kept
    elif isinstance(inner, dict):
        inner = without(inner, rest) if rest else None
    elif not rest:
        inner = None
    return {other: inner if other == name else of for other, of in value.items() if other != name or inner} or None


def unnamed(call, ours, removed):
    """What is missing in a call of the cloud beside what a receipt names as removed, or is named and not missing, if anything."""
    betas = {beta for beta in ours.betas if beta not in call.betas}
    paths = [name for name in removed if name not in betas]
    strange = [name for name in paths if "-" in name] + [name for name in betas if name not in removed]
    if strange:
        return f"the betas {strange}"
    left = ours.body
    for path in paths:
        left = without(left, path)
    different = {name for name in {*left, *call.body} - OF_THE_DIALECT if left.get(name) != call.body.get(name)}
    return f"in {different}" if different else None


def misnamed(run):
    """The first receipt that does not name exactly what was left out on the way to the cloud, if there is one.

    The API was asked before the cloud, so it knows each request as the client made it.
    """
    asked = {place(call.body): call for call in run.api.calls}
    named = {receipt.get("message_id"): attempts(receipt)[-1].get("removed", "") for receipt in run.receipts}
    calls = run.upstreams["cloud"].calls
    for call in calls:
        ours, removed = asked.get(place(call.body)), named.get(message_of(*place(call.body)))
        if ours is None or removed is None:
            return f"of {place(call.body)}, there is no receipt, or the API was not asked first"
        wrong = unnamed(call, ours, [name for name in removed.split(", ") if name])
        if wrong:
            return f"of {place(call.body)}, the receipt names {removed!r}; wrong are {wrong}"
    return None if calls else "the cloud was asked nothing"


def judged(served, over, ended, like):
    """The checks of a cloud by its three runs, each with what is wrong."""
    return {
        "a session is that of the API": alone(served, like),
        "its receipts have usage, cost and provider": wrong_receipts(served),
        "a session goes on when the API throttles, and the client sees nothing": taken_over(over, like),
        "its receipts say who served, and at which price": wrong_receipts(over),
        "its receipts name exactly what was left out": misnamed(over),
        "without allow_provider_change the client is told the API's 429": told(ended),
        "no secret is told by log, receipts, pages or answers": served.leaked or over.leaked or ended.leaked,
        "its gateways end at SIGTERM": served.ends or over.ends or ended.ends,
    }


def results(like, tools):
    """A name for each check and what is wrong with it, if anything. `like` is a session that the API served."""
    yield "claude code, api: a session with helpers is served", troubled(like) or wrong_receipts(like) or like.leaked or like.ends
    with ThreadPoolExecutor(max_workers=2) as at_once:
        runs = {
            cloud.provider: [
                at_once.submit(Run, tools, f"{cloud.provider}-alone", "cloud", cloud),
                at_once.submit(Run, tools, f"{cloud.provider}-over", "all", cloud, GROUP.format("true"), {"only": 4}),
                at_once.submit(Run, tools, f"{cloud.provider}-ended", "all", cloud, GROUP.format("false"), {"only": 1}),
            ]
            for cloud in CLOUDS
        }
    for provider, of_cloud in runs.items():
        for name, why in judged(*(run.result() for run in of_cloud), like).items():
            yield f"claude code, {provider}: {name}", why
