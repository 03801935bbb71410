//! Revocation lists: which may vouch, and what they say.

use rsa::RsaPrivateKey;
use warikan_pki::{AnchorSet, Certificate, CrlError, SignedCrl, VerifiedCrl};
use warikan_types::{Environment, RevocationReason};

use crate::{
    der::{bits, extension, int, name, octets, printable, seq, time, tlv, utf8},
    keys::{CA, How, OTHER_CA},
    pki::{NOON, at, ca_name, key_id, municipality, point_name, root, signature_leaf},
};

#[derive(Clone)]
struct List {
    version: Vec<u8>,
    issuer: Vec<u8>,
    this_update: Vec<u8>,
    next_update: Vec<u8>,
    entries: Vec<Vec<u8>>,
    extensions: Vec<Vec<u8>>,
    signer: RsaPrivateKey,
}

fn reason(code: u8) -> Vec<u8> {
    extension("2.5.29.21", false, &tlv(0x0a, &[code]))
}

fn entry(serial: &[u8], extensions: &[Vec<u8>]) -> Vec<u8> {
    let mut parts = vec![int(serial), time("20261120010203Z")];
    if !extensions.is_empty() {
        parts.push(seq(extensions));
    }
    seq(&parts)
}

fn idp(parts: &[Vec<u8>]) -> Vec<u8> {
    extension("2.5.29.28", true, &seq(parts))
}

impl List {
    fn new() -> Self {
        Self {
            version: int(&[1]),
            issuer: ca_name("JPKI-TEST"),
            this_update: time("20261121000000Z"),
            next_update: time("20261122000000Z"),
            entries: vec![
                entry(&[0x1e, 0xe6, 0x07], &[reason(3)]),
                entry(&[0, 0xff], &[]),
                entry(
                    &[0x7f; 20],
                    &[
                        reason(1),
                        extension("2.5.29.24", false, &tlv(0x18, b"20261101000000Z")),
                    ],
                ),
            ],
            extensions: vec![
                extension("2.5.29.35", false, &seq(&[tlv(0x80, &key_id(&CA))])),
                extension("2.5.29.20", false, &int(&[0, 0x90])),
            ],
            signer: CA.clone(),
        }
    }

    fn build(&self) -> Vec<u8> {
        let mut parts = vec![
            self.version.clone(),
            How::Sha256.algorithm(),
            self.issuer.clone(),
            self.this_update.clone(),
            self.next_update.clone(),
        ];
        if !self.entries.is_empty() {
            parts.push(seq(&self.entries));
        }
        parts.push(tlv(0xa0, &seq(&self.extensions)));
        let tbs = seq(&parts);
        let signature = How::Sha256.sign(&self.signer, &tbs);
        seq(&[tbs, How::Sha256.algorithm(), bits(0, &signature)])
    }

    fn error(&self) -> Option<CrlError> {
        let set = anchors();
        let anchor = set.iter().next().unwrap();
        VerifiedCrl::verify(&self.build(), anchor, at(NOON)).err()
    }

    fn with(mut self, extension: Vec<u8>) -> Self {
        self.extensions.push(extension);
        self
    }
}

fn anchors() -> AnchorSet {
    crate::pki::anchors()
}

#[test]
fn a_list_says_what_it_says() {
    let der = List::new().build();
    let set = anchors();
    let anchor = set.iter().next().unwrap();
    let list = VerifiedCrl::verify(&der, anchor, at(NOON)).unwrap();
    assert_eq!(list.issuer_key(), anchor.key());
    assert_eq!(list.number().octets(), [0x90]);
    assert_eq!(list.partition(), None);
    assert_eq!(list.this_update(), at("2026-11-21T00:00:00Z"));
    assert_eq!(list.next_update(), at("2026-11-22T00:00:00Z"));
    assert_eq!(list.len(), 3);
    let entries: Vec<_> = list.entries().collect();
    assert_eq!(entries.len(), 3);
    assert_eq!(entries[0].serial.octets(), [0x1e, 0xe6, 0x07]);
    assert_eq!(entries[0].reason, RevocationReason::AffiliationChanged);
    assert_eq!(entries[0].revoked_at, at("2026-11-20T01:02:03Z"));
    assert_eq!(entries[1].serial.octets(), [0xff]);
    assert_eq!(entries[1].reason, RevocationReason::Unspecified);
    assert_eq!(entries[2].serial.octets(), [0x7f; 20]);
    assert_eq!(entries[2].reason, RevocationReason::KeyCompromise);
    let mut empty = List::new();
    empty.entries.clear();
    let der = empty.build();
    assert!(
        VerifiedCrl::verify(&der, anchor, at(NOON))
            .unwrap()
            .is_empty()
    );
}

