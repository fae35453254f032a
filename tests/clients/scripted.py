"""A session of Claude Code in which the model thinks, runs tools, and has helpers that work at the same time.

What it says depends on the conversation alone, so that every upstream gives the same answers and the client can't tell which of them it
got one from. All but the signatures of thinking, which name the provider: an upstream takes those that are in the conversation only if
one of the session's upstreams made them. Each answer uses its own number of tokens.
"""

import base64
import json
import re
import threading

TASK = "Do the main task with helpers."
HELPERS = 6
MODEL = "claude-opus-5-5"
DONE = "All helpers have answered."
THOUGHT = "Let me think about the next step of {}."
# Three turns of the main task, and three of each helper.
TURNS = 3 + 3 * HELPERS


class Session:
    """One run of the session, which its upstreams share; `answers` has the usage and the provider of each answer by the message's id."""

    def __init__(self):
        self._all_ask = threading.Barrier(HELPERS)
        self._telling = threading.Lock()
        self.answers, self._signed = {}, {}
        self.is_parallel = True

    def refusal(self, body):
        """What a provider says of thinking in the conversation that was not signed as it is there."""
        for block in blocks(body, "assistant", "thinking"):
            if self._signed.get(block["signature"]) != block["thinking"]:
                return f"Invalid `signature` in `thinking` block: {block['signature']}"
        return None

    def answer(self, body, provider):
        """The message with which this provider answers. The first turns of the helpers wait for each other."""
        who, turn = place(body)
        if who != "main" and turn == 1:
            self._wait_for_all()
        content, stop = CONTENTS[who == "main", turn](who)
        usage = usage_of(who, turn)
        with self._telling:
            for block in (block for block in content if block["type"] == "thinking"):
                block["signature"] = base64.b64encode(f"signed by {provider}: {who}, {turn}".encode()).decode()
                self._signed[block["signature"]] = block["thinking"]
            self.answers[message_of(who, turn)] = usage, provider
        return {
            "id": message_of(who, turn), "type": "message", "role": "assistant", "model": MODEL, "content": content,
            "stop_reason": stop, "stop_sequence": None, "usage": usage,
        }

    def _wait_for_all(self):
        """Waits until every helper has asked once, for half a minute at most."""
        try:
            self._all_ask.wait(timeout=30)
        except threading.BrokenBarrierError:
            self.is_parallel = False


def blocks(body, role, kind):
    """The content blocks of that type in the messages of a role."""
    contents = [message["content"] for message in body["messages"] if message["role"] == role]
    return [block for content in contents if isinstance(content, list) for block in content if block["type"] == kind]


def place(body):
    """Whose conversation it is, and which turn: both are read from what the user's side says."""
    texts = json.dumps(body["messages"][: 1 + (body["messages"][0]["role"] != "user")])
    helper = re.search(r"You are (helper \d+)\.", texts)
    results = len(blocks(body, "user", "tool_result"))
    if helper:
        return helper[1], 1 + results
    if TASK not in texts:
        raise ValueError(f"no part of the script: {texts[:500]}")
    return "main", {0: 1, 1: 2, 1 + HELPERS: 3}[results]


def message_of(who, turn):
    """The id of the answer to a turn."""
    return f"msg_01{who.replace(' ', '')}turn{turn}"


def usage_of(who, turn):
    """The tokens of a turn, different from those of all others."""
    number = turn if who == "main" else 10 * int(who.split()[1]) + turn
    return {
        "input_tokens": 300 + number, "output_tokens": 20 + 3 * number, "cache_read_input_tokens": 2000 + 7 * number,
        "cache_creation_input_tokens": 900 + number,
        "cache_creation": {"ephemeral_5m_input_tokens": 500 + number, "ephemeral_1h_input_tokens": 400},
    }


def thinking(who):
    return {"type": "thinking", "thinking": THOUGHT.format(who), "signature": ""}


def text(said):
    return {"type": "text", "text": said}


def bash(who, mark):
    given = {"command": f"echo {who} was here {mark}", "description": "Leaves a mark"}
    return {"type": "tool_use", "id": f"toolu_01{who.replace(' ', '')}{mark}", "name": "Bash", "input": given}


def helpers():
    for number in range(1, 1 + HELPERS):
        given = {
            "description": f"Starts helper {number}", "prompt": f"You are helper {number}. Leave your mark.",
            "subagent_type": "general-purpose", "run_in_background": False,
        }
        yield {"type": "tool_use", "id": f"toolu_01start{number}", "name": "Agent", "input": given}


# By whether it is the main task, and the turn.
CONTENTS = {
    (True, 1): lambda who: ([thinking(who), text("I begin."), bash(who, "once")], "tool_use"),
    (True, 2): lambda who: ([thinking(who), *helpers()], "tool_use"),
    (True, 3): lambda who: ([thinking(who), text(DONE)], "end_turn"),
    (False, 1): lambda who: ([thinking(who), bash(who, "once")], "tool_use"),
    (False, 2): lambda who: ([bash(who, "twice")], "tool_use"),
    (False, 3): lambda who: ([text(f"Marks of {who} left.")], "end_turn"),
}


def events(message):
    """A message as the events of a stream."""
    usage = message["usage"] | {"output_tokens": 1}
    yield {"type": "message_start", "message": message | {"content": [], "stop_reason": None, "usage": usage}}
    for index, block in enumerate(message["content"]):
        start, deltas = PIECES[block["type"]](block)
        yield {"type": "content_block_start", "index": index, "content_block": start}
        for delta in deltas:
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    delta = {"stop_reason": message["stop_reason"], "stop_sequence": None}
    yield {"type": "message_delta", "delta": delta, "usage": message["usage"]}
    yield {"type": "message_stop"}


def halves(text):
    return text[: len(text) // 2], text[len(text) // 2 :]


# The start of a block, and its deltas.
PIECES = {
    "text": lambda block: (block | {"text": ""}, [{"type": "text_delta", "text": half} for half in halves(block["text"])]),
    "thinking": lambda block: (
        block | {"thinking": "", "signature": ""},
        [{"type": "thinking_delta", "thinking": half} for half in halves(block["thinking"])]
        + [{"type": "signature_delta", "signature": block["signature"]}],
    ),
    "tool_use": lambda block: (
        block | {"input": {}},
        [{"type": "input_json_delta", "partial_json": half} for half in halves(json.dumps(block["input"]))],
    ),
}
