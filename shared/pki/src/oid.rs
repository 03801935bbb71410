//! Object identifiers, as the content octets that DER carries.

use std::{fmt, str::FromStr};

use crate::der;

/// An object identifier.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Oid(Vec<u8>);

/// The text is no object identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an object identifier in dotted form such as 2.5.29.32")]
pub struct OidError;

impl Oid {
    /// From content octets that were already checked.
    pub(crate) fn from_content(content: &[u8]) -> Self {
        Self(content.to_vec())
    }

    /// The content octets.
    #[must_use]
    pub fn content(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for Oid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut arc: u128 = 0;
        let mut first = true;
        for octet in &self.0 {
            arc = (arc << 7) | u128::from(octet & 0x7f);
            if octet & 0x80 != 0 {
                continue;
            }
            if first {
                let root = (arc / 40).min(2);
                write!(f, "{root}.{}", arc - root * 40)?;
                first = false;
            } else {
                write!(f, ".{arc}")?;
            }
            arc = 0;
        }
        Ok(())
    }
}
impl fmt::Debug for Oid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
impl FromStr for Oid {
    type Err = OidError;

    fn from_str(text: &str) -> Result<Self, OidError> {
        let mut arcs = text.split('.').map(|arc| {
            if arc.is_empty() || arc.len() > 1 && arc.starts_with('0') {
                return Err(OidError);
            }
            if !arc.bytes().all(|digit| digit.is_ascii_digit()) {
                return Err(OidError);
            }
            arc.parse::<u64>().map_err(|_| OidError)
        });
        let root = arcs.next().ok_or(OidError)??;
        let second = arcs.next().ok_or(OidError)??;
        if root > 2 || root < 2 && second > 39 || second > u64::MAX - 80 {
            return Err(OidError);
        }
        let mut content = Vec::new();
        push_arc(&mut content, root * 40 + second);
        for arc in arcs {
            push_arc(&mut content, arc?);
        }
        der::oid(&content).map_err(|_| OidError)?;
        Ok(Self(content))
    }
}

fn push_arc(content: &mut Vec<u8>, arc: u64) {
    let groups = (64 - arc.leading_zeros()).div_ceil(7).max(1);
    for group in (0..groups).rev() {
        let bits = u8::try_from((arc >> (7 * group)) & 0x7f).expect("seven bits fit an octet");
        content.push(if group == 0 { bits } else { bits | 0x80 });
    }
}

/// id-ce (2.5.29): the extensions of RFC 5280 4.2.1 and 5.2.
pub(crate) mod ce {
    pub(crate) const SUBJECT_KEY_ID: &[u8] = &[0x55, 0x1d, 14];
    pub(crate) const KEY_USAGE: &[u8] = &[0x55, 0x1d, 15];
    pub(crate) const SUBJECT_ALT_NAME: &[u8] = &[0x55, 0x1d, 17];
    pub(crate) const ISSUER_ALT_NAME: &[u8] = &[0x55, 0x1d, 18];
    pub(crate) const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 19];
    pub(crate) const CRL_NUMBER: &[u8] = &[0x55, 0x1d, 20];
    pub(crate) const REASON_CODE: &[u8] = &[0x55, 0x1d, 21];
    pub(crate) const INVALIDITY_DATE: &[u8] = &[0x55, 0x1d, 24];
    pub(crate) const DELTA_CRL: &[u8] = &[0x55, 0x1d, 27];
    pub(crate) const ISSUING_DISTRIBUTION_POINT: &[u8] = &[0x55, 0x1d, 28];
    pub(crate) const CERTIFICATE_ISSUER: &[u8] = &[0x55, 0x1d, 29];
    pub(crate) const CRL_DISTRIBUTION_POINTS: &[u8] = &[0x55, 0x1d, 31];
    pub(crate) const CERTIFICATE_POLICIES: &[u8] = &[0x55, 0x1d, 32];
    pub(crate) const NAME_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 30];
    pub(crate) const POLICY_MAPPINGS: &[u8] = &[0x55, 0x1d, 33];
    pub(crate) const POLICY_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 36];
    pub(crate) const INHIBIT_ANY_POLICY: &[u8] = &[0x55, 0x1d, 54];
    pub(crate) const AUTHORITY_KEY_ID: &[u8] = &[0x55, 0x1d, 35];
    pub(crate) const EXT_KEY_USAGE: &[u8] = &[0x55, 0x1d, 37];
}

/// anyPolicy.
pub(crate) const ANY_POLICY: &[u8] = &[0x55, 0x1d, 0x20, 0];
/// anyExtendedKeyUsage.
pub(crate) const ANY_KEY_USAGE: &[u8] = &[0x55, 0x1d, 37, 0];
/// id-qt-cps.
pub(crate) const QUALIFIER_CPS: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 2, 1];
/// id-qt-unotice.
pub(crate) const QUALIFIER_NOTICE: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 2, 2];
/// emailAddress (PKCS#9).
pub(crate) const EMAIL_ADDRESS: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 1];
/// id-pe-authorityInfoAccess.
pub(crate) const AUTHORITY_INFO_ACCESS: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 1, 1];
/// id-ad-ocsp.
pub(crate) const AD_OCSP: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 0x30, 1];
/// id-kp-clientAuth.
pub(crate) const CLIENT_AUTH: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 2];
/// 1.2.392.200149.8.5.5, the arc of the four attributes; one more arc follows.
pub(crate) const JPKI_ATTRIBUTES: &[u8] = &[0x2a, 0x83, 0x08, 0x8c, 0x9b, 0x55, 8, 5, 5];
/// id-at-organizationName.
pub(crate) const ORGANIZATION: &[u8] = &[0x55, 4, 10];

/// rsaEncryption.
pub(crate) const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1];
/// id-ecPublicKey.
pub(crate) const EC_PUBLIC_KEY: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1];
/// secp256r1.
pub(crate) const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];
/// secp384r1.
pub(crate) const P384: &[u8] = &[0x2b, 0x81, 0x04, 0, 0x22];
/// secp521r1.
pub(crate) const P521: &[u8] = &[0x2b, 0x81, 0x04, 0, 0x23];
/// id-Ed25519.
pub(crate) const ED25519: &[u8] = &[0x2b, 0x65, 0x70];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dotted_form_round_trips() {
        for text in [
            "2.5.29.32",
            "1.2.392.200149.8.5.5.1",
            "2.16.840.1.101.3.2.1.48.1",
            "0.0",
            "2.999",
            "1.2.840.113549.1.1.11",
        ] {
            assert_eq!(text.parse::<Oid>().unwrap().to_string(), text);
        }
        assert_eq!(
            "1.2.392.200149.8.5.5".parse::<Oid>().unwrap().content(),
            JPKI_ATTRIBUTES
        );
        for bad in [
            "", "1", "3.1", "1.40", "1..2", "1.02", "1.2.", "a.b", "1.-2",
        ] {
            assert!(bad.parse::<Oid>().is_err(), "{bad}");
        }
    }
}
