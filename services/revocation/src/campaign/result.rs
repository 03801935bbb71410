//! What a campaign found of one certificate: as a line of text that the tree is over, and packed for the table.

use std::time::Duration;

use uuid::Uuid;
use warikan_contracts::{api::StatusAnswer, facts::CampaignCounts};
use warikan_pki::{AgeBounds, Judged};
use warikan_status::fact;
use warikan_types::{CertificateHandle, Reason, RevocationReason, Timestamp, Wording};

use crate::check_certificate::CLOCK_SKEW;

/// Octets of a packed result: handle, finding, reason or cause, date.
pub(crate) const PACKED: usize = 26;
/// In the place of a date that is not there.
const NO_DATE: i64 = i64::MIN;

/// Why nothing could be found out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    /// No list that covers it was ever accepted.
    Unavailable,
    /// Its list is past its nextUpdate, or older than the campaign allows.
    Stale,
}

/// What was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Finding {
    Good,
    Revoked {
        reason: RevocationReason,
        revoked_at: Timestamp,
    },
    /// Past its notAfter; of a revoked one the revocation is told.
    Expired,
    Unknown(Cause),
}

impl Finding {
    /// Judges what the lists say, as of `at`.
    pub(crate) fn of(
        answer: Option<&StatusAnswer>,
        not_after: Timestamp,
        max_age: Option<Duration>,
        at: Timestamp,
    ) -> Self {
        let bounds = AgeBounds {
            max_age,
            clock_skew: CLOCK_SKEW,
        };
        let judged = answer.map_or(Judged::Unknown(Reason::StatusUnavailable), |answer| {
            let times = (answer.this_update, Some(answer.next_update));
            Judged::of_parts(&fact(&answer.state), times, bounds, at)
        });
        match judged {
            Judged::Revoked { reason, revoked_at } => Self::Revoked { reason, revoked_at },
            _ if not_after < at => Self::Expired,
            Judged::Good => Self::Good,
            Judged::Unknown(Reason::StatusUnavailable) => Self::Unknown(Cause::Unavailable),
            Judged::Unknown(_) => Self::Unknown(Cause::Stale),
        }
    }

    /// The wire word of the state.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Revoked { .. } => "revoked",
            Self::Expired => "expired",
            Self::Unknown(_) => "unknown",
        }
    }

    /// Why it is not good; empty where it is.
    pub(crate) const fn reason(self) -> &'static str {
        match self {
            Self::Good => "",
            Self::Revoked { reason, .. } => reason.as_str(),
            Self::Expired => "certificate_expired",
            Self::Unknown(Cause::Unavailable) => "status_unavailable",
            Self::Unknown(Cause::Stale) => "status_stale",
        }
    }

    pub(crate) const fn revoked_at(self) -> Option<Timestamp> {
        match self {
            Self::Revoked { revoked_at, .. } => Some(revoked_at),
            _ => None,
        }
    }

    pub(crate) const fn meaning(self) -> &'static str {
        match self {
            Self::Good => "Nothing has changed.",
            Self::Revoked { reason, .. } => reason.meaning(),
            Self::Expired => "The certificate's time is over.",
            Self::Unknown(_) => "Whether the certificate is still good could not be found out.",
        }
    }

    pub(crate) const fn recommended_action(self) -> &'static str {
        match self {
            Self::Good => "Nothing is to be done.",
            Self::Revoked { reason, .. } => reason.recommended_action(),
            Self::Expired => "Verify with the customer's new certificate at the next occasion.",
            Self::Unknown(_) => {
                "Check again when the revocation lists are in force; GET /v1/freshness says so."
            }
        }
    }

    /// What may be said to the customer; of what could not be found out, nothing.
    pub(crate) const fn customer_wording(self) -> Option<Wording> {
        match self {
            Self::Revoked { reason, .. } => Some(reason.customer_wording()),
            Self::Expired => Some(Wording::EXPIRED),
            Self::Good | Self::Unknown(_) => None,
        }
    }

    pub(crate) const fn count(self, counts: &mut CampaignCounts) {
        counts.checked += 1;
        match self {
            Self::Good => counts.good += 1,
            Self::Revoked { .. } => counts.revoked += 1,
            Self::Expired => counts.expired += 1,
            Self::Unknown(_) => counts.unknown += 1,
        }
    }

    /// The two octets that name it in a packed result.
    pub(crate) const fn codes(self) -> [u8; 2] {
        match self {
            Self::Good => [0, 0],
            Self::Revoked { reason, .. } => [1, reason.code()],
            Self::Expired => [2, 0],
            Self::Unknown(Cause::Unavailable) => [3, 0],
            Self::Unknown(Cause::Stale) => [3, 1],
        }
    }

    /// From its codes and date; `None`: written by no hand of ours.
    pub(crate) fn from_codes(codes: [u8; 2], revoked_at: Option<Timestamp>) -> Option<Self> {
        Some(match (codes, revoked_at) {
            ([0, 0], None) => Self::Good,
            ([1, code], Some(revoked_at)) => Self::Revoked {
                reason: RevocationReason::from_code(code)?,
                revoked_at,
            },
            ([2, 0], None) => Self::Expired,
            ([3, 0], None) => Self::Unknown(Cause::Unavailable),
            ([3, 1], None) => Self::Unknown(Cause::Stale),
            _ => return None,
        })
    }
}

