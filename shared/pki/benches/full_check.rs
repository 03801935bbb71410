//! What one verification costs a core: parse, issuer signature, profile, status look-up, document signature.
//!
//! `cargo bench -p warikan-pki` prints it beside the limit that two RSA verifications set (the same library, keys
//! parsed, nothing else) and beside `openssl speed rsa2048` of the same minute. Under `cargo test` it makes one round, so
//! that it cannot rot.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_possible_truncation,
    dead_code,
    reason = "a bench: it prints, and it borrows the tests' little CA"
)]

#[path = "../tests/engine/der.rs"]
mod der;
#[path = "../tests/engine/keys.rs"]
mod keys;
#[path = "../tests/engine/pki.rs"]
mod pki;

use std::{
    collections::BTreeMap,
    hint::black_box,
    process::Command,
    time::{Duration, Instant},
};

use warikan_pki::{
    Certificate, DigestAlgorithm, Evidence, PublicKey, SignatureAlgorithm, StatusKnowledge,
    examine, validate,
};
use warikan_types::{CertificateId, Verdict};

/// The time of one call in nanoseconds: the lowest tenth of many short batches, so that what else the machine does
/// counts as little as possible, and for every row alike.
fn cost(rounds: usize, mut call: impl FnMut()) -> u128 {
    const BATCH: u32 = 10;
    let mut times: Vec<Duration> = (0..rounds)
        .map(|_| {
            let began = Instant::now();
            for _ in 0..BATCH {
                call();
            }
            began.elapsed() / BATCH
        })
        .collect();
    times.sort_unstable();
    times[times.len() / 10].as_nanos()
}

fn line(what: &str, nanos: u128) {
    let per_second = 1_000_000_000_u128.checked_div(nanos).unwrap_or(0);
    println!(
        "{what:<52} {:>7}.{:01} us {per_second:>9} /s",
        nanos / 1_000,
        nanos % 1_000 / 100
    );
}

/// RSA-2048 verifications per second as OpenSSL counts them.
fn openssl() -> Option<u64> {
    let output = Command::new("openssl")
        .args(["speed", "-mr", "-seconds", "1", "rsa2048"])
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let row = text.lines().find(|line| line.starts_with("+F2:"))?;
    let seconds: Vec<&str> = row.split(':').collect();
    // The last field is seconds per verification, or verifications per second from 3.0 on.
    let field = seconds.last()?;
    let (whole, _) = field.split_once('.')?;
    whole.parse().ok().filter(|count| *count > 0)
}

/// Signature, shape and every entry of a list with so many entries.
fn list_of(count: u32) {
    use der::{bits, extension, int, seq, time, tlv};
    use keys::{CA, How};
    let reason = extension("2.5.29.21", false, &tlv(0x0a, &[3]));
    let entry = seq(&[int(&[1, 0, 0, 0]), time("20261120010203Z"), seq(&[reason])]);
    let entries = tlv(0x30, &entry.repeat(count as usize));
    let key_id = extension("2.5.29.35", false, &seq(&[tlv(0x80, &pki::key_id(&CA))]));
    let number = extension("2.5.29.20", false, &int(&[1]));
    let tbs = seq(&[
        int(&[1]),
        How::Sha256.algorithm(),
        pki::ca_name("JPKI-TEST"),
        time("20261121000000Z"),
        time("20261122000000Z"),
        entries,
        tlv(0xa0, &seq(&[key_id, number])),
    ]);
    let signature = How::Sha256.sign(&CA, &tbs);
    let list = seq(&[tbs, How::Sha256.algorithm(), bits(0, &signature)]);
    let anchors = pki::anchors();
    let anchor = anchors.iter().next().unwrap();
    let began = Instant::now();
    let verified = warikan_pki::VerifiedCrl::verify(&list, anchor, pki::at(pki::NOON)).unwrap();
    let took = began.elapsed();
    assert_eq!(verified.len(), count as usize);
    let walked = Instant::now();
    let sum: usize = verified
        .entries()
        .map(|entry| entry.serial.octets().len())
        .sum();
    assert_eq!(sum, 4 * count as usize);
    println!(
        "list of {count} entries, {} MB: {} ms to verify, {} ms to walk",
        list.len() / 1_000_000,
        took.as_millis(),
        walked.elapsed().as_millis()
    );
}

fn main() {
    let rounds = if std::env::args().any(|arg| arg == "--bench") {
        2_000
    } else {
        1
    };
    let anchors = pki::anchors();
    let leaf = pki::signature_leaf(&keys::CA).build();
    let signature = pki::signature_over_application();
    let signed = pki::application();
    let policy = pki::policy();
    let at = pki::at(pki::NOON);
    let statuses: BTreeMap<CertificateId, StatusKnowledge> = examine(&leaf, &anchors)
        .path()
        .map(|path| (path.certificate_id().clone(), pki::good()))
        .into_iter()
        .collect();
    let judge = |examined: &warikan_pki::Examined| {
        let status = examined
            .path()
            .and_then(|path| statuses.get(path.certificate_id()));
        let evidence = Evidence {
            examined,
            signature: &signature,
            signed: &signed,
            status,
        };
        assert_eq!(validate(&evidence, &policy, at).verdict, Verdict::Valid);
    };

    let algorithm = SignatureAlgorithm::RsaPkcs1(DigestAlgorithm::Sha256);
    let key = PublicKey::from_spki(&keys::spki(&keys::HOLDER)).unwrap();
    let digest = signed.digest();
    let one = cost(rounds, || {
        black_box(key.verify_digest(algorithm, &digest, &signature)).unwrap();
    });
    line("RSA-2048 verification, key parsed", one);
    line("limit: two of them", 2 * one);
    let parse = cost(rounds, || {
        drop(black_box(Certificate::parse(&leaf)).unwrap())
    });
    line("parse of the certificate", parse);
    let cached = examine(&leaf, &anchors);
    line(
        "check with the examination cached",
        cost(rounds, || judge(&cached)),
    );
    let full = cost(rounds, || judge(&examine(&leaf, &anchors)));
    line("full check", full);
    println!("full check reaches {} % of the limit", 2 * one * 100 / full);
    if rounds > 1 {
        list_of(1_000_000);
        match openssl() {
            Some(rate) => println!("openssl speed rsa2048: {rate} verifications/s"),
            None => println!("openssl speed rsa2048: no openssl here"),
        }
    }
}
