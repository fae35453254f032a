"""Claude Code, as `claude -p` in an empty folder with an empty home. Whatever goes elsewhere is caught."""

import claude_cli
from checks import CORRELATION_ID, check, expect


def claude(correlation_id, *arguments):
    """The events that it prints; the last is its result."""
    done, events = claude_cli.run({CORRELATION_ID: correlation_id}, {"CLAUDE_CODE_MAX_RETRIES": "0"}, *arguments)
    said = events[-1].get("result") if events else done.stdout
    expect(done.returncode == 0, f"exit code {done.returncode}: {said} {done.stderr}")
    return events


def blocks(events, kind):
    """The content blocks of that type in the messages of both sides."""
    messages = [event["message"]["content"] for event in events if event["type"] in ("assistant", "user")]
    return [block for content in messages for block in content if block["type"] == kind]


def receipts(result, stop_reasons):
    """One receipt for each request. Together they cost what Claude Code says that it cost."""
    expect(result["num_turns"] == len(stop_reasons), f"took {result['num_turns']} turns")
    session = {"endpoint": "messages", "session": result["session_id"]}
    due = [session | {"stop_reason": stop_reason} for stop_reason in stop_reasons]
    due[0]["total_cost_usd"] = result["total_cost_usd"]
    return due


def say_hi(correlation_id):
    result = claude(correlation_id, "say hi")[-1]
    expect(result["subtype"] == "success" and "say hi" in result["result"], f"ended with {result}")
    return receipts(result, ["end_turn"])


def bash_round(correlation_id):
    events = claude(correlation_id, "use bash to run echo hi", "--allowedTools", "Bash")
    used = [(block["name"], block["input"].get("command")) for block in blocks(events, "tool_use")]
    expect(used == [("Bash", "echo hi")], f"used {used}")
    results = [(block["content"], block.get("is_error", False)) for block in blocks(events, "tool_result")]
    expect(results == [("hi", False)], f"the tool gave {results}")
    expect("The tool answered: hi" in events[-1]["result"], f"ended with {events[-1]}")
    return receipts(events[-1], ["tool_use", "end_turn"])


def nothing_elsewhere(_):
    try:
        connection, _ = claude_cli.ELSEWHERE.accept()
    except BlockingIOError:
        return []
    connection.setblocking(True)
    raise AssertionError(f"it also asked for {connection.recv(200)!r}")


check("claude -p", say_hi)
check("Bash round", bash_round)
check("nothing goes elsewhere", nothing_elsewhere)
