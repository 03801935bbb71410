//! The public keys by which a client may authenticate (`private_key_jwt`; RFC 7517, RFC 7523).
//!
//! What is registered is read once, strictly, and kept as the canonical text of what was understood: a key of a kind and size that is safe to
//! verify with, and nothing else. A private key sent by mistake is refused, not kept.

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Keys of one client: enough for the old and the new one, and one in reserve per data centre.
const MOST: usize = 5;
/// RSA moduli, in bits: smaller is weak, larger only costs.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// Public keys (RFC 7517 5).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ClientKeys {
    /// 1 to 5; of several the assertion's `kid` chooses.
    #[schema(min_items = 1, max_items = 5)]
    pub(crate) keys: Vec<ClientKey>,
}

/// A public key: Ed25519, P-256, or RSA of 2,048 to 8,192 bits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ClientKey {
    /// `OKP`, `EC` or `RSA`.
    kty: String,
    /// `Ed25519` or `P-256`.
    #[serde(skip_serializing_if = "Option::is_none")]
    crv: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    x: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    y: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    n: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    e: Option<String>,
    /// 1 to 100 characters; needed where there are several keys.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 100)]
    pub(crate) kid: Option<String>,
    /// `EdDSA`, `ES256`, `RS256` or `PS256`, and then no other; what the key allows where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    alg: Option<String>,
    /// `sig`
    #[serde(rename = "use", skip_serializing_if = "Option::is_none")]
    usage: Option<String>,
}

/// A key that is ready to verify with.
pub(crate) struct Usable {
    pub(crate) key: DecodingKey,
    pub(crate) algorithms: Vec<Algorithm>,
}

impl ClientKeys {
    /// Whether all of them can be verified with. The error is for whoever registers them: where, and why.
    pub(crate) fn check(&self) -> Result<(), (String, &'static str)> {
        if self.keys.is_empty() || self.keys.len() > MOST {
            return Err((String::new(), "1 to 5 keys"));
        }
        for (index, key) in self.keys.iter().enumerate() {
            key.usable().map_err(|why| (format!("/{index}"), why))?;
            if self.keys.len() > 1 && key.kid.is_none() {
                return Err((format!("/{index}/kid"), "several keys need a kid each"));
            }
            if self.keys[..index]
                .iter()
                .any(|other| other.kid == key.kid || other.same_key(key))
            {
                return Err((format!("/{index}"), "the key or its kid stands here twice"));
            }
        }
        Ok(())
    }

    /// The key for a header: by its `kid`, or the only one where the header names none.
    pub(crate) fn find(&self, kid: Option<&str>) -> Option<&ClientKey> {
        match (kid, self.keys.as_slice()) {
            (None, [only]) => Some(only),
            (None, _) => None,
            (Some(kid), keys) => keys.iter().find(|key| key.kid.as_deref() == Some(kid)),
        }
    }
}

impl ClientKey {
    fn same_key(&self, other: &Self) -> bool {
        (&self.x, &self.y, &self.n) == (&other.x, &other.y, &other.n)
    }

    /// What it verifies with, or why it cannot be used.
    pub(crate) fn usable(&self) -> Result<Usable, &'static str> {
        let length = self.kid.as_ref().map_or(1, |kid| kid.chars().count());
        if !(1..=100).contains(&length) {
            return Err("a kid has 1 to 100 characters");
        }
        if self.usage.as_deref().is_some_and(|usage| usage != "sig") {
            return Err("the key is not for signatures");
        }
        let (key, allowed) = match self.kty.as_str() {
            "OKP" => (self.ed25519()?, vec![Algorithm::EdDSA]),
            "EC" => (self.p256()?, vec![Algorithm::ES256]),
            "RSA" => (self.rsa()?, vec![Algorithm::RS256, Algorithm::PS256]),
            _ => return Err("the key's type is not taken: OKP, EC or RSA"),
        };
        let algorithms = match self.alg.as_deref() {
            None => allowed,
            Some(word) => {
                let named = |algorithm: &Algorithm| format!("{algorithm:?}") == word;
                match allowed.into_iter().find(named) {
                    Some(one) => vec![one],
                    None => return Err("the key's alg does not go with its type"),
                }
            }
        };
        Ok(Usable { key, algorithms })
    }

    fn ed25519(&self) -> Result<DecodingKey, &'static str> {
        let (Some("Ed25519"), Some(x), None, None, None) =
            (self.crv.as_deref(), &self.x, &self.y, &self.n, &self.e)
        else {
            return Err("an OKP key has crv Ed25519 and x");
        };
        let octets = octets(x)?;
        // A point that is none is found out now, not at the first token.
        let unusable = UnparsedPublicKey::new(&ED25519, &octets).parse().is_err();
        if octets.len() != 32 || unusable {
            return Err("x is no Ed25519 key");
        }
        DecodingKey::from_ed_components(x).map_err(|_| "x is no Ed25519 key")
    }

    fn p256(&self) -> Result<DecodingKey, &'static str> {
        let (Some("P-256"), Some(x), Some(y), None, None) =
            (self.crv.as_deref(), &self.x, &self.y, &self.n, &self.e)
        else {
            return Err("an EC key has crv P-256, x and y");
        };
        let mut point = vec![4];
        point.extend(octets(x)?);
        point.extend(octets(y)?);
        let algorithm = &aws_lc_rs::signature::ECDSA_P256_SHA256_FIXED;
        if UnparsedPublicKey::new(algorithm, point).parse().is_err() {
            return Err("x and y are no point of P-256");
        }
        DecodingKey::from_ec_components(x, y).map_err(|_| "x and y are no point of P-256")
    }

    fn rsa(&self) -> Result<DecodingKey, &'static str> {
        let (None, None, None, Some(n), Some(e)) =
            (self.crv.as_deref(), &self.x, &self.y, &self.n, &self.e)
        else {
            return Err("an RSA key has n and e");
        };
        let (modulus, exponent) = (octets(n)?, octets(e)?);
        let (Some(first), Some(last)) = (modulus.first(), modulus.last()) else {
            return Err("n is empty");
        };
        let bits = modulus.len() * 8 - first.leading_zeros() as usize;
        if *first == 0 || last % 2 == 0 || !RSA_BITS.contains(&bits) {
            return Err("n has 2,048 to 8,192 bits");
        }
        if exponent != [1, 0, 1] {
            return Err("e is 65537 (AQAB)");
        }
        DecodingKey::from_rsa_components(n, e).map_err(|_| "n and e are no RSA key")
    }
}

fn octets(text: &str) -> Result<Vec<u8>, &'static str> {
    // 8,192 bits are 1,366 characters.
    if text.len() > 1400 {
        return Err("a member is too long");
    }
    URL_SAFE_NO_PAD
        .decode(text)
        .map_err(|_| "a member is not base64url without padding")
}
