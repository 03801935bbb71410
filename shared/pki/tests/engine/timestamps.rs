//! RFC 3161: each thing that a validator may forget, forgotten once.

use rsa::RsaPrivateKey;
use warikan_pki::{
    DigestAlgorithm, Oid, PathPolicy, TimestampError, TimestampRequest, TimestampTrust,
    VerifiedTimestamp, sha256,
};

use crate::{
    chains::{ca, cn, slices},
    der::{extension, int, octets, oid, seq, set, tlv},
    keys::{CAS, How},
    pki::{Plan, at},
};

const NOON: &str = "2026-11-21T12:00:00Z";
const TST_INFO: &str = "1.2.840.113549.1.9.16.1.4";
const POLICY: &str = "1.2.3.4";

fn sha256_id() -> Vec<u8> {
    seq(&[oid("2.16.840.1.101.3.4.2.1")])
}

fn authority() -> Plan {
    let purpose = seq(&[oid("1.3.6.1.5.5.7.3.8")]);
    let mut plan = ca(("Root", &CAS[0]), ("TSA", &CAS[1]));
    plan.extensions = vec![extension("2.5.29.37", true, &purpose)];
    plan
}

/// Everything of a response that a test replaces.
struct Stamp {
    signer: Plan,
    key: RsaPrivateKey,
    generated_at: &'static str,
    content_type: Option<Vec<u8>>,
    message_digest: Option<Vec<u8>>,
    certificate: Option<Vec<u8>>,
    status: u8,
}

fn attribute(kind: &str, value: Vec<u8>) -> Vec<u8> {
    seq(&[oid(kind), set(&[value])])
}

impl Stamp {
    fn new() -> Self {
        let signer = authority();
        let hash = sha256(&signer.build());
        Self {
            key: CAS[1].clone(),
            generated_at: "20261121110000.25Z",
            content_type: Some(oid(TST_INFO)),
            message_digest: None,
            certificate: Some(seq(&[seq(&[seq(&[octets(&hash)])])])),
            status: 0,
            signer,
        }
    }

    fn info(&self) -> Vec<u8> {
        seq(&[
            int(&[1]),
            oid(POLICY),
            seq(&[sha256_id(), octets(&sha256(b"document"))]),
            int(&[42]),
            tlv(0x18, self.generated_at.as_bytes()),
            int(&[0, 0xaa]),
        ])
    }

    fn build(&self) -> Vec<u8> {
        let info = self.info();
        let digest = self
            .message_digest
            .clone()
            .unwrap_or_else(|| octets(&sha256(&info)));
        let mut attributes = vec![attribute("1.2.840.113549.1.9.4", digest)];
        if let Some(kind) = &self.content_type {
            attributes.push(attribute("1.2.840.113549.1.9.3", kind.clone()));
        }
        if let Some(certificate) = &self.certificate {
            attributes.push(attribute("1.2.840.113549.1.9.16.2.47", certificate.clone()));
        }
        let signature = How::Sha256.sign(&self.key, &set(&attributes));
        let signer_info = seq(&[
            int(&[1]),
            seq(&[cn("Root"), self.signer.serial.clone()]),
            sha256_id(),
            tlv(0xa0, &attributes.concat()),
            How::Sha256.algorithm(),
            octets(&signature),
        ]);
        let signed = seq(&[
            int(&[3]),
            set(&[sha256_id()]),
            seq(&[oid(TST_INFO), tlv(0xa0, &octets(&info))]),
            tlv(0xa0, &self.signer.build()),
            set(&[signer_info]),
        ]);
        let token = seq(&[oid("1.2.840.113549.1.7.2"), tlv(0xa0, &signed)]);
        seq(&[seq(&[int(&[self.status])]), token])
    }

    fn verify(&self) -> Result<String, TimestampError> {
        verify(
            &self.build(),
            b"document",
            Some(&[0xaa]),
            Some(POLICY),
            NOON,
        )
    }
}

fn verify(
    response: &[u8],
    document: &[u8],
    nonce: Option<&[u8]>,
    policy: Option<&str>,
    when: &str,
) -> Result<String, TimestampError> {
    let anchors = [ca(("Root", &CAS[0]), ("Root", &CAS[0])).build()];
    let paths = PathPolicy::any();
    let trust = TimestampTrust {
        trust_anchors: &slices(&anchors),
        intermediates: &[],
        crls: &[],
        policy: &paths,
    };
    let policy = policy.map(|text| text.parse::<Oid>().unwrap());
    let request = TimestampRequest {
        algorithm: DigestAlgorithm::Sha256,
        digest: &sha256(document),
        nonce,
        policy: policy.as_ref(),
    };
    VerifiedTimestamp::verify_response(response, &request, &trust, at(when))
        .map(|stamp| stamp.generated_at().to_string())
}

