"""How schemathesis is let into the program: tokens for whom an operation is for, things that are there, and no way to lock itself out."""

import atexit
import base64
import json
import os
import pathlib
import threading
import time
import urllib.parse
import urllib.request

import schemathesis

from schemathesis_scene import Scene, as_body

BASE = os.environ["WARIKAN_CHECK_BASE"]
CREDENTIAL = json.loads(pathlib.Path(os.environ["WARIKAN_CHECK_CREDENTIAL"]).read_text())
SCOPES = ["verifications", "subjects", "watches", "campaigns", "events", "webhooks", "billing", "access"]
# Tokens live five minutes.
FRESH = 200


def call(path, body, headers, method="POST"):
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(urllib.request.Request(BASE + path, data=body, headers=headers, method=method), timeout=120) as answer:
        return json.loads(answer.read() or b"null")


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

    def ask(self, who, method, path, body):
        """Asks as the tenant, the operator or anyone, and gives what is answered."""
        octets, media_type = as_body(body)
        headers = {"Content-Type": media_type} if media_type else {}
        if who:
            headers["Authorization"] = "Bearer " + self.bearer(who)
        return call(path, octets, headers, method)

    def bearer(self, who):
        with self.lock:
            made, text = self.tokens.get(who, (0, None))
            if text is None or time.monotonic() - made > FRESH:
                text = token(self.credentials[who])
                self.tokens[who] = (time.monotonic(), text)
            return text

    def forget(self):
        """The keys of tokens may have been rotated, as if they had been betrayed."""
        with self.lock:
            self.tokens.clear()


DESK = Desk()
SCENE = Scene(DESK.ask, DESK.decoy)
# Ids that answers have named, and how each operation was answered.
KNOWN, ANSWERED = set(), {}
# Requests whose example is good for a platform of yesterday alone: the first few get today's.
TODAYS = {
    "grant_token": {
        "grant_type": "client_credentials",
        "client_id": DESK.credentials["tenant"]["client_id"],
        "client_secret": DESK.credentials["tenant"]["client_secret"],
    },
    "create_verification": SCENE.signed,
    "start_watch": {"certificate": SCENE.signed["certificate"], "ref": "C-9"},
}
GIVEN = {}


@atexit.register
def tell():
    """Which operations were answered how, for openapi/check."""
    if path := os.environ.get("WARIKAN_CHECK_ANSWERED"):
        pathlib.Path(path).write_text(json.dumps({name: sorted(all) for name, all in ANSWERED.items()}))


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


def is_positive(case):
    meta = getattr(case, "meta", None)
    mode = getattr(getattr(meta, "generation", None), "mode", None)
    return mode is None or getattr(mode, "is_positive", False)


@schemathesis.hook
def before_call(context, case, kwargs):
    """Ids of nothing become ids of something. Lists show our own tenant, credentials and account; whoever suspends, rotates or revokes those
    tests nothing any more."""
    parameters = case.path_parameters or {}
    operation = case.operation
    if operation.path.startswith("/v1/operator/tenants/") and parameters.get("id") == DESK.tenant:
        parameters["id"] = DESK.decoy
    for own in (DESK.credentials["tenant"]["client_id"], CREDENTIAL["client_id"]):
        for name in ("id", "client_id"):
            if parameters.get(name) == own:
                parameters[name] = own[:-1] + ("0" if own[-1] != "0" else "1")
    if parameters:
        SCENE.name(operation.method.upper(), operation.path, parameters, KNOWN)
    name = operation.definition.raw["operationId"]
    if name in TODAYS and is_positive(case) and GIVEN.get(name, 0) < 3:
        GIVEN[name] = GIVEN.get(name, 0) + 1
        case.body = dict(TODAYS[name])


def names(value):
    if isinstance(value, dict):
        for key, member in value.items():
            if key in ("id", "client_id", "handle") and isinstance(member, str):
                yield member
            else:
                yield from names(member)
    elif isinstance(value, list):
        for item in value:
            yield from names(item)


@schemathesis.hook
def after_call(context, case, response):
    name = case.operation.definition.raw["operationId"]
    ANSWERED.setdefault(name, set()).add(response.status_code)
    if name == "rotate_token_keys" and response.status_code == 200:
        DESK.forget()
    if response.status_code < 300 and response.headers.get("content-type", [""])[0].split(";")[0] == "application/json":
        KNOWN.update(names(response.json()))
