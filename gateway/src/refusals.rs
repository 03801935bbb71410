//! Requests that the edge, or a service behind it, refused to a caller that is known: they belong into the audit trail.
//!
//! The first of a kind (credential, reason) is told at the next turn; those that follow are counted, and told once a minute. So a flood costs
//! no more than a record a minute, and who is refused for the first time is seen at once. What has not been told is lost where the process
//! is killed: of a kind that has been told before, that is a number.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use actix_web::{
    HttpMessage,
    dev::{ServiceRequest, ServiceResponse},
    http::{StatusCode, header::WWW_AUTHENTICATE},
};
use futures_util::future::BoxFuture;
use warikan_contracts::api::{Refusal, Refused};
use warikan_http::{Authentication, Origin, current_request_id};
use warikan_runtime::Peer;
use warikan_types::{Client, Clock, Id, Timestamp};

/// How often [`Refusals::tell`] wants to be called.
pub const TELL_REFUSALS: Duration = Duration::from_secs(5);
/// A kind that was told is told again after this, with the number of those that came meanwhile.
const QUIET: Duration = Duration::from_secs(60);
/// Kinds that are counted at a time, of callers that have proved who they are.
const MOST: usize = 1_000;
/// And of tokens that are not ours: whoever makes them up must not crowd out the others.
const MOST_UNPROVED: usize = 200;
/// How long onboarding may take to take them.
const PATIENCE: Duration = Duration::from_secs(2);

type Tell = dyn Fn(Vec<Refusal>) -> BoxFuture<'static, Result<(), String>> + Send + Sync;

/// What was refused. Clones share it.
#[derive(Clone)]
pub struct Refusals(Arc<Inner>);

struct Inner {
    clock: Clock,
    tell: Box<Tell>,
    kinds: Mutex<BTreeMap<(Id<Client>, Refused), Seen>>,
}

struct Seen {
    refusal: Refusal,
    /// Since it was told last.
    times: u64,
    quiet_until: Option<Timestamp>,
}

/// Who was refused, in the request's extensions, where its [`Authentication`] does not say it.
pub(crate) struct RefusedCaller(pub(crate) Refusal);

impl Refusals {
    /// Those that are told so.
    #[must_use]
    pub fn new(
        clock: Clock,
        tell: impl Fn(Vec<Refusal>) -> BoxFuture<'static, Result<(), String>> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(Inner {
            clock,
            tell: Box::new(tell),
            kinds: Mutex::default(),
        }))
    }

    /// Those that onboarding in another process is told of.
    #[must_use]
    pub fn to_peer(onboarding: Peer, clock: Clock) -> Self {
        Self::new(clock, move |refusals| {
            let onboarding = onboarding.clone();
            Box::pin(async move {
                let told = tell_peer(&onboarding, &refusals).await;
                if told.is_err() {
                    onboarding.turn_elsewhere();
                }
                told
            })
        })
    }

    fn kinds(&self) -> MutexGuard<'_, BTreeMap<(Id<Client>, Refused), Seen>> {
        self.0.kinds.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes one.
    fn note(&self, refusal: Refusal) {
        let mut kinds = self.kinds();
        let key = (refusal.client, refusal.why);
        if let Some(seen) = kinds.get_mut(&key) {
            if seen.times == 0 {
                seen.refusal = refusal;
            } else {
                seen.refusal.last_at = refusal.last_at;
            }
            seen.times += 1;
            return;
        }
        let proved = refusal.why.is_proved();
        let alike = kinds.keys().filter(|(_, why)| why.is_proved() == proved);
        let room = if proved { MOST } else { MOST_UNPROVED };
        // Those beyond are not counted: a thousand others say that something is going on.
        if alike.count() < room {
            let seen = Seen {
                refusal,
                times: 1,
                quiet_until: None,
            };
            kinds.insert(key, seen);
        }
    }

    /// Looks at an answer, and notes it where it refuses a known caller.
    pub(crate) fn hear<B>(&self, response: &ServiceResponse<B>) {
        let request = response.request();
        let refused = match response.status() {
            StatusCode::UNAUTHORIZED => {
                let extensions = request.extensions();
                let caller = extensions.get::<RefusedCaller>();
                caller.map(|caller| caller.0.clone())
            }
            StatusCode::FORBIDDEN => lacking_scope(response),
            _ => None,
        };
        if let Some(refusal) = refused {
            self.note(refusal);
        }
    }

    /// What is to be told now; kinds that were quiet for their time are forgotten.
    fn due(&self, now: Timestamp) -> Vec<Refusal> {
        let mut kinds = self.kinds();
        let waits = |seen: &Seen| seen.quiet_until.is_some_and(|until| now < until);
        kinds.retain(|_, seen| seen.times > 0 || waits(seen));
        let due = kinds.values_mut().filter(|seen| !waits(seen));
        due.map(|seen| Refusal {
            times: seen.times,
            ..seen.refusal.clone()
        })
        .collect()
    }

    /// Tells of those that are due. To be called every [`TELL_REFUSALS`].
    ///
    /// # Errors
    /// Nobody took them; they are told the next time.
    pub async fn tell(&self) -> Result<(), String> {
        let now = self.0.clock.now();
        let due = self.due(now);
        if due.is_empty() {
            return Ok(());
        }
        (self.0.tell)(due.clone()).await?;
        let mut kinds = self.kinds();
        for told in due {
            if let Some(seen) = kinds.get_mut(&(told.client, told.why)) {
                // Others may have come while these were told.
                seen.times -= told.times.min(seen.times);
                seen.quiet_until = Some(now.plus(QUIET));
            }
        }
        Ok(())
    }
}

