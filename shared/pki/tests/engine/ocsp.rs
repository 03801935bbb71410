//! OCSP responses: who may answer, about what, how fresh.

use std::time::Duration;

use rsa::RsaPrivateKey;
use warikan_pki::{Nonce, OcspError, OcspPolicy, PathAlgorithms, StatusFact, VerifiedOcsp, sha256};
use warikan_types::RevocationReason;

use crate::{
    chains::{ca, cn, leaf},
    der::{bits, extension, int, octets, oid, seq, tlv},
    keys::{CAS, How, rsa_public_key},
    pki::{Plan, at},
};

const NOON: &str = "2026-11-21T12:00:00Z";
const ISSUER: &str = "Issuer";

fn issuer() -> (&'static str, &'static RsaPrivateKey) {
    (ISSUER, &CAS[0])
}

fn generalized(text: &str) -> Vec<u8> {
    tlv(0x18, text.as_bytes())
}

/// One answer.
fn single(serial: u8, status: Vec<u8>, this_update: &str, sha1_id: bool) -> Vec<u8> {
    let (algorithm, name, key) = if sha1_id {
        use sha1::{Digest, Sha1};
        (
            "1.3.14.3.2.26",
            Sha1::digest(cn(ISSUER)).to_vec(),
            Sha1::digest(rsa_public_key(&CAS[0])).to_vec(),
        )
    } else {
        (
            "2.16.840.1.101.3.4.2.1",
            sha256(&cn(ISSUER)).to_vec(),
            sha256(&rsa_public_key(&CAS[0])).to_vec(),
        )
    };
    let id = seq(&[
        seq(&[oid(algorithm), tlv(5, &[])]),
        octets(&name),
        octets(&key),
        int(&[serial]),
    ]);
    seq(&[
        id,
        status,
        generalized(this_update),
        tlv(0xa0, &generalized("20261121130000Z")),
    ])
}

fn good() -> Vec<u8> {
    tlv(0x80, &[])
}

fn unknown() -> Vec<u8> {
    tlv(0x82, &[])
}

fn revoked(reason: u8) -> Vec<u8> {
    let reason = tlv(0xa0, &tlv(0x0a, &[reason]));
    tlv(0xa1, &[generalized("20261101000000Z"), reason].concat())
}

struct Answer {
    responder: Vec<u8>,
    singles: Vec<Vec<u8>>,
    extensions: Vec<Vec<u8>>,
    certificates: Vec<Vec<u8>>,
    signer: RsaPrivateKey,
}

impl Answer {
    fn of(singles: &[Vec<u8>]) -> Self {
        Self {
            responder: tlv(0xa1, &cn(ISSUER)),
            singles: singles.to_vec(),
            extensions: Vec::new(),
            certificates: Vec::new(),
            signer: CAS[0].clone(),
        }
    }

    fn nonce(mut self, nonce: &[u8]) -> Self {
        let value = octets(nonce);
        self.extensions
            .push(extension("1.3.6.1.5.5.7.48.1.2", false, &value));
        self
    }

    fn build(&self) -> Vec<u8> {
        let mut data = vec![
            self.responder.clone(),
            generalized("20261121115500Z"),
            seq(&self.singles),
        ];
        if !self.extensions.is_empty() {
            data.push(tlv(0xa1, &seq(&self.extensions)));
        }
        let data = seq(&data);
        let signature = How::Sha256.sign(&self.signer, &data);
        let mut parts = vec![data, How::Sha256.algorithm(), bits(0, &signature)];
        if !self.certificates.is_empty() {
            parts.push(tlv(0xa0, &seq(&self.certificates)));
        }
        let basic = octets(&seq(&parts));
        let bytes = seq(&[oid("1.3.6.1.5.5.7.48.1.1"), basic]);
        seq(&[tlv(0x0a, &[0]), tlv(0xa0, &bytes)])
    }

    fn ask(&self, nonce: Nonce<'_>) -> Result<StatusFact, OcspError> {
        verify(&self.build(), nonce).map(|answer| answer.fact().clone())
    }
}

fn verify(response: &[u8], nonce: Nonce<'_>) -> Result<VerifiedOcsp, OcspError> {
    let policy = OcspPolicy {
        max_age: Some(Duration::from_secs(900)),
        clock_skew: Duration::from_secs(60),
        nonce,
        algorithms: PathAlgorithms::Current,
    };
    let certificate = leaf(issuer(), 7).build();
    let ca = ca(("Root", &CAS[1]), issuer()).build();
    VerifiedOcsp::verify_der(response, &certificate, &ca, &policy, at(NOON))
}

const FRESH: &str = "20261121115500Z";

#[test]
fn f049_an_answer_says_what_it_says() {
    for sha1_id in [true, false] {
        let answer = |status| Answer::of(&[single(7, status, FRESH, sha1_id)]).ask(Nonce::NotSent);
        assert_eq!(answer(good()), Ok(StatusFact::Good));
        assert_eq!(answer(unknown()), Ok(StatusFact::UnknownSerial));
        assert_eq!(
            answer(revoked(3)),
            Ok(StatusFact::Revoked {
                reason: RevocationReason::AffiliationChanged,
                revoked_at: at("2026-11-01T00:00:00Z"),
            })
        );
    }
    let other = Answer::of(&[single(8, good(), FRESH, true)]);
    assert_eq!(other.ask(Nonce::NotSent), Err(OcspError::OtherCertificate));
    assert_eq!(
        Answer::of(&[]).ask(Nonce::NotSent),
        Err(OcspError::OtherCertificate)
    );
}

