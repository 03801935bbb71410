//! Judging a client's assertion (RFC 7523 3, OpenID Connect Core 9: `private_key_jwt`).
//!
//! Nothing in its header chooses more than which of the client's own registered keys is meant. Its audience is this platform's
//! issuer or token endpoint and nothing beside them, so that what another server was sent is of no use here. It lives for minutes, and
//! its `jti` is remembered for so long in the database that all replicas share (F016).

use jsonwebtoken::{Algorithm, Header, Validation};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use warikan_types::{Client, Id, Timestamp};

use crate::client_keys::ClientKeys;

/// The only kind of assertion (RFC 7523 2.2).
pub(crate) const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// Seconds from now until its end at most.
const LIFETIME: i64 = 300;
/// Seconds by which the client's clock may differ from ours.
const SKEW: i64 = 30;
/// Octets; the largest sensible one is signed with RSA of 8,192 bits.
const MOST: usize = 4096;

/// An assertion whose claims have been looked at and whose signature has not.
pub(crate) struct Unproved<'a> {
    text: &'a str,
    header: Header,
    /// Who it says it is.
    pub(crate) client: Id<Client>,
}

/// What has to be remembered of an assertion that was good.
pub(crate) struct Spent {
    /// SHA-256 of its `jti`.
    pub(crate) digest: Vec<u8>,
    /// Until when it could be shown again.
    pub(crate) until: Timestamp,
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: Audience,
    exp: i64,
    iat: i64,
    nbf: Option<i64>,
    jti: String,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

impl Audience {
    /// Nothing but names of ours: an assertion that is good elsewhere too could be shown here by whoever got it there.
    fn is(&self, ours: &[String]) -> bool {
        match self {
            Self::One(one) => ours.contains(one),
            Self::Several(all) => !all.is_empty() && all.iter().all(|one| ours.contains(one)),
        }
    }
}

impl<'a> Unproved<'a> {
    /// Reads whom an assertion speaks for.
    pub(crate) fn read(text: &'a str) -> Option<Self> {
        if text.len() > MOST {
            return None;
        }
        let header = jsonwebtoken::decode_header(text).ok()?;
        let typ = header.typ.as_deref().unwrap_or("JWT");
        let plain = (typ.eq_ignore_ascii_case("JWT") || typ == "client-authentication+jwt")
            && header.crit.is_none()
            && header.jku.is_none()
            && header.jwk.is_none()
            && header.x5u.is_none()
            && header.x5c.is_none()
            && header.zip.is_none()
            && header.enc.is_none();
        if !plain {
            return None;
        }
        let claims = jsonwebtoken::dangerous::insecure_decode_claims::<Claims>(text).ok()?;
        let client = claims.sub.parse().ok()?;
        Some(Self {
            text,
            header,
            client,
        })
    }

    /// Whether one of the client's keys signed it, for this platform and this time.
    pub(crate) fn prove(
        &self,
        keys: &ClientKeys,
        ours: &[String],
        now: Timestamp,
    ) -> Option<Spent> {
        let usable = keys.find(self.header.kid.as_deref())?.usable().ok()?;
        if !usable.algorithms.contains(&self.header.alg) {
            return None;
        }
        let claims =
            jsonwebtoken::decode::<Claims>(self.text, &usable.key, &rules(self.header.alg))
                .ok()?
                .claims;
        let (now, id) = (now.unix(), self.client.to_string());
        let in_time = claims.exp > now - SKEW
            && claims.exp <= now + LIFETIME + SKEW
            && claims.iat <= now + SKEW
            && claims.iat >= now - LIFETIME - SKEW
            && claims.nbf.is_none_or(|nbf| nbf <= now + SKEW);
        let about_us = claims.iss == id && claims.sub == id && claims.aud.is(ours);
        if !in_time || !about_us || !(1..=200).contains(&claims.jti.len()) {
            return None;
        }
        Some(Spent {
            digest: Sha256::digest(&claims.jti).to_vec(),
            until: Timestamp::from_unix_millis((claims.exp + SKEW + 1) * 1000)?,
        })
    }
}

/// The signature alone: claims are judged here, by the platform's clock instead of the machine's.
fn rules(algorithm: Algorithm) -> Validation {
    let mut rules = Validation::new(algorithm);
    rules.validate_exp = false;
    rules.validate_aud = false;
    rules.required_spec_claims.clear();
    rules
}
