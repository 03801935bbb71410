//! The certificate profile: which extensions, in which order, how critical, how encoded.
//!
//! Read off the real certificates of the test hierarchy; the tests of this module rebuild those byte for byte. What no public
//! certificate shows is marked where it is decided: the OCSP responder's certificate and the inner structure of subject ids.

use chrono::{DateTime, Utc};
use const_oid::ObjectIdentifier;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{
    Municipality, Person, calendar,
    certificate::{Extension, Template},
    der::{self, Der},
    keys::SigningKey,
    names, oid,
};

/// Which hierarchy a simulator stands in for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Hierarchy {
    /// `O=JPKI`.
    Production,
    /// `O=JPKI-TEST`.
    Test,
}

impl Hierarchy {
    pub(crate) const fn organization(self) -> &'static str {
        match self {
            Self::Production => "JPKI",
            Self::Test => "JPKI-TEST",
        }
    }
}

/// One of the two certificates on a card, and with it the CA that issues it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CertificateChoice {
    /// 署名用: carries the four attributes.
    Signature,
    /// 利用者証明用: carries none of them.
    Authentication,
}

impl CertificateChoice {
    /// Both, in a fixed order.
    pub const ALL: [Self; 2] = [Self::Signature, Self::Authentication];

    /// `signature` or `authentication`, as in URLs and records.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Signature => "signature",
            Self::Authentication => "authentication",
        }
    }

    pub(crate) const fn unit(self) -> &'static str {
        match self {
            Self::Signature => "JPKI for digital signature",
            Self::Authentication => "JPKI for user authentication",
        }
    }

    /// The certificate policy of a kind of certificate in a hierarchy.
    pub(crate) const fn policy(self, hierarchy: Hierarchy) -> ObjectIdentifier {
        match (self, hierarchy) {
            (Self::Signature, Hierarchy::Production) => oid::POLICY_SIGNATURE,
            (Self::Signature, Hierarchy::Test) => oid::POLICY_SIGNATURE_TEST,
            (Self::Authentication, Hierarchy::Production) => oid::POLICY_AUTHENTICATION,
            (Self::Authentication, Hierarchy::Test) => oid::POLICY_AUTHENTICATION_TEST,
        }
    }
}

/// What a leaf needs to know of the CA that issues it.
#[derive(Clone)]
pub(crate) struct Issuer {
    pub(crate) hierarchy: Hierarchy,
    pub(crate) choice: CertificateChoice,
    pub(crate) key_identifier: [u8; 20],
    pub(crate) root_serial: u64,
    /// Where authentication certificates say that OCSP answers.
    pub(crate) ocsp_url: String,
}

impl Issuer {
    pub(crate) fn name(&self) -> Der {
        names::authority(self.hierarchy, self.choice)
    }

    /// keyIdentifier, authorityCertIssuer and authorityCertSerialNumber: all three, as J-LIS does. Lists carry the same.
    pub(crate) fn authority_key_identifier(&self) -> Extension {
        let serial = der::integer_content(&self.root_serial.to_be_bytes());
        let value = der::sequence(&[
            der::context_primitive(0, &self.key_identifier),
            der::context(1, &[directory_name(&self.name())]),
            der::context_primitive(2, &serial),
        ]);
        Extension::plain(oid::AUTHORITY_KEY_IDENTIFIER, value)
    }
}

/// GeneralName directoryName: `[4]`, explicit because Name is a CHOICE.
pub(crate) fn directory_name(name: &Der) -> Der {
    der::context(4, &[name])
}

/// DistributionPointName with the one fullName.
pub(crate) fn full_name(name: &Der) -> Der {
    der::context(0, &[der::context(0, &[directory_name(name)])])
}

fn distribution_points(name: &Der) -> Extension {
    let value = der::sequence(&[der::sequence(&[full_name(name)])]);
    Extension::plain(oid::CRL_DISTRIBUTION_POINTS, value)
}

pub(crate) fn subject_key_identifier(key: &[u8; 20]) -> Extension {
    Extension::plain(oid::SUBJECT_KEY_IDENTIFIER, der::octet_string(key))
}

/// KeyUsage from its one octet of bits, most significant first.
pub(crate) fn key_usage(bits: u8) -> Extension {
    let unused = bits.trailing_zeros().to_le_bytes()[0];
    Extension::critical(oid::KEY_USAGE, der::bit_string(unused, &[bits]))
}

/// One policy with the pointer to the practice statement, critical.
pub(crate) fn certificate_policies(policy: ObjectIdentifier) -> Extension {
    let qualifier = der::sequence(&[
        der::oid(oid::CPS),
        der::ia5_string("http://www.jpki.go.jp/cps.html"),
    ]);
    let value = der::sequence(&[der::sequence(&[
        der::oid(policy),
        der::sequence(&[qualifier]),
    ])]);
    Extension::critical(oid::CERTIFICATE_POLICIES, value)
}

/// GeneralName otherName: `[0]` implicit, its value `[0]` explicit around a UTF8String.
pub(crate) fn other_name(id: ObjectIdentifier, value: &[u8]) -> Der {
    der::context(
        0,
        &[der::oid(id), der::context(0, &[der::utf8_string(value)])],
    )
}

/// The six otherNames in the order of the real card: name, birth date, sex, address, and the flags of both texts.
pub(crate) fn holder_names(person: &Person) -> Vec<Der> {
    [
        (oid::HOLDER_NAME, person.name.as_str()),
        (oid::HOLDER_BIRTH_DATE, person.birth_date.encoded().as_str()),
        (oid::HOLDER_SEX, person.sex.code()),
        (oid::HOLDER_ADDRESS, person.address.as_str()),
        (oid::HOLDER_NAME_FLAGS, person.name_substitutions.as_str()),
        (
            oid::HOLDER_ADDRESS_FLAGS,
            person.address_substitutions.as_str(),
        ),
    ]
    .into_iter()
    .map(|(id, value)| other_name(id, value.as_bytes()))
    .collect()
}

