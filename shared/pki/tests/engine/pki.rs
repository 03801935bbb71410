//! A little CA of the shape of JPKI, every part of which a test can replace.

use rsa::RsaPrivateKey;
use warikan_pki::{
    AlgorithmPolicy, AnchorSet, Channel, DigestAlgorithm, Policy, Purpose, Signed, StatusFact,
    StatusKnowledge, sha256,
};
use warikan_types::{Environment, Timestamp};

use crate::{
    der::{bits, extension, int, name, octets, oid, printable, seq, time, tlv, utf8},
    keys::{CA, HOLDER, How, spki},
};

/// Everything of a certificate.
#[derive(Clone)]
pub struct Plan {
    pub version: Vec<u8>,
    pub serial: Vec<u8>,
    pub algorithm: Vec<u8>,
    pub outer_algorithm: Vec<u8>,
    pub how: How,
    pub issuer: Vec<u8>,
    pub not_before: Vec<u8>,
    pub not_after: Vec<u8>,
    pub subject: Vec<u8>,
    pub spki: Vec<u8>,
    pub extensions: Vec<Vec<u8>>,
    pub signer: RsaPrivateKey,
}

impl Plan {
    /// What is signed.
    pub fn tbs(&self) -> Vec<u8> {
        let mut parts = vec![
            self.version.clone(),
            self.serial.clone(),
            self.algorithm.clone(),
            self.issuer.clone(),
            seq(&[self.not_before.clone(), self.not_after.clone()]),
            self.subject.clone(),
            self.spki.clone(),
        ];
        if !self.extensions.is_empty() {
            parts.push(tlv(0xa3, &seq(&self.extensions)));
        }
        seq(&parts)
    }

    pub fn build(&self) -> Vec<u8> {
        let tbs = self.tbs();
        let signature = self.how.sign(&self.signer, &tbs);
        seq(&[tbs, self.outer_algorithm.clone(), bits(0, &signature)])
    }

    pub fn signed_by(mut self, key: &RsaPrivateKey, how: How) -> Self {
        self.signer = key.clone();
        self.how = how;
        self.algorithm = how.algorithm();
        self.outer_algorithm = how.algorithm();
        self
    }

    /// Replaces the extension of this type, or removes it.
    pub fn extension(mut self, id: &str, new: Option<Vec<u8>>) -> Self {
        let wanted = oid(id);
        self.extensions.retain(|one| {
            let header = if one[1] < 0x80 {
                2
            } else {
                2 + usize::from(one[1] & 0x7f)
            };
            !one[header..].starts_with(&wanted)
        });
        self.extensions.extend(new);
        self
    }
}

pub fn ca_name(organisation: &str) -> Vec<u8> {
    name(&[
        ("2.5.4.6", printable("JP")),
        ("2.5.4.10", utf8(organisation)),
        ("2.5.4.11", utf8("JPKI for digital signature")),
    ])
}

pub fn key_id(key: &RsaPrivateKey) -> Vec<u8> {
    sha256(&spki(key))[..20].to_vec()
}

/// A certificate without extensions.
pub fn plan(
    signer: &RsaPrivateKey,
    issuer: Vec<u8>,
    subject: Vec<u8>,
    key: &RsaPrivateKey,
) -> Plan {
    Plan {
        version: tlv(0xa0, &int(&[2])),
        serial: int(&[1]),
        algorithm: How::Sha256.algorithm(),
        outer_algorithm: How::Sha256.algorithm(),
        how: How::Sha256,
        issuer,
        not_before: time("20250101000000Z"),
        not_after: time("20300217145959Z"),
        subject,
        spki: spki(key),
        extensions: Vec::new(),
        signer: signer.clone(),
    }
}

/// A self-signed root.
pub fn root(organisation: &str, key: &RsaPrivateKey) -> Plan {
    let mut plan = plan(key, ca_name(organisation), ca_name(organisation), key);
    plan.not_after = time("20340101000000Z");
    plan.extensions = vec![
        extension("2.5.29.15", true, &bits(1, &[0x06])),
        extension("2.5.29.19", true, &seq(&[tlv(1, &[0xff])])),
        extension("2.5.29.14", false, &octets(&key_id(key))),
    ];
    plan
}

