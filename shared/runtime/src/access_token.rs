//! Access tokens: EdDSA JWTs (RFC 9068) that live five minutes.
//!
//! The short life is the last bound on a suspension: onboarding gives no new token to a suspended tenant, the edge hears within seconds whose
//! tokens are denied, and where it cannot, the last one given is over in [`TOKEN_LIFETIME`].

use std::{collections::BTreeSet, net::IpAddr, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ipnet::IpNet;
use jsonwebtoken::{Algorithm, Header, Validation};
use serde::{Deserialize, Serialize};
use warikan_types::{
    ClientScope, Clock, Entropy, Environment, Id, Principal, Request, TenantId, TenantScope,
    Timestamp,
};

use crate::Keys;

/// How long a token is good.
pub const TOKEN_LIFETIME: Duration = Duration::from_secs(300);
/// How far clocks may differ between the processes that make and read tokens.
const SKEW: i64 = 30;
const ISSUER: &str = "warikan";
const AUDIENCE: &str = "warikan-api";
/// RFC 9068 2.1.
const TYPE: &str = "at+jwt";
/// No token of ours is nearly as long; a longer one is not worth parsing.
const MAX_LENGTH: usize = 4096;

/// What an access token says.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccessToken {
    iss: String,
    aud: String,
    sub: Id<warikan_types::Client>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<TenantId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    environment: Option<Environment>,
    scope: String,
    /// Networks from which alone it may be used; anywhere where there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    cidr: Vec<IpNet>,
    iat: i64,
    exp: i64,
    jti: Id<Request>,
}

/// A token is not good; the text is for the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not a token of this platform.
    #[error("The access token is not one of this platform's.")]
    NotOurs,
    /// Its time is over.
    #[error("The access token has expired; get a new one from POST /oauth/token.")]
    Expired,
    /// It comes from an address that its client does not use.
    #[error("The access token is not accepted from this address.")]
    Elsewhere,
}

impl TokenError {
    /// The text for the caller.
    #[must_use]
    pub const fn message(self) -> &'static str {
        match self {
            Self::NotOurs => "The access token is not one of this platform's.",
            Self::Expired => "The access token has expired; get a new one from POST /oauth/token.",
            Self::Elsewhere => "The access token is not accepted from this address.",
        }
    }
}

impl AccessToken {
    /// Makes a token for a principal, good wherever it comes from.
    ///
    /// # Errors
    /// Signing failed.
    pub fn issue(
        principal: &Principal,
        keys: &Keys,
        clock: &Clock,
        entropy: &Entropy,
    ) -> Result<String, jsonwebtoken::errors::Error> {
        Self::issue_for(principal, Vec::new(), keys, clock, entropy)
    }

    /// Makes a token for a principal, good from these networks only where there are any.
    ///
    /// # Errors
    /// Signing failed.
    pub fn issue_for(
        principal: &Principal,
        cidr: Vec<IpNet>,
        keys: &Keys,
        clock: &Clock,
        entropy: &Entropy,
    ) -> Result<String, jsonwebtoken::errors::Error> {
        let now = clock.now();
        let scopes: Vec<&str> = principal
            .scopes
            .iter()
            .map(|scope| scope.as_str())
            .collect();
        let claims = Self {
            iss: ISSUER.to_owned(),
            aud: AUDIENCE.to_owned(),
            sub: principal.client,
            tenant: principal.tenant.map(|scope| scope.tenant()),
            environment: principal.tenant.map(|scope| scope.environment()),
            scope: scopes.join(" "),
            cidr,
            iat: now.unix(),
            exp: now.plus(TOKEN_LIFETIME).unix(),
            jti: entropy.id(now),
        };
        let key = keys.tokens().signing(now);
        let mut header = Header::new(Algorithm::EdDSA);
        header.typ = Some(TYPE.to_owned());
        header.kid = Some(key.kid.clone());
        jsonwebtoken::encode(&header, &claims, &key.encoding)
    }

