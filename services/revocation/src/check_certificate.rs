//! A look-up that a tenant asks for: one of its watched certificates, now or as of an earlier moment.
//!
//! By the list in memory, and where the tenant wants it by OCSP as well: issuer and serial number are all that a live question
//! needs, so the certificate itself was never kept. Which source decides has the same rules as for verifications
//! ([`warikan_status`]).

use std::time::Duration;

use serde::Deserialize;
use utoipa::ToSchema;
use warikan_contracts::facts::{Channel, CheckedCertificate};
use warikan_http::{Answer, Idempotency};
use warikan_pki::{AgeBounds, Judged, StatusKnowledge};
use warikan_status::{AskedChannel, Gathered, Heard, Subject, Wanted, knowledge};
use warikan_types::{
    BillingMonth, CertificateHandle, CertificateId, CertificateKind, CrlPartition, Id, Request,
    Span, TenantScope, Timestamp,
};

use crate::{
    Revocation,
    entity::{status_check, watch},
    error::Error,
    status_view::{CheckState, StatusView, UnknownReason, sources},
    store::{checks, issuer_of, kind_of, partition_of, serial_of, watches},
};

/// How far issuers' clocks may be ahead of ours.
pub(crate) const CLOCK_SKEW: Duration = Duration::from_secs(60);

/// How the status is wanted. The body may be absent.
#[derive(Debug, Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewCheck {
    /// A moment of the past: what the list that was the newest then said. Now, without it.
    #[serde(default)]
    pub(crate) at: Option<Timestamp>,
    /// Which source to ask; `crl` by default. A live answer counts each time on the bill, the list once a month. Of the past only
    /// the lists tell.
    #[serde(default)]
    pub(crate) channel: Option<AskedChannel>,
    /// How old the revocation information may be (ISO 8601, `PT24H`), counted to the moment that is asked about; its own nextUpdate
    /// otherwise.
    #[serde(default)]
    pub(crate) max_age: Option<Span>,
}

/// What a look-up came to.
enum Looked {
    Found {
        row: status_check::Model,
        kind: CertificateKind,
        /// What the bill counts.
        channel: Channel,
    },
    /// The first list that covers the certificate is of this moment.
    TooEarly(Timestamp),
    /// Several sources were asked and none said anything usable.
    Unanswered(Vec<Heard>),
}

/// A certificate that is, or was, watched.
struct Watched {
    row: watch::Model,
    id: CertificateId,
    partition: Option<CrlPartition>,
    kind: CertificateKind,
}

impl Watched {
    fn read(row: watch::Model) -> Result<Self, Error> {
        Ok(Self {
            id: CertificateId {
                issuer: issuer_of(&row.issuer)?,
                serial: serial_of(&row.serial)?,
            },
            partition: partition_of(&row.partition)?,
            kind: kind_of(&row.kind)?,
            row,
        })
    }
}

impl Revocation {
    /// Looks a watched certificate up, keeps what was found, and tells billing. 200 with the status. As of an earlier moment also one
    /// whose watch has ended.
    pub(crate) async fn check_certificate(
        &self,
        scope: TenantScope,
        handle: CertificateHandle,
        wanted: NewCheck,
        once: Idempotency,
    ) -> Result<Answer, Error> {
        let now = self.0.platform.clock().now();
        let at = self.time_of(scope.environment());
        // Before anything is written: the archive may have much to read, and a responder may be slow.
        let looked = self.look_up(scope, handle, wanted, at).await;
        let txn = self.0.db.begin_write(scope).await?;
        if let Some(answer) = once.claim(&txn, now).await? {
            txn.rollback().await?;
            return Ok(answer);
        }
        let answer = match looked? {
            Looked::TooEarly(first) => {
                let view = StatusView::before_the_first(wanted.at.unwrap_or(at), first, at);
                Answer::json(200, &view)
            }
            Looked::Unanswered(heard) => Answer::json(200, &StatusView::unanswered(&heard, at)),
            Looked::Found { row, kind, channel } => {
                let answer = Answer::json(200, &StatusView::of(&row)?);
                let answered = row.state != CheckState::Unknown.as_str();
                checks::insert(&txn, row).await?;
                // What could not be found out is no answer, and costs nothing; a live answer is one whatever it says.
                if answered || channel == Channel::Ocsp {
                    let checked = vec![CheckedCertificate { handle, kind }];
                    let told = (BillingMonth::of(now), channel, checked);
                    self.tell_checked(&txn, scope, told).await?;
                }
                answer
            }
        };
        once.keep(&txn, &answer).await?;
        txn.commit().await?;
        self.0.relay.wake();
        Ok(answer)
    }

