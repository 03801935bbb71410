//! Requests that were answered before: their answers, in Redis, so that a repetition need not reach its service (F003, F008, F081).
//!
//! The service's database keeps every answer to an Idempotency-Key and decides alone. What lies here is a sealed copy of an answer that the
//! service has committed, for some minutes, under a name in which everything is that could make another answer right: tenant, environment,
//! credential and its scopes, operation, key, the headers that a service reads and the body. So a hit can only say what the
//! service would say; anything else is a miss, and goes to the service: another body to its 409, a Redis that is away, slow or
//! empty to the same answer a little later.

use std::time::Duration;

use actix_web::http::header::HeaderMap;
use sha2::{Digest, Sha256};
use warikan_http::Answer;
use warikan_runtime::{RedisServer, metrics};
use warikan_types::{Clock, Principal, Sealer};

/// How long an answer lies in Redis: long enough for a client's own repetitions, short beside the time for which services keep theirs.
const LIFETIME: Duration = Duration::from_secs(300);
/// A longer answer is the service's alone.
const LONGEST: usize = 64 << 10;
const KIND: &str = "answer";

/// Headers of a request that may decide about its answer.
const READ: [&str; 8] = [
    "accept",
    "accept-language",
    "content-encoding",
    "content-type",
    "if-match",
    "if-none-match",
    "prefer",
    "range",
];

/// Copies of answers. Clones share them.
#[derive(Clone)]
pub(crate) struct Recall {
    redis: RedisServer,
    sealer: Sealer,
    clock: Clock,
}

/// What names a request: equal for requests that must get the same answer, and for no others.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Place(String);

/// A request whose answer may be known.
pub(crate) struct Asked<'a> {
    pub(crate) principal: &'a Principal,
    pub(crate) method: &'a str,
    /// With its query.
    pub(crate) target: &'a str,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: &'a [u8],
}

impl Asked<'_> {
    /// Its name, where it is a tenant's and has exactly one Idempotency-Key.
    pub(crate) fn place(&self) -> Option<Place> {
        let scope = self.principal.tenant?;
        let mut keys = self.headers.get_all("idempotency-key");
        let (Some(key), None) = (keys.next(), keys.next()) else {
            return None;
        };
        let mut name = Name(Sha256::new());
        name.part(scope.tenant().to_string().as_bytes());
        name.part(scope.environment().as_str().as_bytes());
        // Another credential of the tenant may lack the scope that the answer needs.
        name.part(self.principal.client.to_string().as_bytes());
        name.list(
            self.principal
                .scopes
                .iter()
                .map(|scope| scope.as_str().as_bytes()),
        );
        name.part(self.method.as_bytes());
        name.part(self.target.as_bytes());
        name.part(key.as_bytes());
        for header in READ {
            name.list(self.headers.get_all(header).map(|value| value.as_bytes()));
        }
        name.part(self.body);
        Some(Place(hex::encode(name.0.finalize())))
    }
}

/// Hashes with lengths in front, so that no two lists of parts meet.
struct Name(Sha256);

impl Name {
    fn part(&mut self, octets: &[u8]) {
        self.0.update((octets.len() as u64).to_be_bytes());
        self.0.update(octets);
    }

    fn list<'a>(&mut self, parts: impl Iterator<Item = &'a [u8]>) {
        let parts: Vec<&[u8]> = parts.collect();
        self.0.update((parts.len() as u64).to_be_bytes());
        parts.into_iter().for_each(|part| self.part(part));
    }
}

impl Recall {
    pub(crate) const fn new(redis: RedisServer, sealer: Sealer, clock: Clock) -> Self {
        Self {
            redis,
            sealer,
            clock,
        }
    }

    /// What was answered here before.
    pub(crate) async fn answer(&self, place: &Place) -> Option<Answer> {
        let sealed = self.redis.kept(KIND, &place.0, self.clock.now()).await;
        let answer = sealed.and_then(|sealed| {
            let plain = self.sealer.open(&bound_to(place), &sealed).ok()?;
            let (status, body) = plain.split_first_chunk::<2>()?;
            Some(Answer::replayed(u16::from_be_bytes(*status), body.to_vec()))
        });
        metrics::recall(if answer.is_some() { "hit" } else { "miss" });
        answer
    }

