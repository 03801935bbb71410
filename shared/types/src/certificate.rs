//! What identifies a certificate inside the platform. None of it ever leaves (法52条): tenants see handles.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::ToSchema;

/// SHA-256 over the issuer's SubjectPublicKeyInfo (whole DER).
///
/// Generations of a J-LIS CA share one name; only the key tells them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IssuerKey(pub [u8; 32]);

impl Serialize for IssuerKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(self.0))
    }
}
impl<'de> Deserialize<'de> for IssuerKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let mut key = [0; 32];
        hex::decode_to_slice(&text, &mut key).map_err(serde::de::Error::custom)?;
        Ok(Self(key))
    }
}
impl fmt::Display for IssuerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

/// A serial number: the content octets of the DER INTEGER without leading zero octets, 1 to 20 of them.
///
/// 発行の番号 is confidential (法52条): no `Display`, and `Debug` hides it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Serial(Vec<u8>);

/// The octets are not a serial number (RFC 5280 4.1.2.2: positive, at most 20 octets).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a serial number is positive and has at most 20 octets")]
pub struct SerialError;

impl Serial {
    /// From big-endian octets; leading zeros do not count.
    ///
    /// # Errors
    /// Zero, empty, or more than 20 octets.
    pub fn from_octets(octets: &[u8]) -> Result<Self, SerialError> {
        let start = octets
            .iter()
            .position(|octet| *octet != 0)
            .ok_or(SerialError)?;
        let significant = &octets[start..];
        if significant.len() > 20 {
            return Err(SerialError);
        }
        Ok(Self(significant.to_vec()))
    }

    /// From a number.
    ///
    /// # Errors
    /// Zero.
    pub fn from_u64(number: u64) -> Result<Self, SerialError> {
        Self::from_octets(&number.to_be_bytes())
    }

    /// Big-endian octets, no leading zero.
    #[must_use]
    pub fn octets(&self) -> &[u8] {
        &self.0
    }

    /// As a number where it fits: J-LIS serials do, and then a bitmap can hold them.
    #[must_use]
    pub fn as_u64(&self) -> Option<u64> {
        if self.0.len() > 8 {
            return None;
        }
        Some(
            self.0
                .iter()
                .fold(0, |sum, octet| (sum << 8) | u64::from(*octet)),
        )
    }
}

impl fmt::Debug for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Serial(..)")
    }
}
impl Serialize for Serial {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(&self.0))
    }
}
impl<'de> Deserialize<'de> for Serial {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let octets = hex::decode(text).map_err(serde::de::Error::custom)?;
        Self::from_octets(&octets).map_err(serde::de::Error::custom)
    }
}

/// Issuer key and serial: a certificate's identity inside the platform.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CertificateId {
    /// The key that signed it.
    pub issuer: IssuerKey,
    /// Its serial number under that key.
    pub serial: Serial,
}

/// Which revocation list a certificate is covered by: SHA-256 over the canonical DER of its distribution
/// point's name (RFC 5280 4.2.1.13). J-LIS has one per municipality, so the name itself is personal data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CrlPartition(pub [u8; 32]);

impl Serialize for CrlPartition {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        IssuerKey(self.0).serialize(serializer)
    }
}
impl<'de> Deserialize<'de> for CrlPartition {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        IssuerKey::deserialize(deserializer).map(|key| Self(key.0))
    }
}

/// The four legal kinds: {card, phone} x {signature, authentication}.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum CertificateKind {
    /// 署名用電子証明書 on a card: carries the four attributes.
    CardSignature,
    /// 利用者証明用電子証明書 on a card.
    CardAuthentication,
    /// 移動端末設備用署名用電子証明書 (法16条の2).
    PhoneSignature,
    /// 移動端末設備用利用者証明用電子証明書.
    PhoneAuthentication,
}

impl CertificateKind {
    /// All four.
    pub const ALL: [Self; 4] = [
        Self::CardSignature,
        Self::CardAuthentication,
        Self::PhoneSignature,
        Self::PhoneAuthentication,
    ];

    /// The wire word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CardSignature => "card_signature",
            Self::CardAuthentication => "card_authentication",
            Self::PhoneSignature => "phone_signature",
            Self::PhoneAuthentication => "phone_authentication",
        }
    }

    /// From the wire word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }

    /// Whether it is a signature certificate (purpose `signature`), not an authentication certificate.
    #[must_use]
    pub const fn is_signature(self) -> bool {
        matches!(self, Self::CardSignature | Self::PhoneSignature)
    }
}

/// Where knowledge of a certificate's status came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// The daily revocation list (失効情報ファイル).
    Crl,
    /// The live question (OCSP, RFC 6960).
    Ocsp,
}

impl Channel {
    /// The wire word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Crl => "crl",
            Self::Ocsp => "ocsp",
        }
    }
}

