//! Certificates that are wrong in exactly one way, for showing that the wrong is found and named.
//!
//! Each is issued by the true CA and counts as good in the revocation lists and OCSP answers (unless the defect is
//! that it is not), and has a serial number of its own, so that no second fault hides the first.

use chrono::{DateTime, Duration, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    CertificateChoice, Hierarchy, KeyError, Person, calendar,
    certificate::{Extension, Template},
    der::{self, Der},
    fixtures,
    keys::SigningKey,
    oid,
    profile::{self, Issuer},
};

/// One thing that is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Defect {
    /// Issued five and a half years ago, so its fifth birthday has passed.
    Expired,
    /// Begins thirty days from now.
    NotYetValid,
    /// The policy of the other kind of certificate.
    WrongPolicy,
    /// No certificatePolicies.
    MissingPolicies,
    /// A policy that is no known kind's.
    UnknownPolicy,
    /// The same kind's policy of the other hierarchy.
    OtherHierarchyPolicy,
    /// certificatePolicies is not critical.
    PoliciesNotCritical,
    /// keyAgreement instead of digitalSignature.
    WrongKeyUsage,
    /// basicConstraints that claim a CA.
    ClaimsToBeCa,
    /// A critical extension that no one knows (RFC 5280 4.2: must be refused).
    UnknownCriticalExtension,
    /// One bit of the issuer's signature is turned over.
    TamperedSignature,
    /// Signed by a key that is no CA's and says so in its authority key identifier; the issuer's name is the true one.
    UnknownIssuer,
    /// The same, with the true CA's authority key identifier.
    ImpostorIssuer,
    /// Signed by the true CA and missing from its books: OCSP calls it unknown, no list can ever name it.
    Unrecorded,
    /// Signed with SHA-1.
    Sha1Signature,
    /// The holder's key has 1024 bits.
    SmallKey,
    /// The holder's name is not UTF-8. (Signature certificates; on the other kind it is an unknown otherName.)
    MalformedUtf8,
    /// No otherName with the holder's name.
    MissingName,
    /// Two otherNames with the holder's name.
    DuplicateName,
    /// An otherName that no one knows beside the six. Not wrong: it must be accepted.
    UnknownOtherName,
    /// One octet follows the certificate.
    TrailingData,
    /// The last octets are missing.
    Truncated,
}

impl Defect {
    /// All of them.
    pub const ALL: [Self; 22] = [
        Self::Expired,
        Self::NotYetValid,
        Self::WrongPolicy,
        Self::MissingPolicies,
        Self::UnknownPolicy,
        Self::OtherHierarchyPolicy,
        Self::PoliciesNotCritical,
        Self::WrongKeyUsage,
        Self::ClaimsToBeCa,
        Self::UnknownCriticalExtension,
        Self::TamperedSignature,
        Self::UnknownIssuer,
        Self::ImpostorIssuer,
        Self::Unrecorded,
        Self::Sha1Signature,
        Self::SmallKey,
        Self::MalformedUtf8,
        Self::MissingName,
        Self::DuplicateName,
        Self::UnknownOtherName,
        Self::TrailingData,
        Self::Truncated,
    ];

    /// Whether someone other than the CA signs.
    pub(crate) const fn is_forgery(self) -> bool {
        matches!(self, Self::UnknownIssuer | Self::ImpostorIssuer)
    }

    /// Whether the CA knows nothing of the certificate.
    pub(crate) const fn is_off_the_books(self) -> bool {
        self.is_forgery() || matches!(self, Self::Unrecorded)
    }

    /// The key that the defect itself is about.
    pub(crate) fn fixed_key(self) -> Result<Option<SigningKey>, KeyError> {
        if self == Self::SmallKey {
            return SigningKey::from_pkcs8(fixtures::WEAK_KEY).map(Some);
        }
        Ok(None)
    }

    /// When a certificate with this defect is issued, seen from `at`.
    pub(crate) fn issued_at(self, at: DateTime<Utc>) -> DateTime<Utc> {
        match self {
            Self::Expired => calendar::years_before(at, 5) - Duration::days(180),
            Self::NotYetValid => at + Duration::days(30),
            _ => at,
        }
    }

