//! Signatures after Standard Webhooks over `<webhook-id>.<webhook-timestamp>.<body>`, by two schemes side by side:
//!
//! - `v1`, HMAC-SHA256 with the octets behind `whsec_`: quick, in every language, and whoever can verify can also sign;
//! - `v1a`, Ed25519 (RFC 8032): a consumer needs only the public key `whpk_..`, so that a leak at the consumer forges nothing
//!   and an archived message still proves where it came from.
//!
//! A consumer uses the one it knows and passes over the other. The id makes a repeated delivery recognisable, the timestamp
//! makes an old one recognisable as a replay, and the body is signed as the octets that travel.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use warikan_types::{Entropy, Secret};

const SECRET_PREFIX: &str = "whsec_";
const PUBLIC_PREFIX: &str = "whpk_";
/// Octets of either key: 256 bits. Standard Webhooks asks for 192 to 512 of the symmetric one.
const KEY: usize = 32;

/// What an endpoint's deliveries are signed with: two keys that know nothing of each other, since the tenant knows one.
pub(crate) struct SigningSecret {
    symmetric: Secret<Vec<u8>>,
    /// The seed and what follows from it. None for endpoints that were made before there was a `v1a`.
    asymmetric: Option<(Secret<[u8; KEY]>, Ed25519KeyPair)>,
}

impl SigningSecret {
    pub(crate) fn generate(entropy: &Entropy) -> Self {
        let mut octets = entropy.bytes::<KEY>().to_vec();
        octets.extend(entropy.bytes::<KEY>());
        Self::from_octets(&octets)
    }

    /// The stored form: the symmetric key, and the seed behind it.
    pub(crate) fn from_octets(octets: &[u8]) -> Self {
        let (symmetric, seed) = octets.split_at(octets.len().min(KEY));
        let asymmetric = seed.try_into().ok().and_then(|seed: [u8; KEY]| {
            let pair = Ed25519KeyPair::from_seed_unchecked(&seed).ok()?;
            Some((Secret::new(seed), pair))
        });
        Self {
            symmetric: Secret::new(symmetric.to_vec()),
            asymmetric,
        }
    }

    pub(crate) fn octets(&self) -> Secret<Vec<u8>> {
        let mut octets = self.symmetric.expose().clone();
        if let Some((seed, _)) = &self.asymmetric {
            octets.extend(seed.expose());
        }
        Secret::new(octets)
    }

    /// The form that the tenant gets, once.
    pub(crate) fn text(&self) -> String {
        format!(
            "{SECRET_PREFIX}{}",
            STANDARD.encode(self.symmetric.expose())
        )
    }

    /// The public key for `v1a`, which anyone may know.
    pub(crate) fn public_key(&self) -> Option<String> {
        let (_, pair) = self.asymmetric.as_ref()?;
        Some(format!(
            "{PUBLIC_PREFIX}{}",
            STANDARD.encode(pair.public_key())
        ))
    }

    /// `v1,<base64>`, and `v1a,<base64>` where there is a key for it.
    fn sign(&self, content: &[u8]) -> impl Iterator<Item = String> {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.symmetric.expose())
            .expect("HMAC takes a key of any length");
        mac.update(content);
        let symmetric = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
        let asymmetric = self
            .asymmetric
            .as_ref()
            .map(|(_, pair)| format!("v1a,{}", STANDARD.encode(pair.sign(content))));
        std::iter::once(symmetric).chain(asymmetric)
    }
}