/// CRLReason (RFC 5280 5.3.1). `removeFromCRL` (8) is not a reason to be revoked and is not here.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum RevocationReason {
    /// 0: at J-LIS, discarded before delivery.
    Unspecified,
    /// 1: the holder's key is compromised (loss).
    KeyCompromise,
    /// 2: the CA's key is compromised.
    CaCompromise,
    /// 3: one of the four attributes changed.
    AffiliationChanged,
    /// 4: renewed.
    Superseded,
    /// 5: no longer needed.
    CessationOfOperation,
    /// 6: held; J-LIS never lifts a hold.
    CertificateHold,
    /// 9.
    PrivilegeWithdrawn,
    /// 10.
    AaCompromise,
}

impl RevocationReason {
    /// From the ENUMERATED value; `None` for 7 (unused), 8 (removeFromCRL) and anything above 10.
    #[must_use]
    pub const fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            0 => Self::Unspecified,
            1 => Self::KeyCompromise,
            2 => Self::CaCompromise,
            3 => Self::AffiliationChanged,
            4 => Self::Superseded,
            5 => Self::CessationOfOperation,
            6 => Self::CertificateHold,
            9 => Self::PrivilegeWithdrawn,
            10 => Self::AaCompromise,
            _ => return None,
        })
    }

    /// The ENUMERATED value.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Unspecified => 0,
            Self::KeyCompromise => 1,
            Self::CaCompromise => 2,
            Self::AffiliationChanged => 3,
            Self::Superseded => 4,
            Self::CessationOfOperation => 5,
            Self::CertificateHold => 6,
            Self::PrivilegeWithdrawn => 9,
            Self::AaCompromise => 10,
        }
    }

    /// The wire word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unspecified => "unspecified",
            Self::KeyCompromise => "key_compromise",
            Self::CaCompromise => "ca_compromise",
            Self::AffiliationChanged => "affiliation_changed",
            Self::Superseded => "superseded",
            Self::CessationOfOperation => "cessation_of_operation",
            Self::CertificateHold => "certificate_hold",
            Self::PrivilegeWithdrawn => "privilege_withdrawn",
            Self::AaCompromise => "aa_compromise",
        }
    }

    /// What the reason says about the customer, as J-LIS uses it.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Unspecified => "The card was discarded before it was delivered.",
            Self::KeyCompromise => "The holder's card or key is lost or compromised.",
            Self::CaCompromise | Self::AaCompromise => {
                "The key of the certification authority is compromised."
            }
            Self::AffiliationChanged => "Name, address, date of birth or sex has changed.",
            Self::Superseded => "The certificate was renewed; a new one took its place.",
            Self::CessationOfOperation => "The certificate is no longer needed.",
            Self::CertificateHold => "The certificate is held; the issuer never lifts a hold.",
            Self::PrivilegeWithdrawn => "The issuer has withdrawn the certificate.",
        }
    }

    /// What to do about the customer.
    #[must_use]
    pub const fn recommended_action(self) -> &'static str {
        match self {
            Self::Unspecified => "Treat the certificate as never valid.",
            Self::KeyCompromise => {
                "Suspend what rests on this certificate and verify the customer again."
            }
            Self::CaCompromise | Self::AaCompromise => {
                "Rely on no certificate of this authority until the operator tells more."
            }
            Self::AffiliationChanged => "Ask the customer for the new attributes.",
            Self::Superseded => {
                "Nothing about the customer has changed; verify with the new certificate at the next occasion."
            }
            // Never to be read as a death: most who give a certificate back live.
            Self::CessationOfOperation => "Ask the customer for another way of verification.",
            Self::CertificateHold => "Treat the certificate as revoked.",
            Self::PrivilegeWithdrawn => "Verify the customer again.",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f035_serials_are_compared_as_bytes_without_truncation() {
        let long = Serial::from_octets(&[0xff; 20]).unwrap();
        assert_eq!(long.as_u64(), None);
        assert_eq!(
            Serial::from_octets(&[0, 0, 1, 2]).unwrap(),
            Serial::from_u64(258).unwrap()
        );
        assert!(Serial::from_octets(&[0; 3]).is_err());
        assert!(Serial::from_octets(&[1; 21]).is_err());
        let mut low = vec![1];
        low.extend([0; 8]);
        assert_eq!(
            Serial::from_octets(&low).unwrap().as_u64(),
            None,
            "2^64 does not wrap to 0"
        );
        assert_eq!(format!("{long:?}"), "Serial(..)");
    }

    #[test]
    fn reason_codes_round_trip() {
        for code in 0..=255 {
            if let Some(reason) = RevocationReason::from_code(code) {
                assert_eq!(reason.code(), code);
            }
        }
        assert_eq!(RevocationReason::from_code(8), None);
    }
}
