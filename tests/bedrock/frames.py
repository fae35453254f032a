"""Frames of an event stream as Bedrock sends them, by AWS's description."""

import base64, json, struct, zlib


def frame(headers, payload):
    block = b"".join(
        bytes([len(name)]) + name.encode() + b"\x07" + struct.pack(">H", len(value)) + value.encode()
        for name, value in headers.items())
    prelude = struct.pack(">II", 16 + len(block) + len(payload), len(block))
    data = prelude + struct.pack(">I", zlib.crc32(prelude)) + block + payload
    return data + struct.pack(">I", zlib.crc32(data))


def chunk(event):
    encoded = base64.b64encode(json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()).decode()
    payload = json.dumps({"bytes": encoded, "p": "abcdefghijk"}).encode()
    return frame({":event-type": "chunk", ":content-type": "application/json", ":message-type": "event"}, payload)
