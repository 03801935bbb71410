//! The distinguished names of the profile, in both scripts.
//!
//! Country is a PrintableString and everything else a UTF8String, one attribute per RDN: so it is in every certificate of J-LIS.

use const_oid::ObjectIdentifier;

use crate::{
    CertificateChoice, Hierarchy, Municipality,
    der::{self, Der},
    oid,
};

const AGENCY: &str = "Japan Agency for Local Authority Information Systems";

/// Name (RFC 5280 4.1.2.4).
fn name(attributes: &[(ObjectIdentifier, &str)]) -> Der {
    let rdns: Vec<Der> = attributes
        .iter()
        .map(|(kind, value)| {
            let value = if *kind == oid::COUNTRY {
                der::printable_string(value)
            } else {
                der::utf8_string(value.as_bytes())
            };
            der::set_of_one(&der::sequence(&[der::oid(*kind), value]))
        })
        .collect();
    der::sequence(&rdns)
}

/// The CA's name, the same for all its generations.
pub(crate) fn authority(hierarchy: Hierarchy, choice: CertificateChoice) -> Der {
    name(&[
        (oid::COUNTRY, "JP"),
        (oid::ORGANIZATION, hierarchy.organization()),
        (oid::ORGANIZATIONAL_UNIT, choice.unit()),
        (oid::ORGANIZATIONAL_UNIT, AGENCY),
    ])
}

/// The CA's name in Japanese: the same in both hierarchies.
pub(crate) fn authority_in_japanese(choice: CertificateChoice) -> Der {
    let unit = match choice {
        CertificateChoice::Signature => "公的個人認証サービス署名用",
        CertificateChoice::Authentication => "公的個人認証サービス利用者証明用",
    };
    name(&[
        (oid::COUNTRY, "JP"),
        (oid::ORGANIZATION, "公的個人認証サービス"),
        (oid::ORGANIZATIONAL_UNIT, unit),
        (oid::ORGANIZATIONAL_UNIT, "地方公共団体情報システム機構"),
    ])
}

/// The name of a municipality's revocation list. It does not tell the generation: the list's signature does.
pub(crate) fn distribution_point(
    hierarchy: Hierarchy,
    choice: CertificateChoice,
    municipality: &Municipality,
) -> Der {
    name(&[
        (oid::COUNTRY, "JP"),
        (oid::ORGANIZATION, hierarchy.organization()),
        (oid::ORGANIZATIONAL_UNIT, choice.unit()),
        (oid::ORGANIZATIONAL_UNIT, "CRL Distribution Points"),
        (oid::ORGANIZATIONAL_UNIT, &municipality.prefecture),
        (oid::COMMON_NAME, &format!("{} CRLDP", municipality.name)),
    ])
}

/// The subject of a signature certificate.
pub(crate) fn signature_holder(municipality: &Municipality, id: &str) -> Der {
    name(&[
        (oid::COUNTRY, "JP"),
        (oid::LOCALITY, &municipality.prefecture),
        (oid::LOCALITY, &municipality.name),
        (oid::COMMON_NAME, id),
    ])
}

/// The subject of an authentication certificate: nothing but an identifier.
pub(crate) fn authentication_holder(id: &str) -> Der {
    name(&[(oid::COUNTRY, "JP"), (oid::COMMON_NAME, id)])
}

/// The subject of a delegated OCSP responder.
pub(crate) fn responder(hierarchy: Hierarchy, choice: CertificateChoice) -> Der {
    name(&[
        (oid::COUNTRY, "JP"),
        (oid::ORGANIZATION, hierarchy.organization()),
        (oid::ORGANIZATIONAL_UNIT, choice.unit()),
        (oid::COMMON_NAME, "OCSP Responder"),
    ])
}
