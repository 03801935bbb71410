"""How schemathesis is let into the program: tokens for whom an operation is for, and no way to lock itself out."""

import base64
import json
import os
import pathlib
import threading
import time
import urllib.parse
import urllib.request

import schemathesis

BASE = os.environ["WARIKAN_CHECK_BASE"]
CREDENTIAL = json.loads(pathlib.Path(os.environ["WARIKAN_CHECK_CREDENTIAL"]).read_text())
SCOPES = ["verifications", "subjects", "watches", "campaigns", "events", "webhooks", "billing", "access"]
# Tokens live five minutes.
FRESH = 200


def call(path, body, headers):
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(urllib.request.Request(BASE + path, data=body, headers=headers), timeout=120) as answer:
        return json.loads(answer.read())


def token(credential):
    pair = f"{credential['client_id']}:{credential['client_secret']}"
    return call(
        "/oauth/token",
        urllib.parse.urlencode({"grant_type": "client_credentials"}).encode(),
        {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode(), "Content-Type": "application/x-www-form-urlencoded"},
    )["access_token"]


class Desk:
    """A tenant of our own, and its tokens and the operator's."""

    def __init__(self):
        self.lock = threading.Lock()
        self.tokens = {}
        self.tenant, self.credentials = None, {"operator": CREDENTIAL}
        # What may be taken away by requests in their stead.
        self.decoy = self.take_on("身代わり株式会社")[0]
        self.tenant, self.credentials["tenant"] = self.take_on("割勘証券株式会社")

    def take_on(self, name):
        headers = {"Authorization": "Bearer " + self.bearer("operator"), "Content-Type": "application/json"}
        tenant = call("/v1/operator/tenants", json.dumps({"name": name}).encode(), headers)["id"]
        wanted = json.dumps({"environment": "sandbox", "scopes": SCOPES}).encode()
        return tenant, call(f"/v1/operator/tenants/{tenant}/credentials", wanted, headers)

    def bearer(self, who):
        with self.lock:
            made, text = self.tokens.get(who, (0, None))
            if text is None or time.monotonic() - made > FRESH:
                text = token(self.credentials[who])
                self.tokens[who] = (time.monotonic(), text)
            return text


DESK = Desk()


@schemathesis.serializer("application/ocsp-request")
def octets(context, value):
    return value if isinstance(value, bytes) else str(value).encode()


def for_operator(operation):
    return operation.path.startswith("/v1/operator/")


@schemathesis.auth(refresh_interval=None)
class Bearer:
    def get(self, case, context):
        return DESK.bearer("operator" if for_operator(case.operation) else "tenant")

    def set(self, case, data, context):
        if "security" in case.operation.definition.raw and case.operation.definition.raw["security"] != [{}]:
            case.headers = case.headers or {}
            case.headers["Authorization"] = f"Bearer {data}"


@schemathesis.hook
def before_call(context, case, kwargs):
    """Lists show our own tenant and our own credentials; whoever suspends, rotates or revokes them tests nothing any more."""
    parameters = case.path_parameters or {}
    own = DESK.credentials["tenant"]["client_id"]
    if parameters.get("id") == DESK.tenant and case.operation.path.startswith("/v1/operator/tenants/"):
        case.path_parameters["id"] = DESK.decoy
    for name in ("id", "client_id"):
        if parameters.get(name) == own:
            case.path_parameters[name] = own[:-1] + ("0" if own[-1] != "0" else "1")