/// A root: self-signed, ten years.
pub(crate) fn root(
    hierarchy: Hierarchy,
    choice: CertificateChoice,
    serial: u64,
    not_before: DateTime<Utc>,
    key: &SigningKey,
) -> Template {
    let name = names::authority(hierarchy, choice);
    let japanese = der::sequence(&[directory_name(&names::authority_in_japanese(choice))]);
    Template {
        serial,
        signature_algorithm: oid::SHA256_WITH_RSA,
        issuer: name.clone(),
        not_before,
        not_after: calendar::ten_years_from(not_before),
        subject: name.clone(),
        spki: key.spki(),
        extensions: vec![
            // keyCertSign and cRLSign.
            key_usage(0b0000_0110),
            Extension::plain(oid::SUBJECT_ALT_NAME, japanese),
            Extension::critical(
                oid::BASIC_CONSTRAINTS,
                der::sequence(&[der::boolean_true()]),
            ),
            distribution_points(&name),
            subject_key_identifier(&key.key_identifier()),
        ],
    }
}

/// A leaf of either kind for a person.
pub(crate) fn leaf(
    issuer: &Issuer,
    person: &Person,
    serial: u64,
    not_before: DateTime<Utc>,
    key: &SigningKey,
) -> Template {
    let hierarchy = issuer.hierarchy;
    let choice = issuer.choice;
    let municipality = &person.municipality;
    let (subject, mut extensions) = match choice {
        CertificateChoice::Signature => (
            names::signature_holder(
                municipality,
                &signature_id(not_before, serial, municipality),
            ),
            vec![
                // digitalSignature and nonRepudiation.
                key_usage(0b1100_0000),
                Extension::plain(oid::SUBJECT_ALT_NAME, der::sequence(&holder_names(person))),
            ],
        ),
        CertificateChoice::Authentication => (
            names::authentication_holder(&authentication_id(serial, municipality)),
            vec![
                key_usage(0b1000_0000),
                Extension::plain(
                    oid::EXTENDED_KEY_USAGE,
                    der::sequence(&[der::oid(oid::CLIENT_AUTH)]),
                ),
            ],
        ),
    };
    let japanese = der::sequence(&[directory_name(&names::authority_in_japanese(choice))]);
    extensions.extend([
        certificate_policies(choice.policy(hierarchy)),
        Extension::plain(oid::ISSUER_ALT_NAME, japanese),
        distribution_points(&names::distribution_point(hierarchy, choice, municipality)),
    ]);
    if choice == CertificateChoice::Authentication {
        extensions.push(authority_info_access(&issuer.ocsp_url));
    }
    extensions.push(issuer.authority_key_identifier());
    extensions.push(subject_key_identifier(&key.key_identifier()));
    Template {
        serial,
        signature_algorithm: oid::SHA256_WITH_RSA,
        issuer: issuer.name(),
        not_before,
        not_after: calendar::fifth_birthday_after(not_before, person.birth_date.date),
        subject,
        spki: key.spki(),
        extensions,
    }
}

/// A delegated OCSP responder (RFC 6960 4.2.2.2). J-LIS publishes none; this is the smallest that the RFC allows. It lives as
/// long as its CA and says `id-pkix-ocsp-nocheck`, so that no one has to ask about the one who answers.
pub(crate) fn responder(
    issuer: &Issuer,
    serial: u64,
    life: (DateTime<Utc>, DateTime<Utc>),
    key: &SigningKey,
) -> Template {
    Template {
        serial,
        signature_algorithm: oid::SHA256_WITH_RSA,
        issuer: issuer.name(),
        not_before: life.0,
        not_after: life.1,
        subject: names::responder(issuer.hierarchy, issuer.choice),
        spki: key.spki(),
        extensions: vec![
            key_usage(0b1000_0000),
            Extension::plain(
                oid::EXTENDED_KEY_USAGE,
                der::sequence(&[der::oid(oid::OCSP_SIGNING)]),
            ),
            Extension::plain(oid::OCSP_NO_CHECK, der::null()),
            issuer.authority_key_identifier(),
            subject_key_identifier(&key.key_identifier()),
        ],
    }
}

fn authority_info_access(ocsp_url: &str) -> Extension {
    let location = der::context_primitive(6, ocsp_url.as_bytes());
    let value = der::sequence(&[der::sequence(&[der::oid(oid::OCSP), location])]);
    Extension::plain(oid::AUTHORITY_INFO_ACCESS, value)
}

/// 28 characters: 14 of a time, five digits, the municipality's code, and a place of four. So reads the one known example,
/// `20251016172600 00134 13221 003A`; nothing may depend on the inner structure.
fn signature_id(at: DateTime<Utc>, serial: u64, municipality: &Municipality) -> String {
    format!(
        "{}{:05}{}003A",
        calendar::stamp_in_japan(at),
        serial % 100_000,
        municipality.code
    )
}

/// 23 characters: 14 without visible meaning, the municipality's code, and a place of four (`997794E9AGCIEG 13221 003A`).
fn authentication_id(serial: u64, municipality: &Municipality) -> String {
    const ALPHABET: &[u8; 19] = b"0123456789ABCDEFGHI";
    let digest = Sha256::digest(serial.to_be_bytes());
    let opaque: String = digest
        .iter()
        .take(14)
        .map(|octet| char::from(ALPHABET[usize::from(*octet) % ALPHABET.len()]))
        .collect();
    format!("{opaque}{}003A", municipality.code)
}

#[cfg(test)]
#[path = "profile_tests.rs"]
mod tests;