/// A 403 for want of a scope; which one, says the challenge.
fn lacking_scope<B>(response: &ServiceResponse<B>) -> Option<Refusal> {
    let challenge = response.headers().get(WWW_AUTHENTICATE)?.to_str().ok()?;
    if !challenge.contains("error=\"insufficient_scope\"") {
        return None;
    }
    let wanted = challenge.split("scope=\"").nth(1);
    let wanted = wanted.and_then(|rest| rest.split('"').next());
    let request = response.request();
    let extensions = request.extensions();
    let Some(Authentication::Granted(principal)) = extensions.get::<Authentication>() else {
        return None;
    };
    let origin = extensions.get::<Origin>();
    let at = request.app_data::<actix_web::web::Data<Clock>>()?.now();
    Some(Refusal {
        client: principal.client,
        tenant: principal.tenant.map(|scope| scope.tenant()),
        environment: principal.tenant.map(|scope| scope.environment()),
        why: Refused::Scope,
        times: 1,
        first_at: at,
        last_at: at,
        address: origin.and_then(|origin| origin.address),
        request_id: current_request_id(),
        wanted: wanted.map(str::to_owned),
    })
}

/// Leaves in the request whose token was refused.
pub(crate) fn leave(
    request: &ServiceRequest,
    (client, tenant): (Id<Client>, Option<warikan_types::TenantScope>),
    why: Refused,
    address: Option<IpAddr>,
    at: Timestamp,
) {
    let refusal = Refusal {
        client,
        tenant: tenant.map(|scope| scope.tenant()),
        environment: tenant.map(|scope| scope.environment()),
        why,
        times: 1,
        first_at: at,
        last_at: at,
        address,
        request_id: current_request_id(),
        wanted: None,
    };
    request.extensions_mut().insert(RefusedCaller(refusal));
}

async fn tell_peer(onboarding: &Peer, refusals: &[Refusal]) -> Result<(), String> {
    let request = onboarding
        .post("/inner/refusals", PATIENCE)
        .map_err(|error| error.to_string())?;
    let answer = request
        .json(refusals)
        .send()
        .await
        .map_err(|_| "onboarding does not answer".to_owned())?;
    if !answer.status().is_success() {
        return Err(format!("onboarding answers {}", answer.status()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use warikan_types::Entropy;

    use super::*;

    fn refusal(client: Id<Client>, why: Refused, at: Timestamp) -> Refusal {
        Refusal {
            client,
            tenant: None,
            environment: None,
            why,
            times: 1,
            first_at: at,
            last_at: at,
            address: None,
            request_id: None,
            wanted: None,
        }
    }

    #[tokio::test]
    async fn a_flood_is_a_record_a_minute_with_its_number_and_an_outage_forgets_nothing() {
        let clock = Clock::manual("2026-11-21T00:00:00Z".parse().unwrap());
        let entropy = Entropy::seeded(3);
        let told: Arc<Mutex<Vec<u64>>> = Arc::default();
        let away = Arc::new(AtomicBool::new(false));
        let (heard, gone) = (Arc::clone(&told), Arc::clone(&away));
        let refusals = Refusals::new(clock.clone(), move |some| {
            let (heard, gone) = (Arc::clone(&heard), Arc::clone(&gone));
            Box::pin(async move {
                if gone.load(Ordering::SeqCst) {
                    return Err("away".to_owned());
                }
                heard
                    .lock()
                    .unwrap()
                    .extend(some.iter().map(|one| one.times));
                Ok(())
            })
        });
        let client = entropy.id(clock.now());
        let flood = |count: usize| {
            for _ in 0..count {
                refusals.note(refusal(client, Refused::Scope, clock.now()));
            }
        };
        flood(1);
        refusals.tell().await.unwrap();
        assert_eq!(*told.lock().unwrap(), [1], "the first at once");
        flood(500);
        refusals.tell().await.unwrap();
        assert_eq!(told.lock().unwrap().len(), 1, "not before a minute is over");
        clock.advance(QUIET).unwrap();
        away.store(true, Ordering::SeqCst);
        assert!(refusals.tell().await.is_err());
        flood(7);
        away.store(false, Ordering::SeqCst);
        refusals.tell().await.unwrap();
        assert_eq!(*told.lock().unwrap(), [1, 507]);
        // Silence is forgotten, and the next one is a first one.
        clock.advance(QUIET).unwrap();
        refusals.tell().await.unwrap();
        assert!(refusals.kinds().is_empty());
        flood(1);
        refusals.tell().await.unwrap();
        assert_eq!(*told.lock().unwrap(), [1, 507, 1]);
        // Whoever makes names up does not crowd out those who have proved theirs.
        for _ in 0..2 * MOST_UNPROVED {
            let made_up = entropy.id(clock.now());
            refusals.note(refusal(made_up, Refused::NotOurs, clock.now()));
        }
        refusals.note(refusal(
            entropy.id(clock.now()),
            Refused::Denied,
            clock.now(),
        ));
        refusals.tell().await.unwrap();
        assert_eq!(told.lock().unwrap().len(), 3 + MOST_UNPROVED + 1);
    }
}
