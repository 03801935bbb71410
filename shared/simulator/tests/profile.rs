//! What the simulator issues, beside the real certificates of the test hierarchy, field by field: extension order, criticality,
//! identifiers, and the shape of every encoding.
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod common;

use common::{at, real, simulator};
use der::{Decode, Encode, Reader, SliceReader};
use warikan_simulator::{CertificateChoice, Hierarchy, Person, fixtures};
use x509_cert::Certificate;

/// An encoding as a tree of tags; leaves keep their bytes where `keep` says so.
#[derive(Debug, PartialEq)]
struct Node {
    tag: u8,
    content: Content,
}
#[derive(Debug, PartialEq)]
enum Content {
    Inner(Vec<Node>),
    Leaf(Vec<u8>),
}

fn tree(bytes: &[u8]) -> Vec<Node> {
    let mut reader = SliceReader::new(bytes).unwrap();
    let mut out = Vec::new();
    while !reader.is_finished() {
        let header = reader.peek_header().unwrap();
        let element = reader.tlv_bytes().unwrap();
        let tag = element[0];
        let length = usize::try_from(header.length).unwrap();
        let content = &element[element.len() - length..];
        let content = if tag & 0x20 != 0 {
            Content::Inner(tree(content))
        } else {
            Content::Leaf(content.to_vec())
        };
        out.push(Node { tag, content });
    }
    out
}

fn parsed(bytes: &[u8]) -> Certificate {
    Certificate::from_der(bytes).unwrap()
}

/// Everything but what belongs to one certificate alone: keys, serial numbers, times and the holder's identifier.
fn compare(ours: &[u8], theirs: &[u8]) {
    let (ours, theirs) = (parsed(ours), parsed(theirs));
    assert_eq!(
        ours.signature_algorithm.to_der().unwrap(),
        theirs.signature_algorithm.to_der().unwrap()
    );
    assert_eq!(
        ours.signature.raw_bytes().len(),
        theirs.signature.raw_bytes().len()
    );
    let (ours, theirs) = (ours.tbs_certificate, theirs.tbs_certificate);
    assert_eq!(ours.version, theirs.version);
    assert_eq!(
        ours.issuer.to_der().unwrap(),
        theirs.issuer.to_der().unwrap()
    );
    assert_eq!(
        ours.subject_public_key_info.algorithm,
        theirs.subject_public_key_info.algorithm
    );
    let times = |validity: &x509_cert::time::Validity| tags(&tree(&validity.to_der().unwrap()));
    assert_eq!(times(&ours.validity), times(&theirs.validity));
    let end = |validity: &x509_cert::time::Validity| validity.not_after.to_date_time().minutes();
    assert_eq!(end(&ours.validity), end(&theirs.validity));
    assert_eq!(subject(&ours), subject(&theirs));
    let (ours, theirs) = (ours.extensions.unwrap(), theirs.extensions.unwrap());
    let heads = |extensions: &[x509_cert::ext::Extension]| -> Vec<(String, bool)> {
        extensions
            .iter()
            .map(|one| (one.extn_id.to_string(), one.critical))
            .collect()
    };
    assert_eq!(
        heads(&ours),
        heads(&theirs),
        "order, identifiers and criticality"
    );
    for (our, their) in ours.iter().zip(&theirs) {
        let (our_value, their_value) = (our.extn_value.as_bytes(), their.extn_value.as_bytes());
        match our.extn_id.to_string().as_str() {
            // Subject and authority key identifier: the same tree, with other keys in it.
            "2.5.29.14" => assert_eq!(our_value.len(), their_value.len()),
            "2.5.29.35" => {
                let (our, their) = (tree(our_value), tree(their_value));
                let (Content::Inner(our), Content::Inner(their)) =
                    (&our[0].content, &their[0].content)
                else {
                    panic!("a SEQUENCE");
                };
                assert_eq!(tags(our), tags(their));
                assert_eq!(our[1], their[1], "authorityCertIssuer");
            }
            id => assert_eq!(our_value, their_value, "{id}"),
        }
    }
}

/// The subject as a tree, of the identifier only its length and its last nine characters.
fn subject(certificate: &x509_cert::TbsCertificate) -> Vec<(String, u8, usize, Vec<u8>)> {
    let attributes = certificate.subject.0.iter().flat_map(|rdn| rdn.0.iter());
    attributes
        .map(|one| {
            let value = one.value.value();
            let from = if one.oid.to_string() == "2.5.4.3" {
                value.len() - 9
            } else {
                0
            };
            (
                one.oid.to_string(),
                one.value.to_der().unwrap()[0],
                value.len(),
                value[from..].to_vec(),
            )
        })
        .collect()
}

fn tags(nodes: &[Node]) -> Vec<u8> {
    let mut out = Vec::new();
    for node in nodes {
        out.push(node.tag);
        if let Content::Inner(inner) = &node.content {
            out.extend(tags(inner));
        }
    }
    out
}

#[test]
fn roots_are_like_the_real_ones() {
    let simulator = simulator();
    for root in simulator.roots() {
        let files: [&str; 2] = match root.choice {
            CertificateChoice::Signature => ["signca-test-2019.cer", "signca-test-2024.cer"],
            CertificateChoice::Authentication => ["authca-test-2019.cer", "authca-test-2023.cer"],
        };
        for file in files {
            compare(&root.der, &real(file));
        }
    }
}

#[test]
fn f036_leaves_are_like_the_real_ones() {
    let mut simulator = simulator();
    let id = simulator
        .enroll(
            Person::of_the_test_card(),
            &mut fixtures::key_source(),
            at("2025-10-27T01:35:57Z"),
        )
        .unwrap();
    let card = simulator.card(id).unwrap();
    compare(
        card.certificate(CertificateChoice::Signature).unwrap(),
        &real("jpki-sign-cert.der"),
    );
    compare(
        card.certificate(CertificateChoice::Authentication).unwrap(),
        &real("jpki-auth-cert.der"),
    );
    let end = parsed(card.certificate(CertificateChoice::Signature).unwrap())
        .tbs_certificate
        .validity
        .not_after;
    assert_eq!(
        end,
        parsed(&real("jpki-sign-cert.der"))
            .tbs_certificate
            .validity
            .not_after
    );
}

#[test]
fn f034_generations_share_a_name_and_no_key() {
    for hierarchy in [Hierarchy::Production, Hierarchy::Test] {
        let simulator = common::simulator_of(hierarchy);
        let roots = simulator.roots();
        assert_eq!(roots.len(), 4);
        for pair in [[0, 1], [2, 3]] {
            let [a, b] = pair.map(|index: usize| parsed(&roots[index].der).tbs_certificate);
            assert_eq!(roots[pair[0]].choice, roots[pair[1]].choice);
            assert_eq!(a.subject, b.subject);
            assert_eq!(a.subject, b.issuer);
            assert_ne!(a.subject_public_key_info, b.subject_public_key_info);
            assert_ne!(a.serial_number, b.serial_number);
        }
        let organisation = match hierarchy {
            Hierarchy::Production => "O=JPKI,",
            Hierarchy::Test => "O=JPKI-TEST,",
        };
        let name = parsed(&roots[0].der).tbs_certificate.subject.to_string();
        assert!(name.contains(organisation), "{name}");
    }
}
