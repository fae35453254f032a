"""Writes the fixtures of host/vertex and host/foundry: what Anthropic's clients and Google's and Microsoft's libraries make of the same inputs.

    pip install 'anthropic[vertex]==2.14.0' 'google-auth==2.63.0' 'azure-identity==1.27.0' 'cryptography==50.0.2' requests
    npm install @anthropic-ai/sdk@1.14.0 @anthropic-ai/vertex-sdk@1.1.3 @anthropic-ai/foundry-sdk@1.1.1
    python tests/clouds/fixtures.py FOLDER_WITH_NODE_MODULES
"""

import datetime, json, pathlib, subprocess, sys
from unittest import mock
from urllib.parse import parse_qsl

import google.auth._helpers
import google.auth.compute_engine._metadata as metadata
import httpx2
from anthropic import AnthropicFoundry, AnthropicVertex
from azure.core.pipeline.transport import HttpResponse, HttpTransport
from azure.identity import ClientSecretCredential, ManagedIdentityCredential, WorkloadIdentityCredential
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from google.auth import identity_pool
from google.oauth2 import credentials as user_credentials, service_account

HERE = pathlib.Path(__file__).parent
ROOM = HERE.parents[1] / "host"
NOW = datetime.datetime(2026, 11, 30, 12, 0, 0)
SCOPE = "https://www.googleapis.com/auth/cloud-platform"
BASE = {"max_tokens": 64, "messages": [{"role": "user", "content": "Grüße"}]}
TOOL = {"name": "t", "description": "d", "input_schema": {"type": "object"}}
BETAS = "context-1m-2025-08-07,interleaved-thinking-2025-05-14"
CASES = [
    {"cloud": "vertex", "location": "global", "name": "global", "body": {**BASE, "model": "claude-opus-4-6"}},
    {"cloud": "vertex", "location": "us", "name": "us", "body": {**BASE, "model": "claude-opus-5"}},
    {"cloud": "vertex", "location": "eu", "name": "eu", "body": {**BASE, "model": "claude-opus-5"}},
    {"cloud": "vertex", "location": "europe-west1", "name": "stream", "body": {**BASE, "model": "claude-sonnet-4-5@20250929", "stream": True}},
    {"cloud": "vertex", "location": "us-east5", "name": "beta", "body": {**BASE, "model": "claude-sonnet-4-6", "tools": [TOOL]}, "betas": BETAS},
    {"cloud": "vertex", "location": "global", "name": "count", "asked": "count",
     "body": {"model": "claude-sonnet-4-6", "messages": BASE["messages"]}},
    {"cloud": "foundry", "name": "plain", "body": {**BASE, "model": "claude-opus-4-6"}},
    {"cloud": "foundry", "name": "stream", "body": {**BASE, "model": "our-deployment", "stream": True}},
    {"cloud": "foundry", "name": "beta", "body": {**BASE, "model": "claude-sonnet-4-6", "tools": [TOOL]}, "betas": BETAS},
    {"cloud": "foundry", "name": "count", "asked": "count", "body": {"model": "claude-sonnet-4-6", "messages": BASE["messages"]}},
]
KEPT = ("accept", "content-type", "anthropic-version", "anthropic-beta", "authorization", "x-api-key", "api-key")


def write(cloud, name, value):
    path = ROOM / cloud / "tests/fixtures" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n")


def python_client(case):
    """What Anthropic's Python client sends."""
    seen = []

    def answer(request):
        seen.append(request)
        return httpx2.Response(400, json={"error": {"message": "recorded"}})

    transport = httpx2.Client(transport=httpx2.MockTransport(answer))
    if case["cloud"] == "vertex":
        client = AnthropicVertex(region=case["location"], project_id="my-project", access_token="a-token", max_retries=0, http_client=transport)
    else:
        client = AnthropicFoundry(resource="my-resource", api_key="a-key", max_retries=0, http_client=transport)
    path = "/v1/messages/count_tokens" if case.get("asked") == "count" else "/v1/messages"
    options = {"headers": {"anthropic-beta": case["betas"]}} if "betas" in case else {}
    try:
        client.post(path, body=dict(case["body"]), cast_to=object, stream=case["body"].get("stream", False), options=options)
    except Exception as error:
        assert "recorded" in str(error), error
    request = seen.pop()
    return {"cloud": case["cloud"], "name": case["name"], "url": str(request.url), "method": request.method,
            "headers": dict(request.headers), "body": request.read().decode()}


def clients(modules):
    """The requests of both clients, beside what they were given."""
    ran = subprocess.run(["node", HERE / "typescript.mjs", modules], input=json.dumps(CASES), capture_output=True, text=True, check=True)
    for cloud in ("vertex", "foundry"):
        rows = []
        for case, theirs in zip(CASES, json.loads(ran.stdout)):
            if case["cloud"] == cloud:
                for client, sent in (("python", python_client(case)), ("typescript", theirs)):
                    headers = {name: sent["headers"][name] for name in KEPT if name in sent["headers"]}
                    rows.append({
                        "client": client, "name": case["name"], "location": case.get("location"), "betas": case.get("betas"),
                        "given": json.dumps(case["body"], ensure_ascii=False), "count": case.get("asked") == "count",
                        "method": sent["method"], "url": sent["url"], "headers": headers, "body": sent["body"],
                    })
        write(cloud, "clients.json", rows)


def ask(recorded, answer):
    """A transport of google-auth that records what it is asked."""

    def request(url, method="GET", body=None, headers=None, **_):
        text = body.decode() if isinstance(body, bytes) else body
        recorded.append({"method": method, "url": url, "body": text,
                         "headers": {k.lower(): v for k, v in (headers or {}).items() if k.lower() != "x-goog-api-client"}})
        data = answer(url)
        return mock.Mock(status=200, data=json.dumps(data).encode(), headers={"content-type": "application/json", "metadata-flavor": "Google"})

    return request