pub fn other_name(arc: u8, value: &[u8]) -> Vec<u8> {
    let kind = oid(&format!("1.2.392.200149.8.5.5.{arc}"));
    tlv(0xa0, &[kind, tlv(0xa0, value)].concat())
}

pub fn attributes() -> Vec<Vec<u8>> {
    [
        (1, "黒桐　幹也"),
        (4, "319800217"),
        (3, "1"),
        (5, "東京都清瀬市観布子南１２－７－２０２"),
        (2, "00000"),
        (6, "000000000000000000"),
    ]
    .map(|(arc, text)| other_name(arc, &utf8(text)))
    .into()
}

pub fn alt_name(names: &[Vec<u8>]) -> Vec<u8> {
    extension("2.5.29.17", false, &seq(names))
}

pub fn policies(policy: &str) -> Vec<u8> {
    extension("2.5.29.32", true, &seq(&[seq(&[oid(policy)])]))
}

pub fn municipality(encode: fn(&str) -> Vec<u8>) -> Vec<u8> {
    name(&[
        ("2.5.4.6", printable("JP")),
        ("2.5.4.10", encode("JPKI-TEST")),
        ("2.5.4.3", encode("Kiyose-shi CRLDP")),
    ])
}

pub fn point_name(directory: &[u8]) -> Vec<u8> {
    tlv(0xa0, &tlv(0xa0, &tlv(0xa4, directory)))
}

pub const SIGNATURE_POLICY: &str = "1.2.392.200149.8.5.1.0.20";
pub const AUTHENTICATION_POLICY: &str = "1.2.392.200149.8.5.1.0.30";

fn leaf(signer: &RsaPrivateKey, organisation: &str) -> Plan {
    let subject = name(&[
        ("2.5.4.6", printable("JP")),
        ("2.5.4.3", utf8("202510161726000013413221003A")),
    ]);
    let mut plan = plan(signer, ca_name(organisation), subject, &HOLDER);
    plan.serial = int(&[0x1e, 0xe6, 0x07]);
    plan.extensions = vec![
        extension("2.5.29.35", false, &seq(&[tlv(0x80, &key_id(signer))])),
        extension(
            "2.5.29.31",
            false,
            &seq(&[seq(&[point_name(&municipality(utf8))])]),
        ),
    ];
    plan
}

/// A signature certificate of the test hierarchy.
pub fn signature_leaf(signer: &RsaPrivateKey) -> Plan {
    let mut plan = leaf(signer, "JPKI-TEST");
    plan.extensions.extend([
        extension("2.5.29.15", true, &bits(6, &[0xc0])),
        policies(SIGNATURE_POLICY),
        alt_name(&attributes()),
    ]);
    plan
}

/// An authentication certificate of the test hierarchy.
pub fn authentication_leaf(signer: &RsaPrivateKey) -> Plan {
    let mut plan = leaf(signer, "JPKI-TEST");
    plan.extensions.extend([
        extension("2.5.29.15", true, &bits(7, &[0x80])),
        policies(AUTHENTICATION_POLICY),
        extension("2.5.29.37", false, &seq(&[oid("1.3.6.1.5.5.7.3.2")])),
    ]);
    plan
}

pub fn anchors() -> AnchorSet {
    AnchorSet::new([(Environment::Sandbox, root("JPKI-TEST", &CA).build())]).unwrap()
}

pub fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub fn policy() -> Policy {
    Policy {
        environment: Environment::Sandbox,
        purpose: Purpose::Any,
        max_age: Some(std::time::Duration::from_secs(86_400)),
        clock_skew: std::time::Duration::from_secs(60),
        algorithms: AlgorithmPolicy::jpki(),
    }
}

pub fn good() -> StatusKnowledge {
    StatusKnowledge {
        fact: StatusFact::Good,
        channel: Channel::Crl,
        this_update: at("2026-11-21T00:00:00Z"),
        next_update: Some(at("2026-11-22T00:00:00Z")),
        version: "1".into(),
    }
}

pub const NOON: &str = "2026-11-21T12:00:00Z";

pub fn application() -> Signed {
    Signed::Message {
        algorithm: DigestAlgorithm::Sha256,
        message: b"application to open an account".to_vec(),
    }
}

pub fn signature_over_application() -> Vec<u8> {
    How::Sha256.sign(&HOLDER, b"application to open an account")
}