    /// Keeps an answer that the service has committed.
    pub(crate) async fn keep(&self, place: &Place, status: u16, body: &[u8]) {
        if body.len() > LONGEST {
            return;
        }
        let mut plain = status.to_be_bytes().to_vec();
        plain.extend_from_slice(body);
        let sealed = self.sealer.seal(&bound_to(place), &plain);
        let now = self.clock.now();
        if self
            .redis
            .keep(KIND, &place.0, &sealed, Some(LIFETIME), now)
            .await
        {
            metrics::recall("kept");
        }
    }
}

fn bound_to(place: &Place) -> String {
    format!("recall/{}", place.0)
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;
    use proptest::prelude::*;
    use warikan_types::{ClientScope, Entropy, Environment, TenantScope};

    use super::*;

    /// Everything that a name is made of, in small alphabets: so that equal ones come up, and parts that could be parted elsewhere.
    #[derive(Debug, Clone, PartialEq, Eq)]
    struct Written {
        tenant: u64,
        production: bool,
        client: u64,
        scopes: u8,
        method: &'static str,
        target: String,
        key: String,
        content_type: Vec<String>,
        body: String,
    }

    fn written() -> impl Strategy<Value = Written> {
        let text = || "[ab:0-1]{1,3}";
        (
            (0..2_u64, any::<bool>(), 0..2_u64, 0..3_u8),
            prop_oneof![Just("POST"), Just("PUT")],
            text(),
            text(),
            proptest::collection::vec(text(), 0..3),
            "[ab:0-1]{0,3}",
        )
            .prop_map(
                |(
                    (tenant, production, client, scopes),
                    method,
                    target,
                    key,
                    content_type,
                    body,
                )| {
                    Written {
                        tenant,
                        production,
                        client,
                        scopes,
                        method,
                        target,
                        key,
                        content_type,
                        body,
                    }
                },
            )
    }

    impl Written {
        fn place(&self) -> Place {
            let at = "2026-11-21T00:00:00Z".parse().unwrap();
            let environment = if self.production {
                Environment::Production
            } else {
                Environment::Sandbox
            };
            let tenant = Entropy::seeded(self.tenant).id(at);
            let scopes = [ClientScope::Verifications, ClientScope::Events];
            let principal = Principal {
                client: Entropy::seeded(100 + self.client).id(at),
                tenant: Some(TenantScope::of_event(tenant, environment)),
                scopes: scopes.into_iter().take(self.scopes.into()).collect(),
            };
            let mut request =
                TestRequest::default().insert_header(("idempotency-key", self.key.as_str()));
            for one in &self.content_type {
                request = request.append_header(("content-type", one.as_str()));
            }
            let request = request.to_http_request();
            let asked = Asked {
                principal: &principal,
                method: self.method,
                target: &self.target,
                headers: request.headers(),
                body: self.body.as_bytes(),
            };
            asked.place().unwrap()
        }
    }

    proptest! {
        #[test]
        fn f003_f008_two_requests_share_an_answer_only_where_everything_is_the_same(
            one in written(),
            other in written(),
        ) {
            prop_assert_eq!(one.place() == other.place(), one == other);
            // The same letters, parted elsewhere between key and target.
            let mut moved = one.clone();
            moved.target.push(moved.key.remove(0));
            if !moved.key.is_empty() {
                prop_assert_ne!(one.place(), moved.place());
            }
        }
    }

    #[test]
    fn requests_without_one_key_of_one_tenant_are_never_recalled() {
        let entropy = Entropy::seeded(3);
        let at = "2026-11-21T00:00:00Z".parse().unwrap();
        let operator = Principal {
            client: entropy.id(at),
            tenant: None,
            scopes: [ClientScope::Operator].into(),
        };
        let tenant = Principal {
            tenant: Some(TenantScope::of_event(entropy.id(at), Environment::Sandbox)),
            ..operator.clone()
        };
        let place = |principal: &Principal, keys: &[&str]| {
            let mut request = TestRequest::default();
            for key in keys {
                request = request.append_header(("idempotency-key", *key));
            }
            let request = request.to_http_request();
            let asked = Asked {
                principal,
                method: "POST",
                target: "/v1/verifications",
                headers: request.headers(),
                body: b"{}",
            };
            asked.place()
        };
        assert!(place(&tenant, &["a"]).is_some());
        assert_eq!(place(&tenant, &[]), None);
        assert_eq!(place(&tenant, &["a", "b"]), None);
        assert_eq!(place(&operator, &["a"]), None);
    }
}
