//! Internal tokens: what the gateway (or another service) says to a service, signed.
//!
//! An inner listener serves nobody without one. It names the service it is for, the caller as the gateway found it, the
//! request it belongs to and when the answer is of no more use; it lives for seconds. Nothing that a client sends can
//! look like it: its own key, type and audience (RFC 8725 3.11, 3.12).

use std::collections::BTreeSet;

use jsonwebtoken::{Algorithm, Validation};
use serde::{Deserialize, Serialize};
use warikan_types::{
    Client, ClientScope, Environment, Id, Principal, TenantId, TenantScope, Timestamp,
};

use crate::{Keys, SignError};

/// The header that carries it.
pub const INTERNAL_TOKEN_HEADER: &str = "x-warikan-internal";
/// Seconds for which a token may begin a request: it is made for one that is sent at once.
const LIFETIME: i64 = 30;
/// Seconds by which the clocks of two machines may differ.
const SKEW: i64 = 30;
const TYPE: &str = "warikan-internal+jwt";
const MAX_LENGTH: usize = 4096;

/// One call within the platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InternalCall {
    /// Who calls: `gateway`, or a service's name.
    pub from: String,
    /// The service it is for.
    pub to: String,
    /// On whose behalf; `None` for an operation without credentials, and for the platform's own questions.
    pub principal: Option<Principal>,
    /// Which request of a client it belongs to.
    pub request_id: String,
    /// After this the answer is of no use to anyone.
    pub deadline: Timestamp,
}

/// Who of the platform's processes asks, for handlers of inner routes: put among a request's extensions by the inner listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AskingService(pub String);

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Claims {
    iss: String,
    aud: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    sub: Option<Id<Client>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<TenantId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    environment: Option<Environment>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    scope: String,
    rid: String,
    /// Milliseconds since 1970.
    deadline: i64,
    iat: i64,
    exp: i64,
}

/// Not a token of this platform for this service at this time. There is no more to say to whoever sends one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no valid internal token")]
pub struct InternalTokenError;

fn issuer(from: &str) -> String {
    format!("urn:warikan:{from}")
}

fn audience(to: &str) -> String {
    format!("urn:warikan:service:{to}")
}

impl InternalCall {
    /// Signs it.
    ///
    /// # Errors
    /// Signing failed.
    pub fn sign(&self, keys: &Keys, now: Timestamp) -> Result<String, SignError> {
        let principal = self.principal.as_ref();
        let tenant = principal.and_then(|principal| principal.tenant);
        let scopes: Vec<&str> = principal
            .iter()
            .flat_map(|principal| &principal.scopes)
            .map(|scope| scope.as_str())
            .collect();
        let claims = Claims {
            iss: issuer(&self.from),
            aud: audience(&self.to),
            sub: principal.map(|principal| principal.client),
            tenant: tenant.map(|scope| scope.tenant()),
            environment: tenant.map(|scope| scope.environment()),
            scope: scopes.join(" "),
            rid: self.request_id.clone(),
            deadline: self.deadline.unix_millis(),
            iat: now.unix(),
            exp: now.unix() + LIFETIME,
        };
        keys.internal().sign(TYPE, &claims)
    }

    /// Reads a token that must be for `service`.
    ///
    /// # Errors
    /// [`InternalTokenError`].
    pub fn read(
        token: &str,
        service: &str,
        keys: &Keys,
        now: Timestamp,
    ) -> Result<Self, InternalTokenError> {
        if token.len() > MAX_LENGTH {
            return Err(InternalTokenError);
        }
        let key = keys.internal();
        let header = jsonwebtoken::decode_header(token).map_err(|_| InternalTokenError)?;
        if header.typ.as_deref() != Some(TYPE) || header.kid.as_deref() != Some(&key.kid) {
            return Err(InternalTokenError);
        }
        let mut rules = Validation::new(Algorithm::EdDSA);
        rules.set_audience(&[audience(service)]);
        rules.set_required_spec_claims(&["iss", "aud", "exp"]);
        // Times are judged below, by the platform's clock instead of the machine's.
        rules.validate_exp = false;
        let claims = jsonwebtoken::decode::<Claims>(token, &key.decoding, &rules)
            .map_err(|_| InternalTokenError)?
            .claims;
        if claims.iat > now.unix() + SKEW || claims.exp + SKEW <= now.unix() {
            return Err(InternalTokenError);
        }
        claims.call(service).ok_or(InternalTokenError)
    }
}

impl Claims {
    fn call(self, to: &str) -> Option<InternalCall> {
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
        Some(InternalCall {
            from: self.iss.strip_prefix("urn:warikan:")?.to_owned(),
            to: to.to_owned(),
            principal: self.sub.map(|client| Principal {
                client,
                tenant,
                scopes,
            }),
            request_id: self.rid,
            deadline: Timestamp::from_unix_millis(self.deadline)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use warikan_types::{Clock, Entropy};

    use super::*;
    use crate::AccessToken;

    #[test]
    fn f006_a_token_is_good_for_its_service_its_time_and_its_platform_only() {
        let entropy = Entropy::seeded(1);
        let clock = Clock::manual("2026-11-21T00:00:00Z".parse().unwrap());
        let keys = Keys::ephemeral(&entropy);
        let now = clock.now();
        let principal = Principal {
            client: entropy.id(now),
            tenant: Some(TenantScope::of_event(entropy.id(now), Environment::Sandbox)),
            scopes: [ClientScope::Verifications, ClientScope::Events].into(),
        };
        let call = InternalCall {
            from: "gateway".to_owned(),
            to: "billing".to_owned(),
            principal: Some(principal.clone()),
            request_id: "req_1".to_owned(),
            deadline: now.plus(Duration::from_millis(1_500)),
        };
        let token = call.sign(&keys, now).unwrap();
        let read =
            |token: &str, service, keys: &Keys, at| InternalCall::read(token, service, keys, at);
        assert_eq!(read(&token, "billing", &keys, now).unwrap(), call);
        let nobody = InternalCall {
            principal: None,
            ..call.clone()
        };
        let anonymous = nobody.sign(&keys, now).unwrap();
        assert_eq!(read(&anonymous, "billing", &keys, now).unwrap(), nobody);

        assert!(
            read(&token, "webhooks", &keys, now).is_err(),
            "for another service"
        );
        assert!(
            read(&token, "billing", &Keys::ephemeral(&entropy), now).is_err(),
            "of another platform"
        );
        let late = now.plus(Duration::from_secs(61));
        assert!(read(&token, "billing", &keys, late).is_err(), "too late");
        let early = now.minus(Duration::from_secs(31));
        assert!(read(&token, "billing", &keys, early).is_err(), "too early");
        let access = AccessToken::issue(&principal, &keys, &clock, &entropy).unwrap();
        assert!(
            read(&access, "billing", &keys, now).is_err(),
            "a client's own token"
        );
        assert!(
            AccessToken::read(&token, &keys, now, None).is_err(),
            "and not the other way round"
        );
        assert!(read("", "billing", &keys, now).is_err());
    }
}
