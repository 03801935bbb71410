"""Things that are there: one of each that has an id, made through the API before the run, so that requests reach something."""

import base64
import datetime
import json
import re
import time

FORMED = re.compile(r"^([a-z]{3}_[0-9a-f]{32}|[0-9]{4}-[0-9]{2})$")
MESSAGE = base64.b64encode("口座開設申込書".encode()).decode()
# How often a thing is made anew for a request that takes it away.
TAKEN = 4
PATIENCE = 60


def last_month():
    first = datetime.datetime.now(datetime.timezone(datetime.timedelta(hours=9))).replace(day=1)
    return (first - datetime.timedelta(days=1)).strftime("%Y-%m")


class Scene:
    """What a path's parameters can name."""

    def __init__(self, ask, decoy):
        # ask(who, method, path, body) sends JSON and gives what is answered.
        self.ask = ask
        self.decoy = decoy
        self.taken = {}
        self.signed = self.sign()
        verified = self.verify()
        self.campaign = self.new_campaign("all")
        self.until_completed(self.campaign)
        self.endpoint = self.new_endpoint()
        self.things = {
            "/v1/verifications": verified["id"],
            "/v1/subjects": verified["subject"]["id"],
            "/v1/certificates": verified["certificate"]["handle"],
            "/v1/watches": verified["watch"]["id"],
            "/v1/campaigns": self.campaign,
            "/v1/webhook-endpoints": self.endpoint,
            "/v1/deliveries": self.ask("tenant", "POST", f"/v1/webhook-endpoints/{self.endpoint}/test", {})["id"],
            "/v1/credentials": self.new_credential(),
            "/v1/operator/accounts": self.new_account(),
            "/v1/operator/tenants": decoy,
            "/v1/operator/shared-costs": self.new_cost(),
            "/v1/operator/months": last_month(),
            "/sandbox/persons": self.person,
        }
        self.client = self.new_client(decoy)
        self.handle = verified["certificate"]["handle"]

    def sign(self):
        self.person = self.ask(None, "POST", "/sandbox/persons", {})["id"]
        return self.ask(None, "POST", f"/sandbox/persons/{self.person}/sign", {"certificate": "signature", "message": MESSAGE})

    def verify(self):
        """Watched, once the list that its certificate is judged by is known."""
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            answer = self.ask("tenant", "POST", "/v1/verifications", {**self.signed, "subject_ref": "C-1", "watch": True})
            if answer["verdict"] == "valid":
                return answer
            time.sleep(0.2)
        raise SystemExit("no verification is valid")

    def until_completed(self, campaign):
        until = time.monotonic() + PATIENCE
        while self.ask("tenant", "GET", f"/v1/campaigns/{campaign}", None)["state"] != "completed":
            if time.monotonic() > until:
                raise SystemExit("the campaign does not end")
            time.sleep(0.2)

    def new_campaign(self, selector):
        return self.ask("tenant", "POST", "/v1/campaigns", {"selector": selector})["id"]

    def new_watch(self):
        return self.ask("tenant", "POST", "/v1/watches", {"certificate": self.sign()["certificate"], "ref": "C-2"})["id"]

    def new_subject(self):
        return self.ask("tenant", "POST", "/v1/verifications", {**self.sign(), "subject_ref": "C-3"})["subject"]["id"]

    def new_endpoint(self):
        return self.ask("tenant", "POST", "/v1/webhook-endpoints", {"url": "http://127.0.0.1:9/hook"})["id"]

    def new_credential(self):
        return self.ask("tenant", "POST", "/v1/credentials", {"environment": "sandbox"})["client_id"]

    def new_account(self):
        return self.ask("operator", "POST", "/v1/operator/accounts", {"name": "監査", "role": "auditor"})["client_id"]

    def new_cost(self):
        return self.ask("operator", "POST", "/v1/operator/shared-costs", {"month": "2099-01", "category": "lines", "amount": 1})["id"]

    def new_client(self, tenant):
        return self.ask("operator", "POST", f"/v1/operator/tenants/{tenant}/credentials", {"environment": "sandbox"})["client_id"]

    def new_tenant(self):
        return self.ask("operator", "POST", "/v1/operator/tenants", {"name": "通りすがり株式会社"})["id"]

    def fresh(self, method, path):
        """A thing for a request that takes it away, a few times each; afterwards there is none."""
        made = {
            "DELETE /v1/subjects/{id}": self.new_subject,
            "DELETE /v1/watches/{id}": self.new_watch,
            "DELETE /v1/campaigns/{id}": lambda: self.new_campaign("upload"),
            "POST /v1/campaigns/{id}/portfolio": lambda: self.new_campaign("upload"),
            "POST /v1/campaigns/{id}/start": lambda: self.new_campaign("upload"),
            "DELETE /v1/webhook-endpoints/{id}": self.new_endpoint,
            "DELETE /v1/credentials/{id}": self.new_credential,
            "DELETE /v1/operator/shared-costs/{id}": self.new_cost,
            "POST /v1/operator/tenants/{id}/state": self.new_tenant,
            "POST /sandbox/persons/{id}/events": lambda: self.sign() and self.person,
        }.get(f"{method} {path}")
        return made

    def name(self, method, path, parameters, known):
        """Puts what is there in the place of well-formed ids of nothing; what an answer has named stays."""
        if "handle" in parameters and FORMED.match(str(parameters["handle"])):
            # A proof is of two things that belong together.
            parameters.update(id=self.campaign, handle=self.handle)
            return
        name = next((name for name in ("id", "period") if name in parameters), None)
        if name is None or not FORMED.match(str(parameters[name])) or parameters[name] in known:
            return
        key = f"{method} {path}"
        made = self.fresh(method, path)
        if made or (method == "DELETE" and "{client_id}" in path):
            self.taken[key] = self.taken.get(key, 0) + 1
            if self.taken[key] > TAKEN:
                return
        if made:
            parameters[name] = made()
            if path.endswith("/start"):
                self.ask("tenant", "POST", f"/v1/campaigns/{parameters[name]}/portfolio", "ref\nC-1\n")
            return
        collection = path.split("/{")[0]
        if collection in self.things:
            parameters[name] = self.things[collection]
        if "client_id" in parameters:
            parameters["client_id"] = self.new_client(self.decoy) if method == "DELETE" else self.client


def as_body(body):
    """What is sent: a text is a table, all else JSON."""
    if isinstance(body, str):
        return body.encode(), "text/csv"
    return (None, None) if body is None else (json.dumps(body).encode(), "application/json")
