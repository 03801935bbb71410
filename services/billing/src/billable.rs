//! The published table of what is billed.
//!
//! Every operation is recorded, billed or not, together with the rule that decided, so that a tenant can follow each
//! row. The platform is paid for an **answer**: that a certificate is good, or that it is revoked. It is not paid for
//! telling that a request was wrong, nor where it could not find out. Refused requests (4xx) and our own failures
//! (5xx) make no fact and hence no record at all ([`UNRECORDED`]); re-reading an old answer neither.
//!
//! The fee of J-LIS follows the same decision: what is not billed to the tenant is borne by the operator.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use warikan_types::{CertificateKind, Environment, Reason, Verdict};

/// The rule that decided whether an operation is billed.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// The sandbox is free.
    Sandbox,
    /// Verdict `valid`.
    AnsweredValid,
    /// Verdict `invalid` because the certificate is revoked: the answer that was asked for.
    AnsweredRevoked,
    /// Verdict `invalid` for any other reason.
    RefusedInvalid,
    /// Verdict `indeterminate`: the platform could not find out.
    NotFoundOut,
    /// An answer about a certificate whose kind could not be told has no price.
    KindUnknown,
    /// A status check; by CRL once per certificate and JST month, by OCSP each call.
    StatusChecked,
}

/// One row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TableRow {
    /// The rule.
    pub rule: Rule,
    /// Whether it bills.
    pub billable: bool,
    /// In plain words.
    pub says: &'static str,
}

/// The table. The first rule that fits decides.
pub const TABLE: [TableRow; 7] = [
    row(Rule::Sandbox, false, "the sandbox environment is free"),
    row(
        Rule::NotFoundOut,
        false,
        "indeterminate: the platform could not find out",
    ),
    row(
        Rule::RefusedInvalid,
        false,
        "invalid for another reason than revocation",
    ),
    row(
        Rule::KindUnknown,
        false,
        "an answer about a certificate of unknown kind",
    ),
    row(
        Rule::AnsweredValid,
        true,
        "valid: the certificate and the signature are good",
    ),
    row(
        Rule::AnsweredRevoked,
        true,
        "invalid because the certificate is revoked",
    ),
    row(
        Rule::StatusChecked,
        true,
        "a status check, by CRL once per certificate and JST month, by OCSP each call",
    ),
];

/// What makes no record at all, and so cannot be billed: a word for each, and in plain words.
pub const UNRECORDED: [(&str, &str); 3] = [
    ("refused_request", "a refused request (4xx)"),
    ("own_failure", "a failure of the platform (5xx)"),
    (
        "re_read",
        "re-reading an answer, evidence or status that was given before, or a replayed Idempotency-Key",
    ),
];

/// One row of the table as it is published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = BillingRule)]
pub struct PublishedRow {
    /// The rule's word, as usage records and exports show it.
    pub rule: &'static str,
    /// Whether it bills.
    pub billable: bool,
    /// Whether a usage record is made at all.
    pub recorded: bool,
    /// In plain words.
    pub when: &'static str,
}

/// The published table: what decides about operations, in the order in which it is asked, and what makes no operation.
#[must_use]
pub fn published() -> Vec<PublishedRow> {
    let decided = TABLE.iter().map(|row| PublishedRow {
        rule: row.rule.as_str(),
        billable: row.billable,
        recorded: true,
        when: row.says,
    });
    let unrecorded = UNRECORDED.iter().map(|(rule, when)| PublishedRow {
        rule,
        billable: false,
        recorded: false,
        when,
    });
    decided.chain(unrecorded).collect()
}

const fn row(rule: Rule, billable: bool, says: &'static str) -> TableRow {
    TableRow {
        rule,
        billable,
        says,
    }
}