#[test]
fn f049_contradictory_answers_are_refused_but_revoked_is_believed() {
    let both = |one, other| {
        Answer::of(&[single(7, one, FRESH, true), single(7, other, FRESH, false)])
            .ask(Nonce::NotSent)
    };
    assert_eq!(both(good(), good()), Ok(StatusFact::Good));
    assert_eq!(both(good(), unknown()), Err(OcspError::Contradiction));
    for (one, other) in [(good(), revoked(1)), (revoked(1), good())] {
        assert!(matches!(both(one, other), Ok(StatusFact::Revoked { .. })));
    }
}

#[test]
fn f049_freshness() {
    let answer =
        |this_update| Answer::of(&[single(7, good(), this_update, true)]).ask(Nonce::NotSent);
    assert_eq!(answer("20261121114500Z"), Ok(StatusFact::Good));
    assert_eq!(answer("20261121114459Z"), Err(OcspError::NotCurrent));
    assert_eq!(answer("20261121120100Z"), Ok(StatusFact::Good));
    assert_eq!(answer("20261121120101Z"), Err(OcspError::NotCurrent));
}

#[test]
fn f049_the_nonce_is_held_against_what_was_sent() {
    let without = || Answer::of(&[single(7, good(), FRESH, true)]);
    let with = || without().nonce(b"12345678");
    assert!(with().ask(Nonce::NotSent).is_ok());
    assert!(with().ask(Nonce::Required(b"12345678")).is_ok());
    assert!(without().ask(Nonce::Optional(b"12345678")).is_ok());
    for (answer, nonce) in [
        (without(), Nonce::Required(b"12345678")),
        (with(), Nonce::Required(b"87654321")),
        (with(), Nonce::Optional(b"87654321")),
    ] {
        assert_eq!(answer.ask(nonce), Err(OcspError::Nonce));
    }
}

fn delegate(signer: &RsaPrivateKey) -> Plan {
    let mut plan = ca(issuer(), ("Responder", &CAS[2]));
    plan.signer = signer.clone();
    plan.extensions = vec![extension(
        "2.5.29.37",
        false,
        &seq(&[oid("1.3.6.1.5.5.7.3.9")]),
    )];
    plan
}

#[test]
fn f049_only_the_issuer_and_its_delegate_may_answer() {
    let by = |certificate: Option<Plan>, signer: &RsaPrivateKey| {
        let mut answer = Answer::of(&[single(7, good(), FRESH, true)]);
        answer.responder = tlv(0xa1, &cn("Responder"));
        answer.signer = signer.clone();
        answer.certificates = certificate.iter().map(Plan::build).collect();
        answer.ask(Nonce::NotSent)
    };
    assert_eq!(by(Some(delegate(&CAS[0])), &CAS[2]), Ok(StatusFact::Good));
    assert!(
        by(Some(delegate(&CAS[3])), &CAS[2]).is_err(),
        "not by the issuer"
    );
    assert!(by(Some(delegate(&CAS[0])), &CAS[3]).is_err(), "another key");
    assert!(by(None, &CAS[2]).is_err(), "no certificate");
    let purpose = |oid_text: &str| {
        let value = seq(&[oid(oid_text)]);
        delegate(&CAS[0]).extension("2.5.29.37", Some(extension("2.5.29.37", false, &value)))
    };
    assert!(by(Some(purpose("1.3.6.1.5.5.7.3.2")), &CAS[2]).is_err());
    assert!(
        by(Some(purpose("2.5.29.37.0")), &CAS[2]).is_err(),
        "any is not this"
    );
    let mut ended = delegate(&CAS[0]);
    ended.not_after = crate::der::time("20261120000000Z");
    assert!(by(Some(ended), &CAS[2]).is_err());
}

#[test]
fn f049_errors_and_critical_extensions_are_no_answers() {
    for code in [1, 2, 3, 5, 6] {
        let response = seq(&[tlv(0x0a, &[code])]);
        assert_eq!(
            verify(&response, Nonce::NotSent).unwrap_err(),
            OcspError::Responder(code)
        );
    }
    assert_eq!(
        verify(&seq(&[tlv(0x0a, &[4])]), Nonce::NotSent).unwrap_err(),
        OcspError::Malformed
    );
    let mut answer = Answer::of(&[single(7, good(), FRESH, true)]);
    answer.extensions.push(extension("1.2.3", true, &[5, 0]));
    assert_eq!(answer.ask(Nonce::NotSent), Err(OcspError::UnknownCritical));
    let response = Answer::of(&[single(7, good(), FRESH, true)]).build();
    for index in 0..response.len() {
        let mut changed = response.clone();
        changed[index] ^= 0x40;
        assert!(verify(&changed, Nonce::NotSent).is_err(), "octet {index}");
        assert!(verify(&response[..index], Nonce::NotSent).is_err());
    }
}