#[test]
fn a_timestamp_proves_its_time() {
    assert_eq!(Stamp::new().verify().unwrap(), "2026-11-21T11:00:00.250Z");
}

#[test]
fn f093_what_was_asked_for_must_be_in_it() {
    let response = Stamp::new().build();
    let asked = |document, nonce, policy| verify(&response, document, nonce, policy, NOON).err();
    assert_eq!(asked(b"document", None, None), None);
    assert_eq!(asked(b"other", None, None), Some(TimestampError::Imprint));
    assert_eq!(
        asked(b"document", Some(&[0, 0xaa]), None),
        None,
        "the same number"
    );
    assert_eq!(
        asked(b"document", Some(&[0xab]), None),
        Some(TimestampError::Nonce)
    );
    assert_eq!(
        asked(b"document", None, Some("1.2.3.5")),
        Some(TimestampError::Policy)
    );
    let early = verify(&response, b"document", None, None, "2026-11-21T10:59:59Z");
    assert_eq!(early, Err(TimestampError::Time));
    let mut rejected = Stamp::new();
    rejected.status = 2;
    assert_eq!(rejected.verify(), Err(TimestampError::NotGranted));
}

#[test]
fn f093_signed_attributes_are_checked_one_by_one() {
    let with = |change: fn(&mut Stamp)| {
        let mut stamp = Stamp::new();
        change(&mut stamp);
        stamp.verify()
    };
    let attributes = Err(TimestampError::Attributes);
    assert_eq!(with(|stamp| stamp.content_type = None), attributes);
    assert_eq!(
        with(|stamp| stamp.content_type = Some(oid("1.2.840.113549.1.7.1"))),
        attributes
    );
    assert_eq!(
        with(|stamp| stamp.message_digest = Some(octets(&[0; 32]))),
        attributes
    );
    assert_eq!(with(|stamp| stamp.certificate = None), attributes);
    assert_eq!(
        with(|stamp| stamp.certificate = Some(seq(&[seq(&[seq(&[octets(&[0; 32])])])]))),
        Err(TimestampError::Signer)
    );
    assert_eq!(
        with(|stamp| stamp.key = CAS[2].clone()),
        Err(TimestampError::Signature)
    );
}

#[test]
fn f093_the_signer_is_for_timestamps_alone() {
    let with_purposes = |critical, oids: &[&str]| {
        let list: Vec<_> = oids.iter().map(|text| oid(text)).collect();
        let mut stamp = Stamp::new();
        stamp.signer.extensions = vec![extension("2.5.29.37", critical, &seq(&list))];
        let hash = sha256(&stamp.signer.build());
        stamp.certificate = Some(seq(&[seq(&[seq(&[octets(&hash)])])]));
        stamp.verify()
    };
    const STAMPING: &str = "1.3.6.1.5.5.7.3.8";
    assert!(with_purposes(true, &[STAMPING]).is_ok());
    let purpose = Err(TimestampError::Purpose);
    assert_eq!(with_purposes(false, &[STAMPING]), purpose);
    assert_eq!(
        with_purposes(true, &[STAMPING, "1.3.6.1.5.5.7.3.2"]),
        purpose
    );
    assert_eq!(with_purposes(true, &["2.5.29.37.0"]), purpose);

    let mut stranger = Stamp::new();
    stranger.signer.signer = CAS[3].clone();
    let hash = sha256(&stranger.signer.build());
    stranger.certificate = Some(seq(&[seq(&[seq(&[octets(&hash)])])]));
    assert!(matches!(stranger.verify(), Err(TimestampError::Path(_))));
    let mut outside = Stamp::new();
    outside.generated_at = "20241231235959Z";
    assert_eq!(
        outside.verify(),
        Err(TimestampError::Time),
        "before its certificate"
    );
}

#[test]
fn f056_no_changed_octet_gives_another_time() {
    let stamp = Stamp::new();
    let response = stamp.build();
    let told = stamp.verify().unwrap();
    for index in 0..response.len() {
        let mut changed = response.clone();
        changed[index] ^= 0x01;
        if let Ok(time) = verify(&changed, b"document", None, None, NOON) {
            assert_eq!(time, told, "octet {index}");
        }
        assert!(verify(&response[..index], b"document", None, None, NOON).is_err());
    }
}
