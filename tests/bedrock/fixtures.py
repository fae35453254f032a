"""Writes host/bedrock/tests/fixtures: what botocore and Anthropic's SDK make of the same inputs.

    pip install 'anthropic[bedrock]==2.14.0' 'botocore==1.44.8'
    python tests/bedrock/fixtures.py FOLDER_OF_RECORDED_REQUESTS
"""

import base64, datetime, json, pathlib, shutil, sys
from unittest import mock

import httpx2
from anthropic import AnthropicBedrock
from anthropic.lib.bedrock._stream_decoder import AWSEventStreamDecoder
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.session import Session

from frames import chunk, frame

OUT = pathlib.Path(__file__).parents[2] / "host/bedrock/tests/fixtures"
REGION, TIME = "eu-central-1", datetime.datetime(2026, 11, 30, 12, 0, 0, tzinfo=datetime.timezone.utc)
ID, SECRET, SESSION = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "session/token+with=signs"
ARN = "arn:aws:bedrock:eu-central-1:123456789012:application-inference-profile/a1b2c3d4e5f6"
RECORDED = {
    "claude-code": "cc_text_01_POST_v1_messages",
    "structured": "cc_interactive_03_POST_v1_messages",
    "beta": "py1_04_POST_v1_messages",
    "plain": "py1_01_POST_v1_messages",
    "stream": "py1_02_POST_v1_messages",
}


def write(name, value):
    (OUT / name).write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n")


def sdk_requests():
    """What AnthropicBedrock sends for a body and its betas."""
    seen = []

    def answer(request):
        seen.append(request)
        return httpx2.Response(400, json={"message": "recorded"})

    client = AnthropicBedrock(
        aws_access_key=ID, aws_secret_key=SECRET, aws_region=REGION, max_retries=0,
        http_client=httpx2.Client(transport=httpx2.MockTransport(answer)),
    )
    base = {"max_tokens": 64, "messages": [{"role": "user", "content": "Grüße"}]}
    tool = {"name": "t", "description": "d", "input_schema": {"type": "object"}}
    cases = {
        "plain": ({**base, "model": "eu.anthropic.claude-opus-4-6-v1"}, None),
        "stream": ({**base, "model": "eu.anthropic.claude-sonnet-4-5-20250929-v1:0", "stream": True}, None),
        "tools": ({**base, "model": ARN, "tools": [tool], "system": "s"}, None),
        "beta": ({**base, "model": "anthropic.claude-sonnet-4-6"}, "context-1m-2025-08-07,interleaved-thinking-2025-05-14"),
    }
    rows = {}
    for name, (body, betas) in cases.items():
        try:
            client.post(
                "/v1/messages", body=dict(body), cast_to=object, stream=body.get("stream", False),
                options={"headers": {"anthropic-beta": betas}} if betas else {},
            )
        except Exception as error:
            assert "recorded" in str(error), error
        request = seen.pop()
        headers = {name: request.headers[name] for name in ("accept", "content-type")}
        rows[name] = {
            "given": json.dumps(body, ensure_ascii=False), "betas": betas, "method": request.method,
            "path": request.url.raw_path.decode(), "headers": headers, "body": request.read().decode(),
        }
    return rows


def botocore_requests():
    """Paths and bodies by botocore's own serializer."""
    client = Session().create_client("bedrock-runtime", region_name=REGION, aws_access_key_id=ID, aws_secret_access_key=SECRET)
    rows, body = [], '{"anthropic_version":"bedrock-2023-05-31","max_tokens":1,"messages":[]}'
    for operation, extra in [
        ("InvokeModel", {"body": body, "contentType": "application/json"}),
        ("InvokeModelWithResponseStream", {"body": body, "contentType": "application/json"}),
        ("CountTokens", {"input": {"invokeModel": {"body": body}}}),
    ]:
        for model in ["us.anthropic.claude-sonnet-4-5-20250929-v1:0", ARN]:
            request = client._serializer.serialize_to_request(
                {"modelId": model, **extra}, client.meta.service_model.operation_model(operation))
            sent = request["body"]
            rows.append({
                "operation": operation, "model": model, "method": request["method"], "path": request["url_path"],
                "body": sent.decode() if isinstance(sent, bytes) else sent,
            })
    return rows


def signatures():
    """Headers that botocore's signer adds, for fixed keys and a fixed time."""
    rows = []
    for path, body, session in [
        ("/model/eu.anthropic.claude-opus-4-6-v1/invoke", '{"max_tokens":1}', None),
        ("/model/eu.anthropic.claude-sonnet-4-5-20250929-v1%3A0/invoke-with-response-stream", '{"messages":[]}', SESSION),
        ("/model/arn%3Aaws%3Abedrock%3Aeu-central-1%3A123456789012%3Aapplication-inference-profile%2Fa1b2c3d4e5f6/invoke", "Grüße", SESSION),
    ]:
        host = f"bedrock-runtime.{REGION}.amazonaws.com"
        request = AWSRequest(
            "POST", f"https://{host}{path}", data=body.encode(),
            headers={"Content-Type": "application/json", "Accept": "application/json"})
        with mock.patch("botocore.auth.get_current_datetime", return_value=TIME.replace(tzinfo=None)):
            SigV4Auth(Credentials(ID, SECRET, session), "bedrock", REGION).add_auth(request)
        added = {name.lower(): value for name, value in request.headers.items() if name.lower().startswith(("auth", "x-amz"))}
        rows.append({"host": host, "path": path, "body": body, "session": session, "headers": added})
    return {"region": REGION, "time": int(TIME.timestamp()), "id": ID, "secret": SECRET, "rows": rows}


def stream(ending):
    """A stream as Bedrock frames it, and the events that the SDK's decoder, over botocore's, reads in it."""
    metrics = {"inputTokenCount": 11, "outputTokenCount": 2, "invocationLatency": 812, "firstByteLatency": 401}
    events = [
        {"type": "message_start", "message": {"id": "msg_bdrk_1", "type": "message", "role": "assistant", "content": [],
         "model": "claude-opus-4-6", "stop_reason": None, "usage": {"input_tokens": 11, "output_tokens": 1}}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Grüße 👋\n"}},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 2}},
        {"type": "message_stop", "amazon-bedrock-invocationMetrics": metrics},
    ]
    data = b"".join(map(chunk, events[: 3 if ending else None]))
    if ending:
        headers = {":exception-type": ending, ":content-type": "application/json", ":message-type": "exception"}
        data += frame(headers, json.dumps({"message": "Too many tokens, please wait"}).encode())
    read = [[event.event, event.data] for event in AWSEventStreamDecoder().iter_bytes(iter([data]))]
    return {"bytes": base64.b64encode(data).decode(), "events": read}


def main(recorded):
    OUT.mkdir(parents=True, exist_ok=True)
    write("sdk_requests.json", sdk_requests())
    write("botocore_requests.json", botocore_requests())
    write("signatures.json", signatures())
    write("streams.json", {"whole": stream(None), "throttled": stream("throttlingException")})
    betas = {}
    for name, file in RECORDED.items():
        head = json.loads((recorded / f"{file}.json").read_text())["headers"]
        betas[name] = [value for key, value in head if key.lower() == "anthropic-beta"]
        shutil.copyfile(recorded / f"{file}.body.json", OUT / f"recorded_{name}.json")
    write("recorded_betas.json", betas)


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
