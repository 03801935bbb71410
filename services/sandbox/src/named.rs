//! Named persons: one for each reason that a card alone can show, and a how-to for the others.

use warikan_simulator::{
    CertificateChoice, Defect, KeySource, LifeEvent, Municipality, Person, PersonId, Sex,
    Simulator, SimulatorError,
};
use warikan_types::{Reason, Timestamp};

/// What makes a person's certificate show a reason.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Making {
    /// Nothing: a sound card.
    Sound,
    /// A sound card whose signatures the sandbox spoils on their way out.
    SpoiltSignatures,
    /// A signature certificate that is wrong in one way.
    Defective(Defect),
    /// The card was lost.
    Lost,
    /// Registered where no revocation list is ever published.
    Unpublished,
}

/// One line of the list.
pub(crate) struct Demonstration {
    /// `None`: a valid verification.
    pub(crate) reason: Option<Reason>,
    /// The person's name, where it takes a person of its own.
    pub(crate) person: Option<(&'static str, Making)>,
    pub(crate) how_to: &'static str,
}

const SIGN: &str =
    "Sign with POST /sandbox/persons/{id}/sign and send the answer to POST /v1/verifications.";

const fn shown(reason: Reason, name: &'static str, making: Making) -> Demonstration {
    Demonstration {
        reason: Some(reason),
        person: Some((name, making)),
        how_to: SIGN,
    }
}

const fn told(reason: Reason, how_to: &'static str) -> Demonstration {
    Demonstration {
        reason: Some(reason),
        person: None,
        how_to,
    }
}

/// In the published order of the reasons, after the valid one.
pub(crate) const DEMONSTRATIONS: [Demonstration; 19] = [
    Demonstration {
        reason: None,
        person: Some(("試験　花子", Making::Sound)),
        how_to: SIGN,
    },
    shown(
        Reason::SignatureMismatch,
        "改竄　太郎",
        Making::SpoiltSignatures,
    ),
    shown(
        Reason::CertificateMalformed,
        "破損　一郎",
        Making::Defective(Defect::MalformedUtf8),
    ),
    shown(
        Reason::CertificateUnsupported,
        "別種　二郎",
        Making::Defective(Defect::UnknownPolicy),
    ),
    shown(
        Reason::IssuerUnknown,
        "無名　三郎",
        Making::Defective(Defect::UnknownIssuer),
    ),
    shown(
        Reason::IssuerSignatureInvalid,
        "偽造　四郎",
        Making::Defective(Defect::TamperedSignature),
    ),
    shown(
        Reason::CertificateNotYetValid,
        "未来　五郎",
        Making::Defective(Defect::NotYetValid),
    ),
    shown(
        Reason::CertificateExpired,
        "期限　六郎",
        Making::Defective(Defect::Expired),
    ),
    shown(Reason::CertificateRevoked, "失効　七子", Making::Lost),
    shown(
        Reason::ProfileViolation,
        "異用　八子",
        Making::Defective(Defect::WrongKeyUsage),
    ),
    shown(
        Reason::EnvironmentMismatch,
        "本番　九郎",
        Making::Defective(Defect::OtherHierarchyPolicy),
    ),
    shown(
        Reason::AlgorithmRefused,
        "弱鍵　十子",
        Making::Defective(Defect::SmallKey),
    ),
    told(
        Reason::ChallengeUnknown,
        "Sign with any person and name a challenge_id that POST /v1/challenges never gave.",
    ),
    told(
        Reason::ChallengeExpired,
        "Let a challenge's expires_at pass before you send the verification that names it.",
    ),
    told(
        Reason::ChallengeUsed,
        "Send two verifications that name the same challenge_id, each with its own Idempotency-Key.",
    ),
    told(
        Reason::ChallengeMismatch,
        "Fix one digest with POST /v1/challenges, sign another, and name the challenge.",
    ),
    Demonstration {
        reason: Some(Reason::StatusUnavailable),
        person: Some(("孤島　渚", Making::Unpublished)),
        how_to: "Sign with POST /sandbox/persons/{id}/sign and send the answer to POST /v1/verifications with \"channel\": \"crl\".",
    },
    told(
        Reason::StatusStale,
        "Sign with any sound person after POST /sandbox/clock {\"advance\": \"P3D\"} without publishing, or ask with a max_age \
         shorter than the lists' age.",
    ),
    Demonstration {
        reason: Some(Reason::StatusUnknownSerial),
        person: Some(("帳外　澪", Making::Defective(Defect::Unrecorded))),
        how_to: "Sign with POST /sandbox/persons/{id}/sign and send the answer to POST /v1/verifications with \"channel\": \"ocsp\".",
    },
];

/// The municipality whose lists are never published.
pub(crate) fn unpublished() -> Municipality {
    Municipality::new("13999", "Tokyo-to", "Kotou-mura", "東京都", "孤島村")
}

/// The person that shows a reason, if one can.
pub(crate) fn making_of(reason: Reason) -> Option<(&'static str, Making)> {
    DEMONSTRATIONS
        .iter()
        .find(|one| one.reason == Some(reason))
        .and_then(|one| one.person)
}

/// A named person's attributes: all alike but for the name.
pub(crate) fn person(name: &str, making: Making) -> Person {
    let kiyose = Person::of_the_test_card();
    let (municipality, address) = match making {
        Making::Unpublished => (unpublished(), "東京都孤島村一本松１－１".to_owned()),
        _ => (
            kiyose.municipality,
            "東京都清瀬市中里３－１４－１５".to_owned(),
        ),
    };
    Person::new(
        name,
        &address,
        kiyose.birth_date.date,
        Sex::Female,
        municipality,
    )
}

/// Enrols a person so that the signature certificate shows what it should.
pub(crate) fn enroll(
    simulator: &mut Simulator,
    person: Person,
    making: Making,
    keys: &mut KeySource,
    at: Timestamp,
) -> Result<PersonId, SimulatorError> {
    let at = at.utc();
    match making {
        Making::Sound | Making::SpoiltSignatures | Making::Unpublished => {
            simulator.enroll(person, keys, at)
        }
        Making::Defective(defect) => {
            simulator.enroll_defective(person, CertificateChoice::Signature, defect, keys, at)
        }
        Making::Lost => {
            let id = simulator.enroll(person, keys, at)?;
            simulator.apply(id, &LifeEvent::Lose, keys, at)?;
            Ok(id)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_one_line_in_the_published_order() {
        let lines: Vec<_> = DEMONSTRATIONS.iter().map(|one| one.reason).collect();
        let expected: Vec<_> = std::iter::once(None).chain(Reason::ALL.map(Some)).collect();
        assert_eq!(lines, expected);
    }
}
