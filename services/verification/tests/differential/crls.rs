//! Revocation lists before both judges: what each says of a certificate in force and of one that the list revokes.
//!
//! Ours are two: [`VerifiedCrl`], by which the platform takes lists over, and the path validator with the list in its bag. OpenSSL is
//! asked twice as well: whether the signature is the CA's (`openssl crl -verify`), and what the list means
//! (`openssl verify -crl_check`).

use std::collections::{BTreeMap, BTreeSet};

use warikan_pki::{
    AnchorSet, Certificate, PathFailure, PathInput, PathPolicy, Revocation, VerifiedCrl,
    validate_path,
};
use warikan_types::Environment;

use crate::{
    lists,
    openssl::{self, Bench, Word},
    plan::Plan,
    rng::Rng,
    scene::{Scene, now},
    structure,
};

const BENT: u64 = 150;
const FLIPPED: u64 = 50;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Status {
    Good,
    Revoked,
    /// The list is of no use here.
    Silent,
}

struct Case {
    name: String,
    der: Vec<u8>,
}

fn cases(scene: &mut Scene) -> (Vec<Case>, Vec<u8>) {
    let (lists, root, key) = scene.lists();
    let mut cases = Vec::new();
    let mut seen = BTreeSet::new();
    for ((of, der), lot) in lists.iter().zip(100..) {
        let mut push = |name: &str, der: Vec<u8>| {
            if seen.insert(der.clone()) {
                cases.push(Case {
                    name: format!("{of}: {name}"),
                    der,
                });
            }
        };
        let original = Plan::of(der);
        assert_eq!(original.sign(&key), *der, "nothing is lost on the way");
        for mutation in &lists::all().0 {
            let mut plan = original.clone();
            (mutation.apply)(&mut plan);
            push(&mutation.name, plan.sign(&key));
        }
        let mut rng = Rng::new(lot);
        for _ in 0..BENT {
            let mut plan = original.clone();
            let name = structure::bend(&mut plan, &mut rng);
            push(&format!("lot: {name}"), plan.sign(&key));
        }
        for _ in 0..FLIPPED {
            let mut flipped = der.clone();
            let place = rng.below(flipped.len());
            flipped[place] ^= 1 << rng.below(8);
            push("flipped", flipped);
        }
    }
    (cases, root.der)
}

/// By the list that was taken over.
fn by_list(list: &[u8], anchors: &AnchorSet, leaf: &[u8]) -> (Status, String) {
    let anchor = anchors.iter().next().unwrap();
    let leaf = Certificate::parse(leaf).unwrap();
    let list = match VerifiedCrl::verify(list, anchor, now()) {
        Ok(list) => list,
        Err(error) => return (Status::Silent, error.to_string()),
    };
    let covers = list.partition().is_none() || list.partition() == leaf.distribution_point();
    if now() > list.next_update() || !covers {
        return (Status::Silent, "ended, or of another part".to_owned());
    }
    if list.entries().any(|entry| entry.serial == *leaf.serial()) {
        (Status::Revoked, String::new())
    } else if list.only_some_reasons().is_some() {
        (Status::Silent, "some reasons only".to_owned())
    } else {
        (Status::Good, String::new())
    }
}

/// By the path validator.
fn by_path(list: &[u8], root: &[u8], leaf: &[u8]) -> (Status, String) {
    let input = PathInput {
        target: leaf,
        intermediates: &[],
        trust_anchors: &[root],
        crls: &[list],
    };
    let mut policy = PathPolicy::any();
    policy.revocation = Revocation::HardFail;
    let status = match validate_path(&input, &policy, now()) {
        Ok(()) => Status::Good,
        Err(PathFailure::Revoked) => Status::Revoked,
        Err(_) => Status::Silent,
    };
    let why = warikan_pki::parse_crl(list).err();
    (
        status,
        why.map_or_else(String::new, |error| error.to_string()),
    )
}

fn theirs(word: &Word) -> Status {
    match word {
        Word::Accepted => Status::Good,
        Word::Refused(23) => Status::Revoked,
        Word::Refused(_) | Word::Unreadable => Status::Silent,
    }
}

/// A reason to differ: by our word where we keep silent and OpenSSL speaks, by the name of the case.
struct Row {
    key: &'static str,
    /// Parts of our word, of which one must occur; none for any.
    words: &'static [&'static str],
    /// Parts of the name of the case; none for any.
    cases: &'static [&'static str],
    why: &'static str,
}

/// Why we keep silent where OpenSSL speaks.
const SILENT: [Row; 7] = [
    Row {
        key: "a key id that is critical",
        words: &["a critical extension that is not understood"],
        cases: &["authorityKeyIdentifier critical"],
        why: "RFC 5280 5.2.1 and 4.2.1.1: MUST NOT be; a list that says otherwise asks for more than is done with it",
    },
    Row {
        key: "BER",
        words: &[
            "a length that is not minimal",
            "a length form that DER does not have here",
            "a BOOLEAN that is not DER",
            "a default that DER does not write",
            "an INTEGER that is not minimal",
            "two different signature algorithms",
        ],
        cases: &[],
        why: "OpenSSL reads BER where RFC 5280 5.1 asks for DER (X.690 10.1, 11.1, 11.5)",
    },
    Row {
        key: "extensions that OpenSSL does not read to the end",
        words: &["malformed"],
        cases: &[
            "authorityKeyIdentifier",
            "issuingDistributionPoint",
            "cRLNumber",
            "point",
        ],
        why: "a list without a number cannot be known to be newer (RFC 5280 5.2.3, and CAs MUST write it); the form of the other two is that of 5.2.1 and 5.2.5",
    },
    Row {
        key: "entries that OpenSSL does not read to the end",
        words: &["an entry", "a reason", "an indirect list", "malformed"],
        cases: &[
            "entry",
            "field subject",
            "field more",
            "an extension",
            "no extensions",
        ],
        why: "RFC 5280 5.1.2.6, 5.3: one entry that cannot be understood may be the one that counts, so the list is not used; reason 8 belongs into deltas, a certificate issuer into indirect lists",
    },
    Row {
        key: "versions and empty lists",
        words: &[
            "a version that does not exist",
            "extensions before version 2",
            "not a version 2 list",
            "an empty list",
            "not one SEQUENCE",
            "no CRL number",
            "an entry that cannot be used",
        ],
        cases: &[],
        why: "RFC 5280 5.1.2.1, 5.1.2.6, 5.2; and nothing may follow the list",
    },
    Row {
        key: "lists without end",
        words: &[],
        cases: &["no nextUpdate", "nextUpdate with a fraction"],
        why: "RFC 5280 5.1.2.5: nextUpdate MUST be there; without it a list would never be old",
    },
    Row {
        key: "deltas",
        words: &[],
        cases: &["added: a delta"],
        why: "RFC 5280 5.2.4: it means nothing without its base; OpenSSL takes it for a complete list",
    },
];

