"""F100: what the quick start does, by the generated client: a token, a tenant, a citizen who signs, the verification, a campaign."""

import os
import time

import warikan_client as w

URL = os.environ["WARIKAN_URL"]


def client(token=None):
    return w.ApiClient(w.Configuration(host=URL, access_token=token))


def signed_in(client_id, client_secret):
    answer = w.AccessApi(client()).grant_token("client_credentials", client_id=client_id, client_secret=client_secret)
    return client(answer.access_token)


operator = w.OperatorApi(signed_in(os.environ["CLIENT_ID"], os.environ["CLIENT_SECRET"]))
tenant = operator.create_tenant(w.Application(name="割勘証券株式会社"))
made = operator.create_credential(tenant.id, w.NewCredential(environment=w.Environment.SANDBOX))
own = signed_in(made.client_id, made.client_secret)

sandbox = w.SandboxApi(own)
person = sandbox.create_person()
signature = sandbox.sign(person.id, to_sign=w.ToSign(message="aGVsbG8="))
verifications = w.VerificationApi(own)
request = w.VerificationRequest.from_dict(signature.to_dict())
request.watch = True
verified = verifications.create_verification(request, idempotency_key="smoke")
assert verified.verdict == w.Verdict.VALID, verified
assert verified.attributes.name, verified
assert verifications.read_verification(verified.id).verdict == w.Verdict.VALID
assert [one.id for one in verifications.list_verifications(limit=5).data] == [verified.id]
# The watch begins after the answer.
until = time.monotonic() + 60
while not w.WatchesApi(own).list_watches().data:
    assert time.monotonic() < until, "nothing is watched"
    time.sleep(0.2)

campaigns = w.CampaignsApi(own)
ordered = campaigns.create_campaign(w.NewCampaign(selector=w.CampaignSelector(w.SelectorWord.ALL)))
assert campaigns.show_campaign(ordered.id).selector == w.SelectorKind.ALL

try:
    verifications.read_verification("ver_" + "0" * 32)
    raise AssertionError("nobody's verification was read")
except w.exceptions.NotFoundException as problem:
    assert problem.data.code == "not_found", problem.data
print("the Python client verifies a signature")