    /// Spoils what is to be signed.
    pub(crate) fn apply(
        self,
        template: &mut Template,
        issuer: &Issuer,
        person: &Person,
        forger: Option<&SigningKey>,
    ) {
        let other_kind = match issuer.choice {
            CertificateChoice::Signature => CertificateChoice::Authentication,
            CertificateChoice::Authentication => CertificateChoice::Signature,
        };
        match self {
            Self::WrongPolicy => replace(
                template,
                profile::certificate_policies(other_kind.policy(issuer.hierarchy)),
            ),
            Self::UnknownPolicy => {
                replace(template, profile::certificate_policies(oid::POLICY_UNKNOWN));
            }
            Self::OtherHierarchyPolicy => {
                let other = match issuer.hierarchy {
                    Hierarchy::Production => Hierarchy::Test,
                    Hierarchy::Test => Hierarchy::Production,
                };
                replace(
                    template,
                    profile::certificate_policies(issuer.choice.policy(other)),
                );
            }
            Self::MissingPolicies => {
                template
                    .extensions
                    .retain(|one| one.id != oid::CERTIFICATE_POLICIES);
            }
            Self::PoliciesNotCritical => {
                let mut policies =
                    profile::certificate_policies(issuer.choice.policy(issuer.hierarchy));
                policies.critical = false;
                replace(template, policies);
            }
            // keyAgreement.
            Self::WrongKeyUsage => replace(template, profile::key_usage(0b0000_1000)),
            Self::ClaimsToBeCa => template.extensions.push(Extension::critical(
                oid::BASIC_CONSTRAINTS,
                der::sequence(&[der::boolean_true()]),
            )),
            Self::UnknownCriticalExtension => {
                template
                    .extensions
                    .push(Extension::critical(oid::UNKNOWN_EXTENSION, der::null()));
            }
            Self::UnknownIssuer => {
                if let Some(forger) = forger {
                    let theirs = Issuer {
                        key_identifier: forger.key_identifier(),
                        ..issuer.clone()
                    };
                    replace(template, theirs.authority_key_identifier());
                }
            }
            Self::Sha1Signature => template.signature_algorithm = oid::SHA1_WITH_RSA,
            Self::MalformedUtf8
            | Self::MissingName
            | Self::DuplicateName
            | Self::UnknownOtherName => {
                self.rename(template, issuer.choice, person);
            }
            Self::Expired
            | Self::NotYetValid
            | Self::TamperedSignature
            | Self::ImpostorIssuer
            | Self::Unrecorded
            | Self::SmallKey
            | Self::TrailingData
            | Self::Truncated => {}
        }
    }

    /// Spoils subjectAltName. An authentication certificate has none, so it gets one with only the spoilt name.
    fn rename(self, template: &mut Template, choice: CertificateChoice, person: &Person) {
        let mut names = match choice {
            CertificateChoice::Signature => profile::holder_names(person),
            CertificateChoice::Authentication => Vec::new(),
        };
        let name = profile::other_name(oid::HOLDER_NAME, person.name.as_bytes());
        names.retain(|one| self == Self::UnknownOtherName || *one != name);
        match self {
            // A lone continuation octet in the middle of a name.
            Self::MalformedUtf8 => {
                names.insert(
                    0,
                    profile::other_name(oid::HOLDER_NAME, b"\xe9\xbb\x92\x80\xe5"),
                );
            }
            Self::DuplicateName => names.extend([name.clone(), name]),
            Self::UnknownOtherName => {
                names.push(profile::other_name(
                    oid::HOLDER_UNKNOWN,
                    "コクトウ　ミキヤ".as_bytes(),
                ));
            }
            _ => {}
        }
        let extension = Extension::plain(oid::SUBJECT_ALT_NAME, der::sequence(&names));
        if choice == CertificateChoice::Signature {
            replace(template, extension);
        } else {
            template.extensions.push(extension);
        }
    }

    /// Spoils what was signed.
    pub(crate) fn spoil(self, mut certificate: Der) -> Der {
        match self {
            Self::TamperedSignature => {
                // In the middle of the signature, whose 256 octets come last.
                let place = certificate.len().saturating_sub(128);
                if let Some(octet) = certificate.get_mut(place) {
                    *octet ^= 1;
                }
            }
            Self::TrailingData => certificate.push(0),
            Self::Truncated => certificate.truncate(certificate.len().saturating_sub(17)),
            _ => {}
        }
        certificate
    }
}

fn replace(template: &mut Template, extension: Extension) {
    if let Some(place) = template
        .extensions
        .iter_mut()
        .find(|one| one.id == extension.id)
    {
        *place = extension;
    }
}
