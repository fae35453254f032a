"""Claude Code and its helpers on several credentials of one upstream, each good for so many answers."""

import scripted
from clouds import Bedrock
from sessions import GROUP, Run, attempts, troubled, wrong_receipts

# Together just what the session takes, wherever its conversations begin: all of them are used up.
LIMITS = {"small": 4, "middle": 6, "large": scripted.TURNS - 10}


def refused(run, like):
    """What the client saw of a limit, if anything, or what was left although it was needed."""
    left = {key: run.api.limits[secret] - run.api.used[secret] for key, secret in run.keys.items()}
    return troubled(run, like) or (f"this is left: {left}" if any(left.values()) else None)


def restless(run):
    """The conversation that came back to a key, or whose receipts do not tell of a move, if there is one."""
    used = {}
    for receipt in run.receipts:
        own = used.setdefault(receipt.get("agent", "the main task"), [])
        for attempt in attempts(receipt):
            key = attempt.get("credential")
            moved_from = own[-1] if own and own[-1] != key else None
            if key is None or moved_from != attempt.get("moved_from"):
                return f"a conversation used {own}, and then {attempt}"
            if moved_from or not own:
                own.append(key)
    for whose, own in used.items():
        if len(set(own)) != len(own):
            return f"{whose} came back: {own}"
    return None if len(used) == 1 + scripted.HELPERS else f"the conversations are {list(used)}"


def miscounted(run):
    """Where the receipts and the upstream disagree about what a credential was used for, if they do."""
    all_attempts = [attempt for receipt in run.receipts for attempt in attempts(receipt)]
    for key, secret in run.keys.items():
        statuses = [attempt["status"] for attempt in all_attempts if attempt.get("credential") == key]
        counted = run.api.used[secret], run.api.refused[secret]
        if (statuses.count(200), statuses.count(429)) != counted or len(statuses) != sum(counted):
            return f"{key} has {counted} answers and refusals, and receipts {statuses}"
    return None


def gone_on(run, like):
    """What is wrong with a session that went on at a cloud once all keys were used up, if anything."""
    served = [provider for _, provider in run.session.answers.values()]
    if served.count("anthropic") != sum(run.api.limits.values()):
        return f"the answers are of {served}"
    return refused(run, like) or wrong_receipts(run)


def results(like, tools):
    """A name for each check and what is wrong with it, if anything. `like` is a session that one credential served."""
    run = Run(tools, "pool", limits=LIMITS)
    over = Run(tools, "pool-over", "all", Bedrock, GROUP.format("true"), {key: LIMITS[key] for key in ("small", "middle")})
    checks = {
        "no 429 reaches the client while a key has room": refused(run, like),
        "a conversation leaves a key once, and does not come back": restless(run),
        "receipts have usage and cost": wrong_receipts(run),
        "receipts name the key of each attempt": miscounted(run),
        "a session goes on at the next upstream once all keys are used up": gone_on(over, like),
        "no key is told by log, receipts, pages or answers": run.leaked or over.leaked,
        "its gateways end at SIGTERM": run.ends or over.ends,
    }
    return [(f"claude code, pool: {name}", why) for name, why in checks.items()]
