// Verify a Warikan webhook (Standard Webhooks) with Node's own modules: `v1` with the endpoint's secret (`whsec_..`), or `v1a`
// with its public key (`whpk_..`). Call it with the octets of the request's body as they came, before any parsing.

import { createHmac, createPublicKey, timingSafeEqual, verify as verifyEd25519 } from "node:crypto";
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

type Verify = (key: string, headers: Record<string, string | undefined>, body: Buffer, now?: number) => boolean;

const TOLERANCE_SECONDS = 300;
// An Ed25519 SubjectPublicKeyInfo (RFC 8410) up to the key.
const SPKI = Buffer.from("302a300506032b6570032100", "hex");

/** Whether the request is genuine and fresh. Header names in lower case. */
export const verify: Verify = (key, headers, body, now = Math.floor(Date.now() / 1000)) => {
  const id = headers["webhook-id"] ?? "";
  const timestamp = headers["webhook-timestamp"] ?? "";
  if (id === "" || !/^[0-9]+$/.test(timestamp)) return false;
  if (Math.abs(now - Number(timestamp)) > TOLERANCE_SECONDS) return false;
  const content = Buffer.concat([Buffer.from(`${id}.${timestamp}.`), body]);
  const asymmetric = key.startsWith("whpk_");
  const octets = Buffer.from(key.replace(/^wh(sec|pk)_/, ""), "base64");
  return (headers["webhook-signature"] ?? "").split(" ").some((signature) => {
    const [scheme, text] = signature.split(",", 2);
    if (scheme !== (asymmetric ? "v1a" : "v1")) return false;
    const sent = Buffer.from(text ?? "", "base64");
    if (asymmetric) {
      const publicKey = createPublicKey({ key: Buffer.concat([SPKI, octets]), format: "der", type: "spki" });
      return verifyEd25519(null, content, publicKey, sent);
    }
    const expected = createHmac("sha256", octets).update(content).digest();
    return sent.length === expected.length && timingSafeEqual(sent, expected);
  });
};

// verify <key> <webhook-id> <webhook-timestamp> <webhook-signature> [now], the body on standard input.
if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const [key, id, timestamp, signature, now] = process.argv.slice(2);
  const headers = { "webhook-id": id, "webhook-timestamp": timestamp, "webhook-signature": signature };
  const genuine = verify(key ?? "", headers, readFileSync(0), now === undefined ? undefined : Number(now));
  process.exit(genuine ? 0 : 1);
}
