//! Usage records: what a fact means to the meter.
//!
//! A record is keyed by the **operation** that it counts, not by the message that told of it: however often a message
//! comes, and in how many copies, the operation is one row (the database's unique key says so).

use chrono::NaiveDate;
use warikan_contracts::{
    Envelope, EnvelopeError,
    facts::{Channel, StatusChecked, VerificationCompleted},
    operations::{Metered, MeteredOperation, OperationKey},
};
use warikan_types::{
    BillingMonth, CertificateHandle, CertificateKind, Environment, Event, Id, Reason, Timestamp,
    Verdict, Verification,
};

use crate::{
    billable::Rule,
    calendar::{first_day, jst_date, month_of},
    words::{Meter, Purpose},
};

/// One metered operation, before it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Operation {
    pub(crate) meter: Meter,
    /// Unique per tenant, environment and meter.
    pub(crate) key: String,
    /// Summed up in comparisons with what services say.
    pub(crate) mark: i64,
    pub(crate) purpose: Option<Purpose>,
    pub(crate) kind: Option<CertificateKind>,
    pub(crate) channel: Option<Channel>,
    pub(crate) accepted_at: Timestamp,
    pub(crate) month: BillingMonth,
    /// The day in Japan whose tariff applies.
    pub(crate) priced_on: NaiveDate,
    pub(crate) rule: Rule,
    pub(crate) verdict: Option<Verdict>,
    pub(crate) reason: Option<Reason>,
}

/// The fact lies in no month that is ever billed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0} lies in no billing month")]
pub(crate) struct OutOfTime(pub(crate) Timestamp);

impl Operation {
    /// What a service says of an operation, in its fact or asked for it later: both make the same record.
    ///
    /// A verification counts in the month in which its request was accepted, a status check in the month that is told. By CRL,
    /// a certificate counts once a month, whichever of its checks is heard of first; so that its price does not depend on
    /// that, the tariff of the month's first day applies. By OCSP each call counts, at the tariff of its day.
    pub(crate) fn of(environment: Environment, told: &MeteredOperation) -> Result<Self, OutOfTime> {
        let at = told.accepted_at;
        let accepted_in = month_of(at).ok_or(OutOfTime(at))?;
        Ok(match told.meter {
            Metered::Verification => Self {
                meter: Meter::Verification,
                key: key_of(told),
                mark: told.key.mark(),
                purpose: told.kind.map(|kind| {
                    if kind.is_signature() {
                        Purpose::SignatureVerification
                    } else {
                        Purpose::Authentication
                    }
                }),
                kind: told.kind,
                channel: told.channel,
                accepted_at: at,
                month: accepted_in,
                priced_on: jst_date(at),
                rule: Rule::of_verification(
                    environment,
                    told.verdict.unwrap_or(Verdict::Indeterminate),
                    told.reason,
                    told.kind,
                ),
                verdict: told.verdict,
                reason: told.reason,
            },
            Metered::StatusCheck => Self {
                meter: Meter::StatusCheck,
                key: key_of(told),
                mark: told.key.mark(),
                purpose: Some(Purpose::StatusCheck),
                kind: told.kind,
                channel: told.channel,
                accepted_at: at,
                month: told.month,
                priced_on: match told.channel {
                    Some(Channel::Ocsp) if accepted_in == told.month => jst_date(at),
                    Some(Channel::Ocsp | Channel::Crl) | None => first_day(told.month),
                },
                rule: Rule::of_status_check(environment),
                verdict: None,
                reason: None,
            },
        })
    }
}

/// How the record names the operation: unique per tenant, environment and meter.
pub(crate) fn key_of(told: &MeteredOperation) -> String {
    let OperationKey { id, place } = told.key;
    match (told.meter, told.channel) {
        (Metered::Verification, _) => Id::<Verification>::from_uuid(id).to_string(),
        (Metered::StatusCheck, Some(Channel::Ocsp)) => {
            format!("{}/{place}", Id::<Event>::from_uuid(id))
        }
        (Metered::StatusCheck, Some(Channel::Crl) | None) => {
            format!("{}/{}", CertificateHandle::from_uuid(id), told.month)
        }
    }
}

/// The operations that a fact tells of.
pub(crate) fn told_by(envelope: &Envelope) -> Result<Vec<MeteredOperation>, Untold> {
    // Judged first: a time that no platform lives in has no month.
    let lives = |at: Timestamp| month_of(at).ok_or(OutOfTime(at));
    if envelope.is::<VerificationCompleted>() {
        let fact = envelope.read::<VerificationCompleted>()?;
        lives(fact.accepted_at)?;
        return Ok(vec![MeteredOperation::of_verification(&fact)]);
    }
    let fact = envelope.read::<StatusChecked>()?;
    lives(envelope.occurred_at)?;
    let checks = MeteredOperation::of_checks(envelope.id, envelope.occurred_at, &fact);
    Ok(checks)
}

/// A fact tells of no operation.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Untold {
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
    #[error(transparent)]
    OutOfTime(#[from] OutOfTime),
}

/// Which month's invoice an operation goes on: its own, or the next one open if that is closed.
pub(crate) fn bill_month(
    month: BillingMonth,
    closed_through: Option<BillingMonth>,
) -> BillingMonth {
    match closed_through {
        Some(closed) if month <= closed => closed.next(),
        Some(_) | None => month,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use warikan_contracts::facts::CheckedCertificate;
    use warikan_types::Entropy;

    #[test]
    fn a_list_check_counts_once_a_month_and_a_live_one_each_time() {
        let at: Timestamp = "2026-11-21T00:00:00Z".parse().unwrap();
        let entropy = Entropy::seeded(1);
        let certificate = CheckedCertificate {
            handle: entropy.id(at),
            kind: CertificateKind::CardSignature,
        };
        let checks = |channel, event| {
            let fact = StatusChecked {
                month: "2026-11".parse().unwrap(),
                channel,
                certificates: vec![certificate.clone(), certificate.clone()],
            };
            MeteredOperation::of_checks(event, at, &fact)
                .iter()
                .map(|told| Operation::of(Environment::Production, told).unwrap())
                .collect::<Vec<_>>()
        };
        let (first, second) = (entropy.id(at), entropy.id(at));
        let mut keys: Vec<_> = [checks(Channel::Crl, first), checks(Channel::Crl, second)]
            .concat()
            .into_iter()
            .map(|operation| operation.key)
            .collect();
        keys.dedup();
        assert_eq!(keys, [format!("{}/2026-11", certificate.handle)]);
        let live = [checks(Channel::Ocsp, first), checks(Channel::Ocsp, second)].concat();
        let distinct: std::collections::BTreeSet<_> = live.iter().map(|one| &one.key).collect();
        assert_eq!(distinct.len(), 4);
        assert!(
            live.iter()
                .all(|one| one.priced_on.to_string() == "2026-11-21")
        );
        let listed = checks(Channel::Crl, first);
        assert!(
            listed
                .iter()
                .all(|one| one.priced_on.to_string() == "2026-11-01")
        );
    }

    #[test]
    fn f076_a_closed_month_takes_nothing_more() {
        let month = |text: &str| text.parse::<BillingMonth>().unwrap();
        let bill =
            |own, closed: Option<&str>| bill_month(month(own), closed.map(month)).to_string();
        assert_eq!(bill("2026-11", None), "2026-11");
        assert_eq!(bill("2026-11", Some("2026-10")), "2026-11");
        assert_eq!(bill("2026-11", Some("2026-11")), "2026-12");
        assert_eq!(bill("2026-08", Some("2026-12")), "2027-01");
    }
}
