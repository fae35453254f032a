"""Plain HTTP: the credential in each of the headers that clients have used for it, and one that is not known."""

import http.client
import json
import os
import urllib.parse

from checks import CORRELATION_ID, MODEL, answered, check, expect, expect_echo

ADDRESS = urllib.parse.urlsplit(os.environ["ANTHROPIC_BASE_URL"]).netloc
KEY = os.environ["ANTHROPIC_API_KEY"]


def ask(headers, **members):
    """Status, headers and body of the answer to a message."""
    body = {"model": MODEL, "max_tokens": 100, "messages": [{"role": "user", "content": "Hello!"}]} | members
    always = {"content-type": "application/json", "anthropic-version": "2023-06-01"}
    connection = http.client.HTTPConnection(ADDRESS, timeout=30)
    connection.request("POST", "/v1/messages", json.dumps(body), always | headers)
    response = connection.getresponse()
    return response.status, response.headers, json.loads(response.read())


def message(correlation_id, headers, **members):
    status, answer, body = ask(headers, **members)
    expect(status == 200, f"status {status}: {body}")
    expect_echo(answer, correlation_id)
    return [answered(body["usage"], body["stop_reason"])]


def key_in_x_api_key(correlation_id):
    return message(correlation_id, {"x-api-key": KEY, CORRELATION_ID: correlation_id})


def key_as_bearer_token(correlation_id):
    return message(correlation_id, {"authorization": f"Bearer {KEY}", CORRELATION_ID: correlation_id})


def vmx_member_of_the_body(correlation_id):
    vmx = {"correlationId": correlation_id, "metadata": {"team": "blue"}}
    return [receipt | {"metadata": {"team": "blue"}} for receipt in message(correlation_id, {"x-api-key": KEY}, vmx=vmx)]


def unknown_key(correlation_id):
    status, answer, body = ask({"x-api-key": "wgk-0", CORRELATION_ID: correlation_id})
    expect(status == 401, f"status {status}: {body}")
    expect(body["error"]["type"] == "authentication_error", f"not the API's shape: {body}")
    expect(answer["x-should-retry"] == "false", "the client is not told that another try is useless")
    return []


check("key in x-api-key", key_in_x_api_key)
check("key as bearer token", key_as_bearer_token)
check("vmx member of the body", vmx_member_of_the_body)
check("unknown key is refused", unknown_key)
