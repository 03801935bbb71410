// F100: what the quick start does, by the generated client: a token, a tenant, a citizen who signs, the verification, a campaign.

import * as w from '../typescript/src/index';

declare const process: { env: { [name: string]: string } };

const client = (authorization?: string) => new w.Configuration({ basePath: process.env.WARIKAN_URL, accessToken: authorization });

const signedIn = async (clientId: string, clientSecret: string) => {
  const answer = await new w.AccessApi(client()).grantToken({ grantType: 'client_credentials', clientId, clientSecret });
  // Of OAuth the generator writes the whole header, not the token, as what one gives.
  return client(`Bearer ${answer.accessToken}`);
};

function held(condition: boolean, otherwise: unknown): void {
  if (!condition) throw new Error(JSON.stringify(otherwise));
}

async function main() {
  const operator = new w.OperatorApi(await signedIn(process.env.CLIENT_ID, process.env.CLIENT_SECRET));
  const tenant = await operator.createTenant({ application: { name: '割勘証券株式会社' } });
  const made = await operator.createCredential({ id: tenant.id, newCredential: { environment: w.Environment.Sandbox } });
  held(made.clientSecret != null, made);
  const own = await signedIn(made.clientId, made.clientSecret ?? '');

  const sandbox = new w.SandboxApi(own);
  const person = await sandbox.createPerson();
  const signature = await sandbox.sign({ id: person.id, toSign: { message: 'aGVsbG8=' } });
  const verifications = new w.VerificationApi(own);
  const verified = await verifications.createVerification({
    verificationRequest: { ...signature, watch: true },
    idempotencyKey: 'smoke',
  });
  held(verified.verdict === w.Verdict.Valid && Boolean(verified.attributes?.name), verified);
  held((await verifications.readVerification({ id: verified.id })).verdict === w.Verdict.Valid, verified);
  held((await verifications.listVerifications({ limit: 5 })).data[0]?.id === verified.id, verified);
  // The watch begins after the answer.
  const until = Date.now() + 60_000;
  while ((await new w.WatchesApi(own).listWatches()).data.length === 0) {
    held(Date.now() < until, 'nothing is watched');
    await new Promise((resolve) => setTimeout(resolve, 200));
  }

  const campaigns = new w.CampaignsApi(own);
  const ordered = await campaigns.createCampaign({ newCampaign: { selector: w.SelectorWord.All } });
  held((await campaigns.showCampaign({ id: ordered.id })).selector === w.SelectorKind.All, ordered);

  const refused = await verifications.readVerification({ id: 'ver_' + '0'.repeat(32) }).catch((error) => error);
  held(refused instanceof w.ResponseError && refused.response.status === 404, refused);
  held(w.ProblemDocumentFromJSON(await refused.response.json()).code === 'not_found', refused);
  console.log('the TypeScript client verifies a signature');
}

main();