#[test]
fn f045_the_partition_is_that_of_the_certificates_distribution_point() {
    let leaf = Certificate::parse(&signature_leaf(&CA).build()).unwrap();
    let set = anchors();
    let anchor = set.iter().next().unwrap();
    let partition = |directory: &[u8]| {
        let der = List::new()
            .with(idp(&[point_name(directory), tlv(0x81, &[0xff])]))
            .build();
        VerifiedCrl::verify(&der, anchor, at(NOON))
            .unwrap()
            .partition()
    };
    let same = partition(&municipality(utf8));
    assert!(same.is_some());
    assert_eq!(same, leaf.distribution_point());
    assert_eq!(
        partition(&municipality(printable)),
        leaf.distribution_point()
    );
    let other = name(&[
        ("2.5.4.6", printable("JP")),
        ("2.5.4.3", utf8("Chofu-shi CRLDP")),
    ]);
    assert_ne!(partition(&other), leaf.distribution_point());
}

#[test]
fn f034_f045_a_list_of_another_key_or_name_does_not_vouch() {
    let mut other_key = List::new();
    other_key.signer = OTHER_CA.clone();
    assert_eq!(other_key.error(), Some(CrlError::SignatureInvalid));
    let mut other_name = List::new();
    other_name.issuer = ca_name("JPKI");
    assert_eq!(other_name.error(), Some(CrlError::WrongIssuer));
    let mut other_id = List::new();
    other_id.extensions[0] = extension("2.5.29.35", false, &seq(&[tlv(0x80, &key_id(&OTHER_CA))]));
    assert_eq!(other_id.error(), Some(CrlError::WrongIssuer));
    let no_crl_sign = root("JPKI-TEST", &CA)
        .extension(
            "2.5.29.15",
            Some(extension("2.5.29.15", true, &bits(2, &[0x04]))),
        )
        .build();
    let set = AnchorSet::new([(Environment::Sandbox, no_crl_sign)]).unwrap();
    let der = List::new().build();
    assert_eq!(
        VerifiedCrl::verify(&der, set.iter().next().unwrap(), at(NOON)).unwrap_err(),
        CrlError::WrongIssuer
    );
}

#[test]
fn f048_a_key_id_or_number_that_is_critical_makes_a_list_unusable() {
    // RFC 5280 5.2.1, 5.2.3: neither is critical.
    for place in [0, 1] {
        let mut list = List::new();
        let key_id = seq(&[tlv(0x80, &key_id(&CA))]);
        list.extensions[place] = [
            extension("2.5.29.35", true, &key_id),
            extension("2.5.29.20", true, &int(&[1])),
        ][place]
            .clone();
        assert_eq!(list.error(), Some(CrlError::UnknownCritical), "{place}");
    }
}