    /// Reads a token back: header, signature, issuer, audience, times, and the address it came from, all of them. Of a token that
    /// was read before only times and address are judged anew: nothing else of it can have changed.
    ///
    /// # Errors
    /// [`TokenError`].
    pub fn read(
        token: &str,
        keys: &Keys,
        now: Timestamp,
        from: Option<IpAddr>,
    ) -> Result<Principal, TokenError> {
        if token.len() > MAX_LENGTH {
            return Err(TokenError::NotOurs);
        }
        let read = keys
            .tokens_read()
            .of(token, || Self::signed_by(token, keys))?;
        // A key may have gone since: by its time, or because it was betrayed.
        if !keys.tokens().accepts(&read.kid, now) {
            return Err(TokenError::NotOurs);
        }
        read.judge(now, from)
    }

    /// Whose a token says that it is, signed or not: for the trail, never to decide by.
    #[must_use]
    pub fn claimed(token: &str) -> Option<(Id<warikan_types::Client>, Option<TenantScope>)> {
        if token.len() > MAX_LENGTH {
            return None;
        }
        let body = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
        let claims: Self = serde_json::from_slice(&body).ok()?;
        let scope = claims.tenant.zip(claims.environment);
        let scope = scope.map(|(tenant, environment)| TenantScope::of_event(tenant, environment));
        Some((claims.sub, scope))
    }

    /// What a token says that these keys signed, whatever the time is.
    pub(crate) fn signed_by(token: &str, keys: &Keys) -> Result<SignedToken, TokenError> {
        // The header decides nothing but which of our keys is meant; it has to be exactly what we write.
        let header = jsonwebtoken::decode_header(token).map_err(|_| TokenError::NotOurs)?;
        let ours = header.typ.as_deref() == Some(TYPE)
            && header.jku.is_none()
            && header.jwk.is_none()
            && header.x5u.is_none()
            && header.x5c.is_none()
            && header.crit.is_none()
            && header.zip.is_none()
            && header.extras.inner().is_empty();
        if !ours {
            return Err(TokenError::NotOurs);
        }
        let mut rules = Validation::new(Algorithm::EdDSA);
        rules.set_issuer(&[ISSUER]);
        rules.set_audience(&[AUDIENCE]);
        rules.set_required_spec_claims(&["iss", "aud", "exp", "sub"]);
        // Times are judged by the platform's clock instead of the machine's, at each use.
        rules.validate_exp = false;
        let kid = header.kid.ok_or(TokenError::NotOurs)?;
        let claims = keys
            .tokens()
            .by_name(&kid, |key| jsonwebtoken::decode::<Self>(token, key, &rules))
            .and_then(Result::ok)
            .ok_or(TokenError::NotOurs)?
            .claims;
        Ok(SignedToken {
            kid,
            iat: claims.iat,
            exp: claims.exp,
            cidr: claims.cidr.clone(),
            principal: claims.principal().ok_or(TokenError::NotOurs)?,
        })
    }

    fn principal(self) -> Option<Principal> {
        let scopes = self
            .scope
            .split_ascii_whitespace()
            .map(ClientScope::from_word)
            .collect::<Option<BTreeSet<_>>>()?;
        let tenant = match (self.tenant, self.environment) {
            (Some(tenant), Some(environment)) => Some(TenantScope::of_event(tenant, environment)),
            (None, None) => None,
            _ => return None,
        };
        Some(Principal {
            client: self.sub,
            tenant,
            scopes,
        })
    }
}

/// A token of ours: what it says, and what is to be judged each time that it is shown.
#[derive(Debug)]
pub(crate) struct SignedToken {
    kid: String,
    iat: i64,
    exp: i64,
    cidr: Vec<IpNet>,
    principal: Principal,
}

