//! The object identifiers of the profile. The arc 1.2.392.200149.8.5 is the one that the certificates themselves carry.

use const_oid::ObjectIdentifier;

const fn oid(text: &str) -> ObjectIdentifier {
    ObjectIdentifier::new_unwrap(text)
}

pub(crate) const COUNTRY: ObjectIdentifier = oid("2.5.4.6");
pub(crate) const LOCALITY: ObjectIdentifier = oid("2.5.4.7");
pub(crate) const ORGANIZATION: ObjectIdentifier = oid("2.5.4.10");
pub(crate) const ORGANIZATIONAL_UNIT: ObjectIdentifier = oid("2.5.4.11");
pub(crate) const COMMON_NAME: ObjectIdentifier = oid("2.5.4.3");

pub(crate) const RSA_ENCRYPTION: ObjectIdentifier = oid("1.2.840.113549.1.1.1");
pub(crate) const SHA1_WITH_RSA: ObjectIdentifier = oid("1.2.840.113549.1.1.5");
pub(crate) const SHA256_WITH_RSA: ObjectIdentifier = oid("1.2.840.113549.1.1.11");
pub(crate) const SHA1: ObjectIdentifier = oid("1.3.14.3.2.26");
pub(crate) const SHA256: ObjectIdentifier = oid("2.16.840.1.101.3.4.2.1");

pub(crate) const SUBJECT_KEY_IDENTIFIER: ObjectIdentifier = oid("2.5.29.14");
pub(crate) const KEY_USAGE: ObjectIdentifier = oid("2.5.29.15");
pub(crate) const SUBJECT_ALT_NAME: ObjectIdentifier = oid("2.5.29.17");
pub(crate) const ISSUER_ALT_NAME: ObjectIdentifier = oid("2.5.29.18");
pub(crate) const BASIC_CONSTRAINTS: ObjectIdentifier = oid("2.5.29.19");
pub(crate) const CRL_NUMBER: ObjectIdentifier = oid("2.5.29.20");
pub(crate) const REASON_CODE: ObjectIdentifier = oid("2.5.29.21");
pub(crate) const DELTA_CRL_INDICATOR: ObjectIdentifier = oid("2.5.29.27");
pub(crate) const ISSUING_DISTRIBUTION_POINT: ObjectIdentifier = oid("2.5.29.28");
pub(crate) const CRL_DISTRIBUTION_POINTS: ObjectIdentifier = oid("2.5.29.31");
pub(crate) const CERTIFICATE_POLICIES: ObjectIdentifier = oid("2.5.29.32");
pub(crate) const AUTHORITY_KEY_IDENTIFIER: ObjectIdentifier = oid("2.5.29.35");
pub(crate) const EXTENDED_KEY_USAGE: ObjectIdentifier = oid("2.5.29.37");
pub(crate) const AUTHORITY_INFO_ACCESS: ObjectIdentifier = oid("1.3.6.1.5.5.7.1.1");

pub(crate) const CPS: ObjectIdentifier = oid("1.3.6.1.5.5.7.2.1");
pub(crate) const CLIENT_AUTH: ObjectIdentifier = oid("1.3.6.1.5.5.7.3.2");
pub(crate) const OCSP_SIGNING: ObjectIdentifier = oid("1.3.6.1.5.5.7.3.9");
pub(crate) const OCSP: ObjectIdentifier = oid("1.3.6.1.5.5.7.48.1");
pub(crate) const OCSP_BASIC: ObjectIdentifier = oid("1.3.6.1.5.5.7.48.1.1");
pub(crate) const OCSP_NONCE: ObjectIdentifier = oid("1.3.6.1.5.5.7.48.1.2");
pub(crate) const OCSP_NO_CHECK: ObjectIdentifier = oid("1.3.6.1.5.5.7.48.1.5");

/// 基本4情報 and their substitution flags: `.1` name, `.2` its flags, `.3` sex, `.4` birth date, `.5` address, `.6` its flags.
pub(crate) const HOLDER_NAME: ObjectIdentifier = oid("1.2.392.200149.8.5.5.1");
pub(crate) const HOLDER_NAME_FLAGS: ObjectIdentifier = oid("1.2.392.200149.8.5.5.2");
pub(crate) const HOLDER_SEX: ObjectIdentifier = oid("1.2.392.200149.8.5.5.3");
pub(crate) const HOLDER_BIRTH_DATE: ObjectIdentifier = oid("1.2.392.200149.8.5.5.4");
pub(crate) const HOLDER_ADDRESS: ObjectIdentifier = oid("1.2.392.200149.8.5.5.5");
pub(crate) const HOLDER_ADDRESS_FLAGS: ObjectIdentifier = oid("1.2.392.200149.8.5.5.6");
/// An otherName that no published profile knows, and an extension of the same kind.
pub(crate) const HOLDER_UNKNOWN: ObjectIdentifier = oid("1.2.392.200149.8.5.5.99");
pub(crate) const UNKNOWN_EXTENSION: ObjectIdentifier = oid("1.2.392.200149.8.5.99");

pub(crate) const POLICY_SIGNATURE: ObjectIdentifier = oid("1.2.392.200149.8.5.1.1.20");
pub(crate) const POLICY_AUTHENTICATION: ObjectIdentifier = oid("1.2.392.200149.8.5.1.3.30");
pub(crate) const POLICY_SIGNATURE_TEST: ObjectIdentifier = oid("1.2.392.200149.8.5.1.0.20");
pub(crate) const POLICY_AUTHENTICATION_TEST: ObjectIdentifier = oid("1.2.392.200149.8.5.1.0.30");
pub(crate) const POLICY_UNKNOWN: ObjectIdentifier = oid("1.2.392.200149.8.5.1.0.99");