    async fn look_up(
        &self,
        scope: TenantScope,
        handle: CertificateHandle,
        wanted: NewCheck,
        at: Timestamp,
    ) -> Result<Looked, Error> {
        let watched = {
            let db = self.0.db.begin_read(scope).await?;
            match wanted.at {
                None => watches::of_certificate(scope, &db, handle, 1).await?.pop(),
                Some(_) => watches::last_of_certificate(scope, &db, handle).await?,
            }
        };
        let watched = Watched::read(watched.ok_or(Error::NotFound)?)?;
        let gathered = match wanted.at {
            None => self.ask_now(scope, &watched, wanted, at).await,
            Some(then) => self.ask_archive(scope, &watched, then).await?,
        };
        let channel = gathered.channel();
        let Some(found) = &gathered.deciding else {
            return self
                .nothing_found(scope, &watched, wanted.at, gathered)
                .await;
        };
        let bounds = AgeBounds {
            max_age: wanted.max_age.map(Span::duration),
            clock_skew: CLOCK_SKEW,
        };
        let about = wanted.at.unwrap_or(at);
        let judged = gathered.judged(bounds, about);
        let id: Id<Request> = self.0.platform.entropy.id(self.0.platform.clock().now());
        let heard = sources(&gathered.heard, about);
        let row = status_check::Model {
            id: id.uuid(),
            checked_at: at.utc(),
            as_of: wanted.at.map(Timestamp::utc),
            sources: (!heard.is_empty())
                .then(|| serde_json::to_string(&heard).map_err(|_| Error::NoStatus))
                .transpose()?,
            ..row_of(scope, &watched.row, found, judged, about)
        };
        Ok(Looked::Found {
            row,
            kind: watched.kind,
            channel,
        })
    }

    async fn ask_now(
        &self,
        scope: TenantScope,
        watched: &Watched,
        wanted: NewCheck,
        at: Timestamp,
    ) -> Gathered {
        let anchors = self.0.anchors.current();
        let subject = Subject {
            id: &watched.id,
            partition: watched.partition,
            kind: Some(watched.kind),
            issuer: anchors.by_key(&watched.id.issuer),
            certificate: None,
        };
        let wanted = Wanted {
            environment: scope.environment(),
            channel: wanted.channel.unwrap_or(AskedChannel::Crl),
            max_age: wanted.max_age.map(Span::duration),
            at,
        };
        self.0.asked.gather(subject, wanted).await
    }

    async fn ask_archive(
        &self,
        scope: TenantScope,
        watched: &Watched,
        then: Timestamp,
    ) -> Result<Gathered, Error> {
        let found = self
            .status_as_of(scope.environment(), &watched.id, watched.partition, then)
            .await?;
        Ok(Gathered {
            deciding: found.map(knowledge),
            ..Gathered::default()
        })
    }

    async fn nothing_found(
        &self,
        scope: TenantScope,
        watched: &Watched,
        then: Option<Timestamp>,
        gathered: Gathered,
    ) -> Result<Looked, Error> {
        let environment = scope.environment();
        let first = self
            .first_list(environment, &watched.id, watched.partition)
            .await?;
        match (then, first) {
            (Some(then), Some(first)) if then < first => Ok(Looked::TooEarly(first)),
            (None, _) if gathered.heard.len() > 1 => Ok(Looked::Unanswered(gathered.heard)),
            _ => Err(Error::NoStatus),
        }
    }
}

/// A look-up made at the moment that it is about.
fn row_of(
    scope: TenantScope,
    watched: &watch::Model,
    found: &StatusKnowledge,
    judged: Judged,
    at: Timestamp,
) -> status_check::Model {
    let (state, revoked, why) = match judged {
        Judged::Good => (CheckState::Good, None, None),
        Judged::Revoked { reason, revoked_at } => {
            (CheckState::Revoked, Some((reason, revoked_at)), None)
        }
        Judged::Unknown(why) => (CheckState::Unknown, None, UnknownReason::word(why)),
    };
    status_check::Model {
        id: uuid::Uuid::nil(),
        tenant: scope.tenant().uuid(),
        environment: scope.environment().as_str().to_owned(),
        handle: watched.handle,
        state: state.as_str().to_owned(),
        channel: found.channel.as_str().to_owned(),
        reason: revoked.map(|(reason, _)| i16::from(reason.code())),
        revoked_at: revoked.map(|(_, revoked_at)| revoked_at.utc()),
        this_update: found.this_update.utc(),
        next_update: found.next_update.unwrap_or(found.this_update).utc(),
        age_seconds: i64::try_from(at.since(found.this_update).as_secs()).unwrap_or(i64::MAX),
        version: found.version.clone(),
        checked_at: at.utc(),
        as_of: None,
        unknown_reason: why.map(str::to_owned),
        sources: None,
    }
}
