"""Writes table.json beside this file: usages of every model with their costs, computed from prices.json with whole
numbers and fractions alone, and with no code of the gateway.

    python3 host/messages/tests/promises/prices/table.py
"""

import json
from fractions import Fraction
from pathlib import Path

HERE = Path(__file__).parent
BOOK = json.loads((HERE / "../../../prices.json").read_text(), parse_float=Fraction, parse_int=Fraction)
KINDS = ["input", "output", "cache_write_5m", "cache_write_1h", "cache_read"]


def band(prices, tokens):
    """The prices of the band that a prompt of so many tokens falls into."""
    prompt = tokens["input"] + tokens["cache_write_5m"] + tokens["cache_write_1h"] + tokens["cache_read"]
    long = prices.get("long_prompt")
    return long if long and prompt > long["above_prompt_tokens"] else prices


def cost(entries, searches=0, geo=None, batch=False, multiplier=Fraction(1)):
    """Pico-USD, rounded up once: entries are pairs of prices and tokens."""
    usd = sum(
        (band(prices, tokens)[kind] * tokens[kind] / 10**6 for prices, tokens in entries for kind in KINDS),
        Fraction(0),
    )
    usd *= multiplier
    if geo == "us":
        usd *= BOOK["inference_geo_us_multiplier"]
    if batch:
        usd *= BOOK["batch_multiplier"]
    pico = usd * 10**12
    whole = -(-pico.numerator // pico.denominator)
    extra = BOOK["web_search_usd_per_1000"] * searches / 1000 * 10**12
    assert extra.denominator == 1
    return whole + extra.numerator


def tokens(i=0, o=0, w5=0, w1=0, r=0):
    return {"input": i, "output": o, "cache_write_5m": w5, "cache_write_1h": w1, "cache_read": r}


def wire(t):
    """The tokens as the API reports them."""
    return {
        "input_tokens": t["input"],
        "output_tokens": t["output"],
        "cache_read_input_tokens": t["cache_read"],
        "cache_creation_input_tokens": t["cache_write_5m"] + t["cache_write_1h"],
        "cache_creation": {
            "ephemeral_5m_input_tokens": t["cache_write_5m"],
            "ephemeral_1h_input_tokens": t["cache_write_1h"],
        },
    }


def plus(a, b):
    return {kind: a[kind] + b[kind] for kind in KINDS}


rows = []


def row(name, model, usage, picousd, multiplier=None):
    rows.append({"name": name, "model": model, "usage": usage, "picousd": picousd, "multiplier": multiplier})


for place, model in enumerate(BOOK["models"]):
    standard, fast = model["usd_per_mtok"], model.get("fast_usd_per_mtok")
    other = BOOK["models"][(place + 1) % len(BOOK["models"])]
    small = tokens(1234, 567, 89, 1011, 1213)
    for id in sorted({model["id"], model["api_id"]}):
        row("all kinds", id, wire(small), cost([(standard, small)]))
    for kind in KINDS:
        one = tokens()
        one[kind] = 1
        row(f"one {kind}", model["id"], wire(one), cost([(standard, one)]))
    limit = standard.get("long_prompt", {}).get("above_prompt_tokens")
    for prompt in [limit, limit + 1] if limit else [1_000_000]:
        long = tokens(int(prompt) - 30, 7, 5, 10, 15)
        row(f"a prompt of {prompt}", model["id"], wire(long), cost([(standard, long)]))
    if fast:
        row("fast", model["id"], wire(small) | {"speed": "fast"}, cost([(fast, small)]))
    odd = tokens(3, 1, 1, 0, 7)
    row("US", model["id"], wire(odd) | {"inference_geo": "us"}, cost([(standard, odd)], geo="us"))
    row("batch", model["id"], wire(odd) | {"service_tier": "batch"}, cost([(standard, odd)], batch=True))
    row(
        "US batch with searches",
        model["id"],
        wire(odd) | {"service_tier": "batch", "inference_geo": "us", "server_tool_use": {"web_search_requests": 3}},
        cost([(standard, odd)], searches=3, geo="us", batch=True),
    )
    for text in ["0.85", "1.000001", "0", "0.333333"]:
        row(f"times {text}", model["id"], wire(odd), cost([(standard, odd)], multiplier=Fraction(text)), text)
    first, second = tokens(60_000, 11, 1, 2, 3), tokens(50_000, 12, 4, 5, 6)
    both = [{"type": "message"} | wire(first), {"type": "message"} | wire(second)]
    row(
        "two iterations",
        model["id"],
        wire(plus(first, second)) | {"iterations": both},
        cost([(standard, first), (standard, second)]),
    )
    fallback = [both[0], {"type": "fallback_message", "model": other["id"]} | wire(second)]
    row(
        f"a fallback to {other['id']}",
        model["id"],
        wire(plus(first, second)) | {"iterations": fallback},
        cost([(standard, first), (other["usd_per_mtok"], second)]),
    )
    compaction = [{"type": "compaction"} | wire(second), both[0]]
    row(
        "a compaction on top",
        model["id"],
        wire(first) | {"iterations": compaction},
        cost([(standard, first), (standard, second)]),
    )
    advised = [both[0], {"type": "advisor_message", "model": other["id"]} | wire(second)]
    row(
        "an advisor on top",
        model["id"],
        wire(first) | {"iterations": advised},
        cost([(standard, first), (other["usd_per_mtok"], second)]),
    )

lines = ",\n".join(json.dumps(entry, separators=(",", ":")) for entry in rows)
(HERE / "table.json").write_text(f"[\n{lines}\n]\n")
print(len(rows), "rows")
