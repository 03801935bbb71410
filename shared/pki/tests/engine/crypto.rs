//! Keys and algorithms that policy refuses, before any arithmetic.

use std::time::Instant;

use rsa::{
    Pkcs1v15Sign, RsaPrivateKey,
    traits::{PublicKeyParts, SignatureScheme},
};
use sha2::{Digest, Sha256};
use warikan_pki::{
    AnchorSet, DigestAlgorithm, Evidence, KeyError, KeyKind, PublicKey, SignatureAlgorithm,
    SignatureError, examine, validate,
};
use warikan_types::{Environment, Reason};

use crate::{
    keys::{CA, EXPONENT_3, HOLDER, How, SHORT, spki, spki_of},
    pki::{NOON, anchors, application, at, good, policy, root, signature_leaf},
};

const SHA256_RSA: SignatureAlgorithm = SignatureAlgorithm::RsaPkcs1(DigestAlgorithm::Sha256);

#[test]
fn f038_sizes_and_exponents_outside_the_limits_are_refused() {
    let modulus = HOLDER.n().to_bytes_be();
    let kind = |modulus: &[u8], exponent: &[u8]| {
        PublicKey::from_spki(&spki_of(modulus, exponent)).map(|key| key.kind())
    };
    let e = [1, 0, 1];
    assert_eq!(kind(&modulus, &e), Ok(KeyKind::Rsa { bits: 2048 }));
    assert_eq!(
        kind(&modulus, &[0xff, 0xff, 0xff, 0xff]),
        Ok(KeyKind::Rsa { bits: 2048 })
    );
    for exponent in [&[1][..], &[3], &[1, 0, 0], &[0xff, 0xff], &[1, 0, 0, 0, 1]] {
        assert_eq!(
            kind(&modulus, exponent),
            Err(KeyError::Refused),
            "{exponent:?}"
        );
    }
    let mut even = modulus.clone();
    *even.last_mut().unwrap() &= 0xfe;
    assert_eq!(kind(&even, &e), Err(KeyError::Refused));
    assert_eq!(kind(&modulus[1..], &e).unwrap_err(), KeyError::Refused);
    assert_eq!(
        PublicKey::from_spki(&spki(&SHORT)).unwrap_err(),
        KeyError::Refused
    );
    assert_eq!(
        PublicKey::from_spki(&spki(&EXPONENT_3)).unwrap_err(),
        KeyError::Refused
    );
}

#[test]
fn f038_a_key_of_others_may_have_a_small_odd_exponent_and_nothing_else() {
    let modulus = HOLDER.n().to_bytes_be();
    let read = |key: &[u8]| PublicKey::from_spki_of_others(key).map(|key| key.kind());
    assert_eq!(read(&spki(&EXPONENT_3)), Ok(KeyKind::Rsa { bits: 2048 }));
    for exponent in [&[1][..], &[2], &[4], &[1, 0, 0]] {
        let key = spki_of(&modulus, exponent);
        assert_eq!(read(&key), Err(KeyError::Refused), "{exponent:?}");
    }
    assert_eq!(read(&spki(&SHORT)), Err(KeyError::Refused));
    let huge = spki_of(&[0xff; 2048], &[3]);
    assert_eq!(read(&huge), Err(KeyError::Refused));
}

#[test]
fn f038_a_huge_modulus_is_refused_at_once() {
    let began = Instant::now();
    for octets in [1025, 2048, 8192, 1 << 20] {
        let key = spki_of(&vec![0xff; octets], &[1, 0, 1]);
        assert_eq!(PublicKey::from_spki(&key).unwrap_err(), KeyError::Refused);
    }
    assert!(began.elapsed().as_millis() < 50);
    assert_eq!(
        PublicKey::from_spki(&spki_of(&vec![0xff; 1024], &[1, 0, 1]))
            .unwrap()
            .kind(),
        KeyKind::Rsa { bits: 8192 }
    );
}

