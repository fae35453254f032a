"""An audit hook in Python: hashes the users on receipts, drops addresses, and marks refusals by a policy."""

import json

from componentize_py_types import Err
from wit_world import exports
from wit_world.exports.audit import Edits, Hashing, ReceiptEdit_Drop, ReceiptEdit_Hash, ReceiptEdit_Set
from wit_world.exports.lifecycle import Configured, Problem
from wit_world.imports import receipts, settings
from wit_world.imports.types import Field, Value_Flag, Value_Text

# The edits of every receipt. The host calls `configure` before the hook.
always: list = []


class Lifecycle(exports.Lifecycle):
    def configure(self) -> Configured:
        key = json.loads(settings.json()).get("hash_key")
        if not isinstance(key, str):
            raise Err([Problem("hash_key", "must be a string")])
        always.append(ReceiptEdit_Hash(Hashing(["user", "metadata.*"], key)))
        always.append(ReceiptEdit_Drop(["client.*"]))
        return Configured(interests=[], content=[], correlation_header=None, windows=[], dialect=None)


class Audit(exports.Audit):
    def edit(self, count: int) -> list[Edits] | None:
        edits = [Edits(None, always)]
        for receipt in range(count):
            if receipts.get_field(receipt, "refusal.blame") == Value_Text("policy"):
                mark = ReceiptEdit_Set(Field("review", Value_Flag(True)))
                edits.append(Edits(receipt, [mark]))
        return edits