/// A certificate and what was found of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) handle: CertificateHandle,
    pub(crate) finding: Finding,
}

impl Found {
    /// The entry of the tree: `<handle>,<state>,<reason>,<revoked_at>`, the last two empty where there is none.
    pub(crate) fn line(&self) -> String {
        let (state, reason) = (self.finding.as_str(), self.finding.reason());
        let date = self.finding.revoked_at();
        let date = date.map_or_else(String::new, |date| date.to_string());
        format!("{},{state},{reason},{date}", self.handle)
    }

    pub(crate) fn pack(&self, into: &mut Vec<u8>) {
        into.extend_from_slice(self.handle.uuid().as_bytes());
        into.extend_from_slice(&self.finding.codes());
        let date = self.finding.revoked_at();
        let micros = date.map_or(NO_DATE, |date| date.utc().timestamp_micros());
        into.extend_from_slice(&micros.to_be_bytes());
    }

    /// From [`PACKED`] octets.
    pub(crate) fn unpack(octets: &[u8]) -> Option<Self> {
        let handle = Uuid::from_slice(octets.get(..16)?).ok()?;
        let codes = octets.get(16..18)?.try_into().ok()?;
        let micros = i64::from_be_bytes(octets.get(18..PACKED)?.try_into().ok()?);
        let date = match micros {
            NO_DATE => None,
            micros => Some(Timestamp::new(chrono::DateTime::from_timestamp_micros(
                micros,
            )?)),
        };
        Some(Self {
            handle: CertificateHandle::from_uuid(handle),
            finding: Finding::from_codes(codes, date)?,
        })
    }
}

/// All results of a chunk.
pub(crate) fn unpack_all(octets: &[u8]) -> Option<Vec<Found>> {
    octets.chunks(PACKED).map(Found::unpack).collect()
}

#[cfg(test)]
mod tests {
    use warikan_contracts::{api::KnownState, facts::Channel};

    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix(seconds).unwrap()
    }

    fn list(state: KnownState) -> StatusAnswer {
        StatusAnswer {
            state,
            channel: Channel::Crl,
            this_update: at(100),
            next_update: at(200),
            version: String::new(),
        }
    }

    #[test]
    fn revoked_comes_first_and_a_stale_list_says_good_of_nothing() {
        let revoked = list(KnownState::Revoked {
            reason: RevocationReason::KeyCompromise,
            revoked_at: at(50),
        });
        let good = list(KnownState::Good);
        let judge = |answer, not_after, max_age: Option<u64>, now| {
            let max_age = max_age.map(Duration::from_secs);
            Finding::of(answer, at(not_after), max_age, at(now)).as_str()
        };
        assert_eq!(judge(Some(&good), 900, None, 200), "good");
        assert_eq!(judge(Some(&good), 900, None, 201), "unknown");
        assert_eq!(judge(Some(&good), 900, Some(50), 150), "good");
        assert_eq!(judge(Some(&good), 900, Some(49), 150), "unknown");
        assert_eq!(judge(Some(&good), 140, Some(49), 150), "expired");
        assert_eq!(judge(None, 900, None, 150), "unknown");
        assert_eq!(judge(None, 140, None, 150), "expired");
        assert_eq!(judge(Some(&revoked), 140, Some(1), 999), "revoked");
    }

    #[test]
    fn what_is_packed_is_read_as_it_was() {
        let mut findings = vec![
            Finding::Good,
            Finding::Expired,
            Finding::Unknown(Cause::Unavailable),
            Finding::Unknown(Cause::Stale),
        ];
        findings.extend(
            (0..=10)
                .filter_map(RevocationReason::from_code)
                .map(|reason| Finding::Revoked {
                    reason,
                    revoked_at: at(-5),
                }),
        );
        let handle = CertificateHandle::from_uuid(Uuid::from_u128(7));
        let mut octets = Vec::new();
        for finding in &findings {
            Found {
                handle,
                finding: *finding,
            }
            .pack(&mut octets);
        }
        let read: Vec<Finding> = unpack_all(&octets)
            .unwrap()
            .into_iter()
            .map(|one| one.finding)
            .collect();
        assert_eq!(read, findings);
        assert_eq!(unpack_all(&octets[..30]), None);
        let lost = Found {
            handle,
            finding: findings[5],
        };
        assert_eq!(
            lost.line(),
            "crt_00000000000000000000000000000007,revoked,key_compromise,1969-12-31T23:59:55Z"
        );
    }
}