#[test]
fn f038_certificates_with_such_keys_say_algorithm_refused() {
    for key in [
        spki(&SHORT),
        spki(&EXPONENT_3),
        spki_of(&[0xff; 2048], &[1, 0, 1]),
    ] {
        let mut plan = signature_leaf(&CA);
        plan.spki = key;
        let found = examine(&plan.build(), &anchors());
        let signed = application();
        let status = good();
        let evidence = Evidence {
            examined: &found,
            signature: &[0; 256],
            signed: &signed,
            status: Some(&status),
        };
        let report = validate(&evidence, &policy(), at(NOON));
        assert_eq!(report.reason, Some(Reason::AlgorithmRefused));
    }
}

#[test]
fn f038_sha_1_is_refused_in_a_certificate() {
    let leaf = signature_leaf(&CA).signed_by(&CA, How::Sha1).build();
    let found = examine(&leaf, &anchors());
    assert_eq!(
        found.path_error().unwrap().reason(),
        Reason::AlgorithmRefused
    );
    for how in [How::Sha384, How::Sha512] {
        let leaf = signature_leaf(&CA).signed_by(&CA, how).build();
        assert!(examine(&leaf, &anchors()).path().is_some(), "{how:?}");
    }
    let weak = root("JPKI-TEST", &CA).signed_by(&CA, How::Sha1).build();
    assert!(AnchorSet::new([(Environment::Sandbox, weak)]).is_err());
}

/// RSA-signs an encoded message exactly as it is handed in.
fn raw(key: &RsaPrivateKey, prefix: &[u8], digest: &[u8]) -> Vec<u8> {
    let scheme = Pkcs1v15Sign {
        hash_len: None,
        prefix: prefix.into(),
    };
    scheme
        .sign(None::<&mut rand_chacha::ChaCha20Rng>, key, digest)
        .unwrap()
}

#[test]
fn f023_only_the_exact_encoded_message_verifies() {
    let key = PublicKey::from_spki(&spki(&HOLDER)).unwrap();
    let message = b"message";
    let digest = Sha256::digest(message);
    let verify = |signature: &[u8]| {
        let over_message = key.verify(SHA256_RSA, message, signature);
        assert_eq!(
            over_message,
            key.verify_digest(SHA256_RSA, &digest, signature)
        );
        over_message
    };
    const INFO: [u8; 19] = [
        0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01,
        0x05, 0x00, 0x04, 0x20,
    ];
    assert_eq!(verify(&raw(&HOLDER, &INFO, &digest)), Ok(()));
    let without_null = [
        0x30, 0x2f, 0x30, 0x0b, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01,
        0x04, 0x20,
    ];
    let long_form = [
        0x30, 0x81, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02,
        0x01, 0x05, 0x00, 0x04, 0x20,
    ];
    for prefix in [&without_null[..], &long_form, &[]] {
        assert_eq!(
            verify(&raw(&HOLDER, prefix, &digest)),
            Err(SignatureError::Mismatch)
        );
    }
    let trailing = [&digest[..], &[0]].concat();
    assert_eq!(
        verify(&raw(&HOLDER, &INFO, &trailing)),
        Err(SignatureError::Mismatch)
    );
    let mut random = <rand_chacha::ChaCha20Rng as rand_core::SeedableRng>::seed_from_u64(9);
    let pss = rsa::Pss::new::<Sha256>()
        .sign(Some(&mut random), &HOLDER, &digest)
        .unwrap();
    assert_eq!(verify(&pss), Err(SignatureError::Mismatch));
    let mut wrong = key.verify(
        SignatureAlgorithm::Ecdsa(DigestAlgorithm::Sha256),
        message,
        &pss,
    );
    assert_eq!(wrong, Err(SignatureError::Refused));
    wrong = key.verify_digest(SHA256_RSA, &digest[1..], &pss);
    assert_eq!(wrong, Err(SignatureError::Refused));
}
