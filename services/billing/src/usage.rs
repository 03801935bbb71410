//! Usage records: what a fact means to the meter.
//!
//! A record is keyed by the **operation** that it counts, not by the message that told of it: however often a message
//! comes, and in how many copies, the operation is one row (the database's unique key says so).

use chrono::NaiveDate;
use warikan_contracts::facts::{Channel, CheckedCertificate, StatusChecked, VerificationCompleted};
use warikan_types::{
    BillingMonth, CertificateKind, Environment, Event, Id, Reason, Timestamp, Verdict,
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
    /// A verification counts in the month in which its request was accepted.
    pub(crate) fn of_verification(
        environment: Environment,
        fact: &VerificationCompleted,
    ) -> Result<Self, OutOfTime> {
        let month = month_of(fact.accepted_at).ok_or(OutOfTime(fact.accepted_at))?;
        Ok(Self {
            meter: Meter::Verification,
            key: fact.verification.to_string(),
            purpose: fact.kind.map(|kind| {
                if kind.is_signature() {
                    Purpose::SignatureVerification
                } else {
                    Purpose::Authentication
                }
            }),
            kind: fact.kind,
            channel: fact.channel,
            accepted_at: fact.accepted_at,
            month,
            priced_on: jst_date(fact.accepted_at),
            rule: Rule::of_verification(environment, fact.verdict, fact.reason, fact.kind),
            verdict: Some(fact.verdict),
            reason: fact.reason,
        })
    }

    /// Status checks count in the month that the fact names.
    ///
    /// By CRL, a certificate counts once a month, whichever of its checks is heard of first; so that its price does not
    /// depend on that, the tariff of the month's first day applies. By OCSP each call counts: its key is the fact and
    /// the place in it, its tariff that of the day.
    pub(crate) fn of_status_checks(
        environment: Environment,
        event: Id<Event>,
        occurred_at: Timestamp,
        fact: &StatusChecked,
    ) -> Result<Vec<Self>, OutOfTime> {
        let checked_in = month_of(occurred_at).ok_or(OutOfTime(occurred_at))?;
        let month = fact.month;
        let one = |place: usize, certificate: &CheckedCertificate| Self {
            meter: Meter::StatusCheck,
            key: match fact.channel {
                Channel::Crl => format!("{}/{month}", certificate.handle),
                Channel::Ocsp => format!("{event}/{place}"),
            },
            purpose: Some(Purpose::StatusCheck),
            kind: Some(certificate.kind),
            channel: Some(fact.channel),
            accepted_at: occurred_at,
            month,
            priced_on: match fact.channel {
                Channel::Ocsp if checked_in == month => jst_date(occurred_at),
                Channel::Ocsp | Channel::Crl => first_day(month),
            },
            rule: Rule::of_status_check(environment),
            verdict: None,
            reason: None,
        };
        Ok(fact
            .certificates
            .iter()
            .enumerate()
            .map(|(place, certificate)| one(place, certificate))
            .collect())
    }
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
            Operation::of_status_checks(Environment::Production, event, at, &fact).unwrap()
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
