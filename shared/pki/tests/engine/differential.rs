//! A second opinion: `openssl verify` on certificates whose octets were changed *before* they were signed, so that
//! both validators must judge what they say and not merely that a signature is broken.
//!
//! OpenSSL reads much that RFC 5280 or DER forbids; that this engine refuses more is as intended. What may not happen
//! is that it accepts what OpenSSL refuses, with one exception that [`is_explained`] names. By default a few hundred
//! mutants are judged; `WARIKAN_DIFFERENTIAL=5000` sets another number. Without `openssl` the test says so and passes.

use std::{collections::BTreeMap, fs, path::Path, process::Command};

use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore, SeedableRng};
use warikan_pki::Revocation;

use crate::{
    chains::{ca, judge, leaf},
    der::{bits, extension, int, oid, seq, tlv},
    keys::{CA, CAS, How},
    pki::{Plan, at, key_id, policies},
};

const NOON: &str = "2026-11-21T12:00:00Z";

/// OpenSSL takes the key id of the issuer for a condition, this engine (as RFC 5280 4.2.1.1 puts it, "a means of
/// identifying") for a hint: whether the issuer's key signed is what its signature proves.
fn is_explained(words: &str, der: &[u8]) -> bool {
    let id = key_id(&CAS[1]);
    words.contains("unable to get local issuer certificate")
        && !der.windows(id.len()).any(|part| part == id)
}

/// Leaves that differ in more than an octet, to have something in every extension.
fn seeds() -> Vec<Plan> {
    let middle = ("Middle", &CAS[1]);
    let mut plain = leaf(middle, 7);
    plain.extensions.push(policies("1.2.3.4"));
    plain
        .extensions
        .push(extension("2.5.29.15", true, &bits(6, &[0xc0])));
    let mut rich = leaf(middle, 8);
    let names = seq(&[
        tlv(0x82, b"a.example"),
        tlv(0x81, b"a@b.example"),
        tlv(0x87, &[10, 0, 0, 1]),
    ]);
    let point = tlv(0xa0, &tlv(0xa0, &tlv(0x86, b"http://c.example/crl")));
    rich.extensions.extend([
        extension("2.5.29.17", false, &names),
        extension("2.5.29.31", false, &seq(&[seq(&[point])])),
        extension("2.5.29.37", false, &seq(&[oid("1.3.6.1.5.5.7.3.2")])),
        extension("2.5.29.19", true, &seq(&[])),
        extension("2.5.29.14", false, &tlv(4, &[1; 20])),
        extension("2.5.29.36", true, &seq(&[tlv(0x80, &[3])])),
    ]);
    vec![plain, rich]
}

/// Changes one to three octets of what is signed and signs it.
fn mutant(plan: &Plan, random: &mut ChaCha20Rng) -> Vec<u8> {
    let mut tbs = plan.tbs();
    for _ in 0..=random.next_u32() % 3 {
        let place = random.next_u32() as usize % tbs.len();
        tbs[place] = match random.next_u32() % 4 {
            0 => tbs[place].wrapping_add(1),
            1 => tbs[place].wrapping_sub(1),
            2 => tbs[place] ^ (1 << (random.next_u32() % 8)),
            _ => random.next_u32() as u8,
        };
    }
    let signature = How::Sha256.sign(&plan.signer, &tbs);
    seq(&[tbs, plan.outer_algorithm.clone(), bits(0, &signature)])
}

fn pem(der: &[u8]) -> String {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let lines: Vec<String> = STANDARD
        .encode(der)
        .as_bytes()
        .chunks(64)
        .map(|line| String::from_utf8(line.to_vec()).unwrap())
        .collect();
    format!(
        "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n",
        lines.join("\n")
    )
}

/// What OpenSSL says about each file: `None` if it accepts.
fn openssl(folder: &Path, count: usize) -> Option<BTreeMap<usize, Option<String>>> {
    let when = at(NOON).unix().to_string();
    let mut verdicts = BTreeMap::new();
    for first in (0..count).step_by(200) {
        for index in first..count.min(first + 200) {
            let output = Command::new("openssl")
                .current_dir(folder)
                .args([
                    "verify",
                    "-attime",
                    &when,
                    "-CAfile",
                    "root",
                    "-untrusted",
                    "middle",
                ])
                .arg(index.to_string())
                .output()
                .ok()?;
            let told = String::from_utf8_lossy(&output.stderr).into_owned();
            verdicts.insert(index, (!output.status.success()).then_some(told));
        }
    }
    Some(verdicts)
}

#[test]
fn f030_nothing_is_accepted_that_openssl_refuses() {
    let count = std::env::var("WARIKAN_DIFFERENTIAL")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(200);
    let folder = tempfile::tempdir().unwrap();
    let root = ca(("Root", &CA), ("Root", &CA)).build();
    let mut middle = ca(("Root", &CA), ("Middle", &CAS[1]));
    middle.serial = int(&[2]);
    let middle = middle.build();
    let write = |name: &str, der: &[u8]| fs::write(folder.path().join(name), pem(der)).unwrap();
    write("root", &root);
    write("middle", &middle);
    let mut random = ChaCha20Rng::seed_from_u64(2026);
    let seeds = seeds();
    let mutants: Vec<Vec<u8>> = (0..count)
        .map(|index| match index {
            0 | 1 => seeds[index].build(),
            _ => mutant(&seeds[index % 2], &mut random),
        })
        .collect();
    for (index, der) in mutants.iter().enumerate() {
        write(&index.to_string(), der);
    }
    let Some(told) = openssl(folder.path(), count) else {
        println!("no openssl here: nothing compared");
        return;
    };
    let bags = (vec![middle], vec![root]);
    let (mut agreed, mut stricter) = (0, 0);
    for (index, der) in mutants.iter().enumerate() {
        let found = judge(der, &bags.0, &bags.1, &[], Revocation::None);
        match (&found, &told[&index]) {
            (Ok(()), None) | (Err(_), Some(_)) => agreed += 1,
            (Err(_), None) => stricter += 1,
            (Ok(()), Some(words)) => assert!(
                is_explained(words, der),
                "mutant {index} accepted here, refused by openssl: {words}\n{}",
                pem(der)
            ),
        }
    }
    println!("{count} mutants: {agreed} agreed, {stricter} refused here alone");
    assert!(
        told[&0].is_none() && told[&1].is_none(),
        "the seeds are good"
    );
    assert!(agreed > count / 2);
}