impl SignedToken {
    pub(crate) fn judge(
        &self,
        now: Timestamp,
        from: Option<IpAddr>,
    ) -> Result<Principal, TokenError> {
        if self.iat > now.unix() + SKEW {
            return Err(TokenError::NotOurs);
        }
        if self.exp + SKEW <= now.unix() {
            return Err(TokenError::Expired);
        }
        let here = |from: IpAddr| self.cidr.iter().any(|net| net.contains(&from));
        if !self.cidr.is_empty() && !from.is_some_and(here) {
            return Err(TokenError::Elsewhere);
        }
        Ok(self.principal.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn principal(entropy: &Entropy, at: Timestamp) -> Principal {
        Principal {
            client: entropy.id(at),
            tenant: Some(TenantScope::of_event(entropy.id(at), Environment::Sandbox)),
            scopes: [ClientScope::Verifications, ClientScope::Events].into(),
        }
    }

    #[test]
    fn f014_a_token_is_good_for_its_time_and_its_keys_only() {
        let entropy = Entropy::seeded(1);
        let clock = Clock::manual("2026-11-21T00:00:00Z".parse().unwrap());
        let keys = Keys::ephemeral(&entropy);
        let who = principal(&entropy, clock.now());
        let token = AccessToken::issue(&who, &keys, &clock, &entropy).unwrap();
        assert_eq!(
            AccessToken::read(&token, &keys, clock.now(), None).unwrap(),
            who
        );
        let strangers = Keys::ephemeral(&entropy);
        assert_eq!(
            AccessToken::read(&token, &strangers, clock.now(), None),
            Err(TokenError::NotOurs)
        );
        let receipt = keys.sign_receipt(&serde_json::json!({"iss": ISSUER, "aud": AUDIENCE, "sub": "x", "exp": 9_999_999_999_i64})).unwrap();
        assert_eq!(
            AccessToken::read(&receipt, &keys, clock.now(), None),
            Err(TokenError::NotOurs)
        );
        let early = clock.now().minus(Duration::from_secs(120));
        assert_eq!(
            AccessToken::read(&token, &keys, early, None),
            Err(TokenError::NotOurs)
        );
        clock
            .advance(TOKEN_LIFETIME + Duration::from_secs(31))
            .unwrap();
        assert_eq!(
            AccessToken::read(&token, &keys, clock.now(), None),
            Err(TokenError::Expired)
        );
    }

    #[test]
    fn f013_forged_tokens_are_refused() {
        let entropy = Entropy::seeded(1);
        let clock = Clock::manual("2026-11-21T00:00:00Z".parse().unwrap());
        let keys = Keys::ephemeral(&entropy);
        let token =
            AccessToken::issue(&principal(&entropy, clock.now()), &keys, &clock, &entropy).unwrap();
        let [header, claims, signature] = token.split('.').collect::<Vec<_>>()[..] else {
            panic!("a compact JWS has three parts")
        };
        use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as B64};
        let kid = keys.first_token_key().to_owned();
        let forged = |json: serde_json::Value| B64.encode(json.to_string());
        let none = forged(serde_json::json!({"alg": "none", "typ": TYPE, "kid": kid}));
        let hs = forged(serde_json::json!({"alg": "HS256", "typ": TYPE, "kid": kid}));
        let jku = forged(
            serde_json::json!({"alg": "EdDSA", "typ": TYPE, "kid": kid, "jku": "http://127.0.0.1/"}),
        );
        let traversal =
            forged(serde_json::json!({"alg": "EdDSA", "typ": TYPE, "kid": "../../etc/passwd"}));
        let mut zero = vec![0_u8; 64];
        let zero_signature = B64.encode(&zero);
        zero[0] = 1;
        for bad in [
            format!("{none}.{claims}."),
            format!("{none}.{claims}.{signature}"),
            format!("{hs}.{claims}.{signature}"),
            format!("{jku}.{claims}.{signature}"),
            format!("{traversal}.{claims}.{signature}"),
            format!("{header}.{claims}.{zero_signature}"),
            format!("{header}.{claims}.{}", B64.encode(&zero)),
            format!("{header}.{claims}"),
            format!("{header}.{claims}.{signature}.{signature}"),
            String::new(),
            "..".to_owned(),
            "a".repeat(1 << 20),
        ] {
            assert_eq!(
                AccessToken::read(&bad, &keys, clock.now(), None),
                Err(TokenError::NotOurs)
            );
        }
    }
}