def fields(question):
    """A question with its form as pairs."""
    body = question["body"] or ""
    question["form"] = [] if body.startswith("{") else parse_qsl(body, keep_blank_values=True)
    return question


def google_questions():
    """What google-auth asks for tokens, for a fixed key and time."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode()
    account = {
        "type": "service_account", "project_id": "my-project", "private_key_id": "key-1", "private_key": pem,
        "client_email": "gate@my-project.iam.gserviceaccount.com", "token_uri": "https://oauth2.googleapis.com/token",
    }
    user = {"type": "authorized_user", "client_id": "id.apps", "client_secret": "se/cret", "refresh_token": "1//re+fresh", "quota_project_id": "bill-me"}
    pool = "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/q"
    external = {
        "type": "external_account", "audience": pool, "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": "https://sts.googleapis.com/v1/token", "credential_source": {"file": "/tmp/subject"},
    }
    impersonated = {**external, "service_account_impersonation_url":
        "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/gate@my-project.iam.gserviceaccount.com:generateAccessToken"}
    pathlib.Path("/tmp/subject").write_text("header.claims.signature")

    def answer(url):
        if "generateAccessToken" in url:
            return {"accessToken": "impersonated", "expireTime": "2026-11-30T13:00:00Z"}
        return {"access_token": "ya29.token", "expires_in": 3599, "token_type": "Bearer",
                "issued_token_type": "urn:ietf:params:oauth:token-type:access_token"}

    rows = {}
    with mock.patch("google.auth._helpers.utcnow", return_value=NOW):
        for name, info, make in [
            ("service_account", account, lambda: service_account.Credentials.from_service_account_info(account, scopes=[SCOPE])),
            ("authorized_user", user, lambda: user_credentials.Credentials.from_authorized_user_info(user)),
            ("external_account", external, lambda: identity_pool.Credentials.from_info(external, scopes=[SCOPE])),
            ("impersonated", impersonated, lambda: identity_pool.Credentials.from_info(impersonated, scopes=[SCOPE])),
        ]:
            recorded = []
            made = make()
            made.refresh(ask(recorded, answer))
            rows[name] = {"file": info, "asked": [fields(question) for question in recorded], "token": made.token}
    recorded = []
    metadata.get_service_account_token(ask(recorded, answer), "default")
    rows["metadata"] = {"asked": [fields(question) for question in recorded]}
    public = key.public_key()
    # The signature of this scheme is always the same, so our assertion has to be this one.
    signing = rows["service_account"]["asked"][0]["form"]
    assertion = dict(signing)["assertion"].encode()
    signed, _, signature = assertion.rpartition(b".")
    public.verify(google.auth._helpers.padded_urlsafe_b64decode(signature), signed, padding.PKCS1v15(), hashes.SHA256())
    rows["pkcs1"] = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()).decode()
    return {"now": int(NOW.replace(tzinfo=datetime.timezone.utc).timestamp()), **rows}


def azure_questions():
    """What azure-identity asks for tokens."""
    scope = "https://ai.azure.com/.default"
    pathlib.Path("/tmp/subject").write_text("header.claims.signature")
    rows = {}
    for name, make in [
        ("client_secret", lambda transport: ClientSecretCredential("tenant-1", "client-1", "se/cret", transport=transport)),
        ("workload", lambda transport: WorkloadIdentityCredential(
            tenant_id="tenant-1", client_id="client-1", token_file_path="/tmp/subject", transport=transport)),
        ("machine", lambda transport: ManagedIdentityCredential(transport=transport)),
        ("machine_of_client", lambda transport: ManagedIdentityCredential(client_id="client-1", transport=transport)),
    ]:
        recorded = []

        class Transport(HttpTransport):
            def open(self): pass
            def close(self): pass
            def __exit__(self, *_): pass

            def send(self, request, **_):
                # Other headers are about the library and this machine.
                headers = {k.lower(): v for k, v in request.headers.items() if k.lower() in ("content-type", "metadata")}
                recorded.append({"method": request.method, "url": request.url, "headers": headers,
                                 "body": request.body if isinstance(request.body, str) else (dict(request.body) if request.body else None)})
                if "openid-configuration" in request.url or "discovery" in request.url:
                    tenant = "https://login.microsoftonline.com/tenant-1"
                    data = {"token_endpoint": f"{tenant}/oauth2/v2.0/token", "authorization_endpoint": f"{tenant}/oauth2/v2.0/authorize",
                            "issuer": f"{tenant}/v2.0", "tenant_discovery_endpoint": f"{tenant}/v2.0/.well-known/openid-configuration", "metadata": []}
                else:
                    data = {"access_token": "entra", "expires_in": 3599, "expires_on": "1796043599", "token_type": "Bearer", "resource": scope}
                return answer_of(request, data)

        try:
            make(Transport()).get_token(scope)
        except Exception as error:
            print(name, repr(error)[:300], file=sys.stderr)
        rows[name] = [question for question in recorded if "openid" not in question["url"] and "discovery" not in question["url"]]
    return rows


def answer_of(request, data):
    answer = mock.Mock(spec=HttpResponse)
    answer.status_code, answer.request, answer.reason, answer.internal_response = 200, request, "OK", None
    answer.headers = {"content-type": "application/json"}
    answer.content_type = "application/json"
    answer.text = lambda *_, **__: json.dumps(data)
    answer.body = lambda: json.dumps(data).encode()
    return answer


def main(modules):
    clients(modules)
    write("vertex", "questions.json", google_questions())
    write("foundry", "questions.json", azure_questions())


if __name__ == "__main__":
    main(sys.argv[1])
