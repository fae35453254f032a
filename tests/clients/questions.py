"""DuckDB asked what docs/usage.md shows, over receipts of a gateway in all the forms that their files have."""

import json
import re
import struct
import subprocess

# Runs in the environment of the Python clients, whose packages it needs.
ASK = """
import json, sys, duckdb
blocks, folder = json.load(sys.stdin)
connection = duckdb.connect()
answers = []
for block in blocks:
    for statement in duckdb.extract_statements(block):
        answer = connection.execute(statement)
    answers.append([list(map(str, row)) for row in answer.fetchall()] if answer.description else [])
print(json.dumps(answers))
"""


def documented(repo):
    """The SQL of the page, a text for each block."""
    page = (repo / "docs/usage.md").read_text()
    return re.findall(r"```sql\n(.*?)```", page, re.DOTALL)


def zstd(data, block=100_000):
    """A frame of Zstandard whose blocks are stored as they are, which needs no library."""
    frame = struct.pack("<IBQ", 0xFD2FB528, 0xE0, len(data))
    for at in range(0, max(len(data), 1), block):
        part = data[at : at + block]
        is_last = at + block >= len(data)
        frame += (is_last | len(part) << 3).to_bytes(3, "little") + part
    return frame


def sealed(path, text):
    """A closed segment as the gateway leaves it: compressed, with a seal that decoders skip."""
    seal = "witgate-seal 1.1 " + "0" * 64
    path.write_bytes(zstd(text.encode()) + struct.pack("<II", 0x184D2A50, 128) + seal.ljust(128).encode())


def spread(receipts, folder):
    """The receipts in a file of each form, with what is no receipt beside them."""
    lines = [json.dumps(receipt) + "\n" for receipt in receipts]
    parts = ["".join(lines[number::4]) for number in range(4)]
    (folder / "receipts.jsonl.1").write_text(parts[0])
    sealed(folder / "receipts.jsonl.000001.zst", parts[1])
    (folder / "receipts.jsonl.000002").write_text(parts[2])
    (folder / "receipts.jsonl").write_text(parts[3] + '{"id":"cut')
    # Compressed a moment ago, being compressed, and written anew.
    (folder / "receipts.jsonl.000001").write_text(parts[1])
    (folder / "receipts.jsonl.000002.zst.unfinished").write_bytes(b"\x28\xb5\x2f\xfd")
    sealed(folder / "receipts.jsonl.000001.zst.rewritten", parts[1])


def problem(receipts, python, repo, folder, environment):
    """What is wrong with the answers, if anything."""
    folder = folder / "questions"
    folder.mkdir()
    spread(receipts, folder)
    blocks = documented(repo)
    # The sums of everything, to compare with.
    blocks.append("SELECT count(*), sum(cost_picousd) FROM receipts")
    asked = json.dumps([blocks, str(folder)])
    done = subprocess.run(
        [python, "-c", ASK], input=asked, cwd=folder, env=environment, capture_output=True, text=True
    )
    if done.returncode != 0:
        return done.stderr[-2000:]
    _, dearest, hours, teams, [[count, cost]] = json.loads(done.stdout)
    costs = [receipt.get("cost_picousd", 0) for receipt in receipts]
    answered = [it for it in receipts if it.get("endpoint") == "messages" and it["outcome"] == "answered"]
    checks = {
        f"{count} receipts of {len(receipts)}": int(count) == len(receipts),
        f"{cost} pico-USD of {sum(costs)}": int(cost) == sum(costs),
        f"the dearest is {dearest[:1]}, and not {max(costs)}": abs(float(dearest[0][3]) * 1e12 - max(costs)) < 1,
        f"the hours are {hours}": abs(sum(float(row[2]) for row in hours if row[2] != "None") * 1e12 - sum(costs)) < 1000,
        f"the teams are {teams}": sum(int(row[1]) for row in teams) == len(answered),
    }
    return "; ".join(told for told, is_right in checks.items() if not is_right) or None


def results(receipts, python, repo, folder, environment):
    """The checks, each with what is wrong with it."""
    flat = [receipt for list_of_one in receipts.values() for receipt in list_of_one]
    return [("duckdb: the questions of docs/usage.md", problem(flat, python, repo, folder, environment))]