/// The `webhook-signature` header: the signatures by every secret, separated by spaces; a consumer accepts any it knows.
pub(crate) fn header(secrets: &[SigningSecret], id: &str, timestamp: i64, body: &[u8]) -> String {
    let mut content = format!("{id}.{timestamp}.").into_bytes();
    content.extend_from_slice(body);
    secrets
        .iter()
        .flat_map(|secret| secret.sign(&content))
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use serde_json::Value;
    use standardwebhooks::Webhook;
    use warikan_types::Clock;

    use super::*;

    fn secret(text: &str) -> SigningSecret {
        let octets = STANDARD.decode(text.trim_start_matches(SECRET_PREFIX));
        SigningSecret {
            symmetric: Secret::new(octets.unwrap()),
            asymmetric: None,
        }
    }

    /// The example that the specification prints.
    #[test]
    fn f064_the_published_example() {
        let secrets = [secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")];
        let id = "msg_p5jXN8AQM9LWM0D4loKWxJek";
        let signed = header(&secrets, id, 1_614_265_330, b"{\"test\": 2432232314}");
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn f064_the_suite_is_met_to_the_octet() {
        let suites = std::env::var_os("WARIKAN_SUITES").map_or_else(
            || {
                PathBuf::from(concat!(
                    env!("CARGO_MANIFEST_DIR"),
                    "/../../../shared/suites"
                ))
            },
            PathBuf::from,
        );
        let path = suites.join("webhooks/standard_webhooks.json");
        let Ok(text) = std::fs::read(&path) else {
            println!(
                "skipped: no Standard Webhooks vectors at {}",
                path.display()
            );
            return;
        };
        let suite: Value = serde_json::from_slice(&text).unwrap();
        let signed = |case: &Value, secret: SigningSecret| {
            let body = STANDARD.decode(case["payload_b64"].as_str().unwrap_or(""));
            let body = match case.get("payload_b64") {
                Some(_) => body.unwrap(),
                None => case["payload"].as_str().unwrap().as_bytes().to_vec(),
            };
            let at = case["webhook_timestamp"].as_i64().unwrap();
            header(&[secret], case["webhook_id"].as_str().unwrap(), at, &body)
        };
        let cases = suite["sign"].as_array().unwrap();
        assert!(cases.len() >= 12);
        for case in cases {
            let secret = secret(case["secret"].as_str().unwrap());
            assert_eq!(signed(case, secret), case["signature"], "{}", case["id"]);
        }
        let cases = suite["ed25519"].as_array().unwrap();
        assert!(cases.len() >= 3);
        for case in cases {
            let seed = STANDARD.decode(case["secret_seed_b64"].as_str().unwrap());
            let secret = SigningSecret::from_octets(&[vec![0; KEY], seed.unwrap()].concat());
            assert_eq!(
                secret.public_key().as_deref(),
                case["public"].as_str(),
                "{}",
                case["id"]
            );
            let both = signed(case, secret);
            let (_, asymmetric) = both.split_once(' ').unwrap();
            assert_eq!(asymmetric, case["signature"], "{}", case["id"]);
        }
    }

    #[test]
    fn f065_what_is_stored_signs_the_same_and_a_secret_without_a_seed_signs_v1_alone() {
        let secret = SigningSecret::generate(&Entropy::seeded(3));
        let again = SigningSecret::from_octets(secret.octets().expose());
        let signed = header(&[secret], "evt_1", 7, b"{}");
        assert_eq!(signed, header(&[again], "evt_1", 7, b"{}"));
        let schemes = signed.split(' ').map(|one| one.split_once(',').unwrap().0);
        assert_eq!(schemes.collect::<Vec<_>>(), ["v1", "v1a"]);
        let old = SigningSecret::from_octets(&[9; KEY]);
        assert_eq!((old.public_key(), old.octets().expose().len()), (None, KEY));
        assert!(!header(&[old], "evt_1", 7, b"{}").contains("v1a"));
    }

    #[test]
    fn f065_the_official_library_accepts_either_secret_and_no_third() {
        let entropy = Entropy::seeded(7);
        let secrets = [(); 3].map(|()| SigningSecret::generate(&entropy));
        let now = Clock::system().now().unix();
        let body = "{\"data\":{\"name\":\"𠮷野家\"}}".as_bytes();
        let mut headers = reqwest::header::HeaderMap::new();
        headers.insert("webhook-id", "evt_1".parse().unwrap());
        headers.insert("webhook-timestamp", now.into());
        headers.insert(
            "webhook-signature",
            header(&secrets[..2], "evt_1", now, body).parse().unwrap(),
        );
        let verify = |secret: &SigningSecret, body: &[u8]| {
            Webhook::new(&secret.text()).unwrap().verify(body, &headers)
        };
        assert!(verify(&secrets[0], body).is_ok());
        assert!(verify(&secrets[1], body).is_ok());
        assert!(verify(&secrets[2], body).is_err());
        assert!(verify(&secrets[0], b"{}").is_err());
    }
}
