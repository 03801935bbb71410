//! Signatures after Standard Webhooks (scheme `v1`): HMAC-SHA256 over `<webhook-id>.<webhook-timestamp>.<body>`, where the
//! key is the octets behind `whsec_`. The id makes a repeated delivery recognisable, the timestamp makes an old one
//! recognisable as a replay, and the body is signed as the octets that travel.

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use warikan_types::{Entropy, Secret};

const PREFIX: &str = "whsec_";

/// An endpoint's symmetric secret.
#[derive(Clone)]
pub(crate) struct SigningSecret(Secret<Vec<u8>>);

impl SigningSecret {
    /// 256 random bits; Standard Webhooks asks for 192 to 512.
    pub(crate) fn generate(entropy: &Entropy) -> Self {
        Self(Secret::new(entropy.bytes::<32>().to_vec()))
    }

    pub(crate) const fn from_octets(octets: Vec<u8>) -> Self {
        Self(Secret::new(octets))
    }

    pub(crate) fn octets(&self) -> &[u8] {
        self.0.expose()
    }

    /// The form that the tenant gets, once.
    pub(crate) fn text(&self) -> String {
        format!("{PREFIX}{}", STANDARD.encode(self.octets()))
    }

    /// One signature, `v1,<base64>`.
    pub(crate) fn sign(&self, id: &str, timestamp: i64, body: &[u8]) -> String {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(self.octets()).expect("HMAC takes a key of any length");
        mac.update(format!("{id}.{timestamp}.").as_bytes());
        mac.update(body);
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

/// The `webhook-signature` header: one signature per secret, separated by spaces; a consumer accepts any it knows.
pub(crate) fn header(secrets: &[SigningSecret], id: &str, timestamp: i64, body: &[u8]) -> String {
    secrets
        .iter()
        .map(|secret| secret.sign(id, timestamp, body))
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
        let octets = STANDARD.decode(text.trim_start_matches(PREFIX)).unwrap();
        SigningSecret::from_octets(octets)
    }

    /// The example that the specification prints.
    #[test]
    fn f064_the_published_example() {
        let signed = secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").sign(
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            b"{\"test\": 2432232314}",
        );
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
        let cases = suite["sign"].as_array().unwrap();
        assert!(cases.len() >= 12);
        for case in cases {
            let body = STANDARD
                .decode(case["payload_b64"].as_str().unwrap())
                .unwrap();
            let signed = secret(case["secret"].as_str().unwrap()).sign(
                case["webhook_id"].as_str().unwrap(),
                case["webhook_timestamp"].as_i64().unwrap(),
                &body,
            );
            assert_eq!(
                signed,
                case["signature"].as_str().unwrap(),
                "{}",
                case["id"]
            );
        }
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