/// Why we speak where OpenSSL keeps silent. Never may one of us say good and the other revoked.
const SPEAKS: [Row; 4] = [
    Row {
        key: "the issuer is the key that signed",
        words: &[],
        cases: &["the value of authorityKeyIdentifier"],
        why: "the key id must be the CA's; issuer and serial number beside it, which OpenSSL compares, name one certificate of the CA and prove nothing",
    },
    Row {
        key: "scopes that OpenSSL serves on request only",
        words: &[],
        cases: &["onlySomeReasons", "indirectCRL"],
        why: "RFC 5280 5.2.5, 5.3.3: revoked for some reason is revoked; entries of an indirect list that name no other issuer are of the list's own",
    },
    Row {
        key: "the last second",
        words: &[],
        cases: &["nextUpdate now"],
        why: "RFC 5280 6.3.3 (a)(1): not used when the time is after nextUpdate; X509_cmp_time calls equal times past",
    },
    Row {
        key: "critical although it should not be",
        words: &[],
        cases: &["reason critical"],
        why: "5.3.1 binds the CA; it is read, so it is not unknown",
    },
];

impl Row {
    fn fits(&self, case: &str, word: &str) -> bool {
        let one_of = |parts: &[&str], text: &str| {
            parts.is_empty() || parts.iter().any(|part| text.contains(part))
        };
        one_of(self.words, word) && one_of(self.cases, case)
    }
}

#[derive(Default)]
struct Tally {
    agreed: BTreeMap<Status, usize>,
    rows: BTreeMap<&'static str, usize>,
    unexplained: Vec<String>,
}

impl Tally {
    fn judge(&mut self, engine: &str, case: &Case, ours: (Status, String), word: &Word) {
        let (ours, why) = ours;
        let theirs = theirs(word);
        if ours == theirs {
            *self.agreed.entry(ours).or_default() += 1;
            return;
        }
        let rows: &[Row] = match (ours, theirs) {
            (Status::Silent, _) => &SILENT,
            (_, Status::Silent) => &SPEAKS,
            _ => &[],
        };
        let row = rows.iter().find(|row| row.fits(&case.name, &why));
        match row {
            Some(row) => *self.rows.entry(row.key).or_default() += 1,
            None => self.unexplained.push(format!(
                "{engine} {}: ours {ours:?} ({why}), openssl {word:?}\n{}",
                case.name,
                hex::encode(&case.der)
            )),
        }
    }
}

#[test]
fn f048_every_difference_from_openssl_over_lists_is_explained() {
    if !openssl::is_there() {
        return;
    }
    let mut scene = Scene::new();
    let (cases, root) = cases(&mut scene);
    let leaves = scene.good_and_revoked();
    let anchors = AnchorSet::new([(Environment::Sandbox, root.clone())]).unwrap();
    let bench = Bench::new();
    bench.write("roots.pem", "CERTIFICATE", &[&root]);
    let at = now().unix().to_string();
    let mut tally = Tally::default();
    for case in &cases {
        bench.write("list.pem", "X509 CRL", &[&case.der]);
        let signed = [
            "crl",
            "-in",
            "list.pem",
            "-noout",
            "-verify",
            "-CAfile",
            "roots.pem",
        ];
        let signed = bench.run(&signed, &[]);
        let signed = String::from_utf8_lossy(&signed.stderr).contains("verify OK");
        let options = ["-attime", &at, "-crl_check", "-CRLfile", "list.pem"];
        let words = bench.verify(&options, &[&leaves[0], &leaves[1]]);
        for (leaf, word) in leaves.iter().zip(&words) {
            let list = by_list(&case.der, &anchors, leaf);
            assert!(
                signed || list.0 == Status::Silent,
                "{}: not the CA's signature",
                case.name
            );
            tally.judge("list", case, list, word);
            tally.judge("path", case, by_path(&case.der, &root, leaf), word);
        }
    }
    println!("{} lists, agreed: {:?}", cases.len(), tally.agreed);
    for row in SILENT.iter().chain(&SPEAKS) {
        let count = tally.rows.get(row.key).copied().unwrap_or(0);
        println!("{count:5}  {}: {}", row.key, row.why);
    }
    assert!(
        tally.unexplained.is_empty(),
        "{} unexplained:\n{}",
        tally.unexplained.len(),
        tally.unexplained.join("\n")
    );
    for row in SILENT.iter().chain(&SPEAKS) {
        assert!(
            tally.rows.contains_key(row.key),
            "no case needs the row {:?}",
            row.key
        );
    }
}