#[test]
fn f048_unusable_lists_are_refused() {
    let malformed = |list: &List, why: &str| {
        assert!(
            matches!(list.error(), Some(CrlError::Malformed(_))),
            "{why}: {:?}",
            list.error()
        );
    };
    let list = List::new().with(extension("1.2.3", true, &[5, 0]));
    assert_eq!(list.error(), Some(CrlError::UnknownCritical));
    assert_eq!(
        List::new().with(extension("1.2.3", false, &[5, 0])).error(),
        None
    );
    let list = List::new().with(extension("2.5.29.27", true, &int(&[1])));
    assert_eq!(list.error(), Some(CrlError::Delta));
    assert_eq!(
        List::new().with(idp(&[tlv(0x84, &[0xff])])).error(),
        Some(CrlError::Indirect)
    );
    assert_eq!(
        List::new().with(idp(&[tlv(0x85, &[0xff])])).error(),
        Some(CrlError::Scope)
    );
    assert_eq!(
        List::new().with(idp(&[tlv(0x82, &[0xff])])).error(),
        Some(CrlError::Scope)
    );

    let with_entry = |extensions: &[Vec<u8>]| {
        let mut list = List::new();
        list.entries.push(entry(&[9], extensions));
        list
    };
    assert_eq!(
        with_entry(&[extension("1.2.3", true, &[5, 0])]).error(),
        Some(CrlError::UnknownCritical)
    );
    assert_eq!(
        with_entry(&[extension("1.2.3", false, &[5, 0])]).error(),
        None
    );
    let names = seq(&[tlv(0xa4, &ca_name("JPKI"))]);
    assert_eq!(
        with_entry(&[extension("2.5.29.29", true, &names)]).error(),
        Some(CrlError::Indirect)
    );
    malformed(
        &with_entry(&[reason(8)]),
        "removeFromCRL in a complete list",
    );
    malformed(&with_entry(&[reason(7)]), "a reason that does not exist");
    malformed(&with_entry(&[reason(1), reason(1)]), "an extension twice");
    for serial in [&[0][..], &[0x80], &[1; 21], &[0, 1]] {
        let mut list = List::new();
        list.entries.push(entry(serial, &[]));
        malformed(&list, "a serial number that is none");
    }

    let mut list = List::new();
    list.this_update = time("20261121120001Z");
    assert_eq!(list.error(), Some(CrlError::NotYet));
    list = List::new();
    list.next_update = Vec::new();
    malformed(&list, "no nextUpdate");
    list = List::new();
    list.next_update = time("20261120000000Z");
    malformed(&list, "nextUpdate first");
    list = List::new();
    list.extensions.remove(1);
    malformed(&list, "no number");
    list = List::new();
    list.version = Vec::new();
    malformed(&list, "version 1");
    list = List::new();
    list.entries = vec![octets(&[])];
    malformed(&list, "an entry that is no SEQUENCE");
}

#[test]
fn f048_nothing_is_read_before_the_signature() {
    let der = List::new().build();
    let set = anchors();
    let anchor = set.iter().next().unwrap();
    for index in 0..der.len() {
        let mut changed = der.clone();
        changed[index] ^= 0x20;
        assert!(
            VerifiedCrl::verify(&changed, anchor, at(NOON)).is_err(),
            "octet {index}"
        );
        assert!(VerifiedCrl::verify(&der[..index], anchor, at(NOON)).is_err());
    }
    // Four gigabytes of entries, says the length.
    let mut claimed = der.clone();
    claimed.splice(1..4, [0x84, 0xff, 0xff, 0xff, 0xff]);
    assert!(matches!(
        VerifiedCrl::verify(&claimed, anchor, at(NOON)),
        Err(CrlError::Malformed(_))
    ));
}

#[test]
fn a_delta_is_told_entry_by_entry_to_who_asks_for_one() {
    let set = anchors();
    let anchor = set.iter().next().unwrap();
    let indicator = |critical, base: &[u8]| extension("2.5.29.27", critical, &int(base));
    let mut delta = List::new().with(indicator(true, &[0x7f]));
    delta.entries = vec![entry(&[5], &[reason(1)]), entry(&[6], &[reason(8)])];
    let der = delta.build();
    let mut told = Vec::new();
    let signed = SignedCrl::read(&der).unwrap();
    let list = signed
        .walk(anchor, at(NOON), |one| {
            told.push((one.serial.to_vec(), one.reason))
        })
        .unwrap();
    assert_eq!(list.base().unwrap().octets(), [0x7f]);
    assert_eq!(
        told,
        [
            (vec![5], Some(RevocationReason::KeyCompromise)),
            (vec![6], None)
        ]
    );
    assert_eq!(
        delta.error(),
        Some(CrlError::Delta),
        "by itself it says nothing"
    );
    let walk = |list: &List| {
        let der = list.build();
        SignedCrl::read(&der)
            .and_then(|signed| signed.walk(anchor, at(NOON), |_| {}).map(|_| ()))
            .err()
    };
    // A complete list cannot remove; an indicator that may be overlooked, or points ahead, is none.
    let mut complete = delta.clone();
    complete.extensions.pop();
    for odd in [
        complete,
        List::new().with(indicator(false, &[1])),
        List::new().with(indicator(true, &[0, 0x90])),
    ] {
        assert!(matches!(walk(&odd), Some(CrlError::Malformed(_))));
    }
    // A key that did not sign it is told nothing.
    let mut other = delta;
    other.signer = OTHER_CA.clone();
    assert_eq!(walk(&other), Some(CrlError::SignatureInvalid));
}
