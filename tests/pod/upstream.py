"""An upstream that answers messages at once, and thinks for as long as the header `x-think` says."""

import asyncio
import json
import re

MESSAGE = json.dumps({
    "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-haiku-4-5",
    "content": [{"type": "text", "text": "Hello!"}], "stop_reason": "end_turn", "stop_sequence": None,
    "usage": {"input_tokens": 10, "output_tokens": 3},
}).encode()


async def _serve(reader, writer):
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
            length = re.search(r"content-length: (\d+)", head)
            left = int(length[1]) if length else 0
            while left:
                left -= len(await reader.read(min(left, 1 << 16))) or left
            think = re.search(r"x-think: (\d+)", head)
            if think:
                await asyncio.sleep(int(think[1]))
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(MESSAGE))
            writer.write(MESSAGE)
            await writer.drain()
    except (OSError, asyncio.IncompleteReadError):
        pass
    finally:
        writer.close()


async def _listen(ports):
    server = await asyncio.start_server(_serve, "127.0.0.1", 0)
    ports.send(server.sockets[0].getsockname()[1])
    await server.serve_forever()


def serve(ports):
    """Serves for ever; the port goes to `ports`."""
    asyncio.run(_listen(ports))
