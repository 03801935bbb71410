//! The fuzz targets' functions over the kept corpus and its mutations, without a fuzzer: what a release is built with runs
//! this, whether or not a nightly compiler is at hand.

use std::{
    fs,
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

use crate::{der::Node, plan::Plan, rng::Rng, scene::Scene, structure};

#[path = "../../../../shared/pki/fuzz/src/lib.rs"]
mod targets;

const MUTANTS: u64 = 60;

/// Folder of the corpus and what is done with its files.
type Target = (&'static str, fn(&[u8]));

fn folder(kind: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../shared/pki/fuzz/corpus")
        .join(kind)
}

fn files(kind: &str) -> Vec<Vec<u8>> {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder(kind))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    assert!(!paths.is_empty(), "{kind} has a corpus");
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

/// One to four changes of the sort that a fuzzer makes.
fn mutant(octets: &[u8], others: &[Vec<u8>], rng: &mut Rng) -> Vec<u8> {
    let mut out = octets.to_vec();
    for _ in 0..=rng.below(4) {
        if out.is_empty() {
            break;
        }
        let place = rng.below(out.len());
        match rng.below(6) {
            0 => out.truncate(place),
            1 => out.insert(place, rng.octet()),
            2 => drop(out.remove(place)),
            3 => {
                let other = &others[rng.below(others.len())];
                let from = rng.below(other.len());
                out.splice(place.., other[from..].iter().copied());
            }
            4 => out[place] = [0x00, 0x7f, 0x80, 0x84, 0xff][rng.below(5)],
            _ => out[place] ^= 1 << rng.below(8),
        }
    }
    out
}

#[test]
fn f056_f048_no_octets_make_the_engine_panic() {
    let kinds: [Target; 5] = [
        ("certificate", targets::certificate),
        ("crl", targets::crl),
        ("ocsp", targets::ocsp),
        ("timestamp", targets::timestamp),
        ("bag", targets::bag),
    ];
    let mut rng = Rng::new(56);
    for (kind, target) in kinds {
        let files = files(kind);
        for octets in &files {
            target(octets);
            for _ in 0..MUTANTS {
                target(&mutant(octets, &files, &mut rng));
            }
        }
    }
    // Deeper: elements bent one by one, so that lengths around them stay right.
    for octets in files("certificate") {
        for _ in 0..MUTANTS {
            let mut plan = Plan::of(&octets);
            structure::bend(&mut plan, &mut rng);
            let whole = Node::seq(vec![plan.tbs, plan.algorithm, Node::octets(3, &[0; 257])]);
            targets::certificate(&whole.write());
        }
    }
}

#[test]
fn the_corpus_is_what_it_says() {
    assert!(warikan_pki::Certificate::parse(targets::LEAF).is_ok());
    for list in files("crl") {
        assert!(warikan_pki::parse_crl(&list).is_ok());
    }
    for response in files("ocsp") {
        assert!(warikan_pki::parse_ocsp(&response).is_ok());
    }
    for token in files("timestamp") {
        assert!(targets::stamped(&token));
    }
}

fn ocsp_request(leaf: &[u8], root: &[u8]) -> Vec<u8> {
    let field = |der: &[u8], index: usize| Node::read(der).children()[0].children()[index].clone();
    let key = field(root, 6).children()[1].content()[1..].to_vec();
    let id = Node::seq(vec![
        Node::seq(vec![
            Node::oid("2.16.840.1.101.3.4.2.1"),
            Node::octets(0x05, &[]),
        ]),
        Node::octets(0x04, &Sha256::digest(field(leaf, 3).write())),
        Node::octets(0x04, &Sha256::digest(key)),
        field(leaf, 1),
    ]);
    Node::seq(vec![Node::seq(vec![Node::seq(vec![Node::seq(vec![id])])])]).write()
}

/// Writes the simulator's part of the corpus again, for when its profile changes:
/// `cargo test -p warikan-verification --test differential -- --ignored corpus`.
#[test]
#[ignore = "writes into the source tree"]
fn write_the_corpus() {
    let mut scene = Scene::new();
    let write = |kind: &str, name: &str, octets: &[u8]| {
        fs::create_dir_all(folder(kind)).unwrap();
        fs::write(folder(kind).join(name), octets).unwrap();
    };
    let seeds = scene.seeds();
    write("certificate", "simulator-signature.der", &seeds[0].der);
    write("certificate", "simulator-authentication.der", &seeds[1].der);
    let [good, revoked] = scene.good_and_revoked();
    let (lists, root, _) = scene.lists();
    write("certificate", "simulator-root.der", &root.der);
    for (name, der) in lists {
        write("crl", &format!("simulator-{name}.der"), &der);
    }
    let list = &scene.lists().0[0].1;
    write(
        "bag",
        "simulator-path.der",
        &[&good, &root.der, list].map(Vec::as_slice).concat(),
    );
    for (name, leaf) in [("good", good), ("revoked", revoked)] {
        let request = ocsp_request(&leaf, &root.der);
        let answer = scene.simulator.ocsp(&request, crate::scene::now().utc());
        write("ocsp", &format!("simulator-{name}.der"), &answer);
    }
}
