//! The templates against the real certificates of the test hierarchy.

use ::der::{Decode, Encode};
use x509_cert::Certificate;

use super::*;
use crate::fixtures;

macro_rules! real {
    ($file:literal) => {
        include_bytes!(concat!("../testdata/jlis/", $file)).as_slice()
    };
}

fn parsed(bytes: &[u8]) -> Certificate {
    Certificate::from_der(bytes).expect("a certificate")
}

fn instant(time: &x509_cert::time::Time) -> DateTime<Utc> {
    DateTime::from_timestamp(time.to_unix_duration().as_secs().try_into().unwrap(), 0).unwrap()
}

/// A template of ours with what only J-LIS knows put in: key, serial and identifier. All else must be the same bytes.
fn rebuilt(mut template: Template, real: &Certificate) -> Der {
    let tbs = &real.tbs_certificate;
    template.spki = tbs.subject_public_key_info.to_der().unwrap();
    template.subject = tbs.subject.to_der().unwrap();
    let key_identifier = tbs.extensions.as_ref().unwrap().last().unwrap();
    let ours = template.extensions.last_mut().unwrap();
    assert_eq!(ours.id, oid::SUBJECT_KEY_IDENTIFIER);
    ours.value = key_identifier.extn_value.as_bytes().to_vec();
    template.tbs()
}

fn serial_of(certificate: &Certificate) -> u64 {
    certificate
        .tbs_certificate
        .serial_number
        .as_bytes()
        .iter()
        .fold(0, |sum, octet| (sum << 8) | u64::from(*octet))
}

fn any_key() -> SigningKey {
    SigningKey::from_pkcs8(fixtures::test_keys()[0]).unwrap()
}

#[test]
fn the_real_roots_are_rebuilt_byte_for_byte() {
    for (choice, bytes) in [
        (CertificateChoice::Signature, real!("signca-test-2019.cer")),
        (CertificateChoice::Signature, real!("signca-test-2024.cer")),
        (
            CertificateChoice::Authentication,
            real!("authca-test-2019.cer"),
        ),
        (
            CertificateChoice::Authentication,
            real!("authca-test-2023.cer"),
        ),
    ] {
        let real = parsed(bytes);
        let start = instant(&real.tbs_certificate.validity.not_before);
        let template = root(Hierarchy::Test, choice, serial_of(&real), start, &any_key());
        assert_eq!(
            template.subject,
            real.tbs_certificate.subject.to_der().unwrap()
        );
        assert_eq!(
            rebuilt(template, &real),
            real.tbs_certificate.to_der().unwrap()
        );
    }
}

#[test]
fn f036_the_real_leaves_are_rebuilt_byte_for_byte() {
    for (choice, leaf_bytes, root_bytes) in [
        (
            CertificateChoice::Signature,
            real!("jpki-sign-cert.der"),
            real!("signca-test-2024.cer"),
        ),
        (
            CertificateChoice::Authentication,
            real!("jpki-auth-cert.der"),
            real!("authca-test-2023.cer"),
        ),
    ] {
        let (real, root) = (parsed(leaf_bytes), parsed(root_bytes));
        let root_key = root
            .tbs_certificate
            .subject_public_key_info
            .subject_public_key
            .raw_bytes();
        let issuer = Issuer {
            hierarchy: Hierarchy::Test,
            choice,
            key_identifier: sha1::Sha1::digest(root_key).into(),
            root_serial: serial_of(&root),
            ocsp_url: crate::TEST_OCSP_URL.to_owned(),
        };
        let start = instant(&real.tbs_certificate.validity.not_before);
        let template = leaf(
            &issuer,
            &Person::of_the_test_card(),
            serial_of(&real),
            start,
            &any_key(),
        );
        let (ours, theirs) = (
            parsed_name(&template.subject),
            &real.tbs_certificate.subject,
        );
        assert_eq!(shape(&ours), shape(theirs), "subject");
        assert_eq!(
            rebuilt(template, &real),
            real.tbs_certificate.to_der().unwrap()
        );
    }
}

fn parsed_name(bytes: &[u8]) -> x509_cert::name::Name {
    x509_cert::name::Name::from_der(bytes).unwrap()
}

/// Attribute types, string tags and lengths; of an identifier, also its last nine characters (municipality and place).
fn shape(name: &x509_cert::name::Name) -> Vec<(String, ::der::Tag, usize, Vec<u8>)> {
    use ::der::Tagged;
    let attributes = name.0.iter().flat_map(|rdn| rdn.0.iter());
    attributes
        .map(|attribute| {
            let value = attribute.value.value();
            let shown = if attribute.oid == oid::COMMON_NAME {
                &value[value.len() - 9..]
            } else {
                value
            };
            (
                attribute.oid.to_string(),
                attribute.value.tag(),
                value.len(),
                shown.to_vec(),
            )
        })
        .collect()
}

#[test]
fn f033_the_hierarchies_differ_in_organisation_and_policy() {
    for choice in CertificateChoice::ALL {
        let of = |hierarchy| names::authority(hierarchy, choice);
        assert_ne!(of(Hierarchy::Production), of(Hierarchy::Test));
        assert_ne!(
            choice.policy(Hierarchy::Production),
            choice.policy(Hierarchy::Test)
        );
    }
}