impl Rule {
    /// Decides for a verification.
    #[must_use]
    pub const fn of_verification(
        environment: Environment,
        verdict: Verdict,
        reason: Option<Reason>,
        kind: Option<CertificateKind>,
    ) -> Self {
        match (environment, verdict, reason, kind) {
            (Environment::Sandbox, ..) => Self::Sandbox,
            (_, Verdict::Indeterminate, ..) => Self::NotFoundOut,
            (_, Verdict::Invalid, Some(Reason::CertificateRevoked), Some(_)) => {
                Self::AnsweredRevoked
            }
            (_, Verdict::Valid, _, Some(_)) => Self::AnsweredValid,
            (_, Verdict::Invalid, Some(Reason::CertificateRevoked), None)
            | (_, Verdict::Valid, _, None) => Self::KindUnknown,
            (_, Verdict::Invalid, ..) => Self::RefusedInvalid,
        }
    }

    /// Decides for a status check.
    #[must_use]
    pub const fn of_status_check(environment: Environment) -> Self {
        match environment {
            Environment::Sandbox => Self::Sandbox,
            Environment::Production => Self::StatusChecked,
        }
    }

    /// Whether the table bills it.
    #[must_use]
    pub fn is_billable(self) -> bool {
        TABLE.iter().any(|row| row.rule == self && row.billable)
    }

    /// The wire word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sandbox => "sandbox",
            Self::AnsweredValid => "answered_valid",
            Self::AnsweredRevoked => "answered_revoked",
            Self::RefusedInvalid => "refused_invalid",
            Self::NotFoundOut => "not_found_out",
            Self::KindUnknown => "kind_unknown",
            Self::StatusChecked => "status_checked",
        }
    }

    pub(crate) fn from_word(word: &str) -> Option<Self> {
        TABLE
            .iter()
            .map(|row| row.rule)
            .find(|rule| rule.as_str() == word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f075_only_valid_and_revoked_are_billed_and_only_in_production() {
        let kinds = CertificateKind::ALL.into_iter().map(Some).chain([None]);
        let reasons = || Reason::ALL.into_iter().map(Some).chain([None]);
        let mut billed = 0;
        for kind in kinds {
            for verdict in [Verdict::Valid, Verdict::Invalid, Verdict::Indeterminate] {
                for reason in reasons() {
                    let sandbox =
                        Rule::of_verification(Environment::Sandbox, verdict, reason, kind);
                    assert_eq!(sandbox, Rule::Sandbox);
                    assert!(!sandbox.is_billable());
                    let rule =
                        Rule::of_verification(Environment::Production, verdict, reason, kind);
                    let revoked = reason == Some(Reason::CertificateRevoked);
                    let expected = kind.is_some()
                        && (verdict == Verdict::Valid || verdict == Verdict::Invalid && revoked);
                    assert_eq!(
                        rule.is_billable(),
                        expected,
                        "{verdict:?} {reason:?} {kind:?}"
                    );
                    billed += usize::from(expected);
                }
            }
        }
        assert_eq!(billed, 4 * (19 + 1));
        assert!(Rule::of_status_check(Environment::Production).is_billable());
        assert!(!Rule::of_status_check(Environment::Sandbox).is_billable());
    }

    #[test]
    fn every_rule_stands_once_in_the_table() {
        for row in TABLE {
            assert_eq!(Rule::from_word(row.rule.as_str()), Some(row.rule));
            assert_eq!(TABLE.iter().filter(|one| one.rule == row.rule).count(), 1);
        }
    }

    /// The documentation holds the table as this code has it, row by row.
    #[test]
    fn f075_the_documented_table_is_the_code_s() {
        let document = include_str!("../../../docs/billing/README.md");
        let word = |yes| if yes { "yes" } else { "no" };
        let mut table = String::from("| rule | billed | recorded | when |\n|---|---|---|---|\n");
        for row in published() {
            let (billed, recorded) = (word(row.billable), word(row.recorded));
            table += &format!(
                "| `{}` | {billed} | {recorded} | {} |\n",
                row.rule, row.when
            );
        }
        assert!(
            document.contains(&(table.clone() + "\n")),
            "docs/billing/README.md should hold:\n{table}"
        );
    }
}
