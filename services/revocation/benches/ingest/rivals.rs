//! The same file through others: `openssl crl`, x509-parser, x509-cert. None of them builds an index or compares with yesterday.

use std::{fs, time::Instant};

use der::Decode;
use x509_parser::prelude::FromDer;

use crate::{
    folder, memory, row,
    single::{self, place},
};

pub fn measure() {
    single::write();
    let list = place("today.crl");
    let path = list.to_str().unwrap();
    let root = folder().join("root.pem");
    fs::write(&root, roots_as_pem()).unwrap();
    row(&["".into(), "time".into(), "peak memory".into()]);
    row(&["---".into(), "---".into(), "---".into()]);
    let ours = memory::child(&["ours"]);
    say("ours: parse, verify, index, compare", Some(ours));
    let arguments = [
        "crl", "-inform", "DER", "-in", path, "-noout", "-verify", "-CAfile",
    ];
    let openssl = [&arguments[..], &[root.to_str().unwrap()]].concat();
    say(
        "`openssl crl -verify`: parse, verify",
        memory::program("openssl", &openssl),
    );
    say(
        "x509-parser: parse, read every entry",
        Some(memory::child(&["x509-parser"])),
    );
    say("x509-cert: parse", Some(memory::child(&["x509-cert"])));
}

fn say(name: &str, measured: Option<(u64, u64)>) {
    match measured {
        Some((took, peak)) => row(&[
            name.into(),
            format!("{} ms", took / 1_000),
            format!("{} MB", peak / 1_000_000),
        ]),
        None => row(&[name.into(), "failed or not installed".into(), String::new()]),
    }
}

fn roots_as_pem() -> String {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let roots: Vec<Vec<u8>> =
        serde_json::from_slice(&fs::read(place("roots.json")).unwrap()).unwrap();
    roots
        .iter()
        .map(|root| {
            let text = STANDARD.encode(root);
            let lines: Vec<&str> = text
                .as_bytes()
                .chunks(64)
                .map(|line| std::str::from_utf8(line).unwrap())
                .collect();
            format!(
                "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n",
                lines.join("\n")
            )
        })
        .collect()
}

pub fn child(arguments: &[&str]) -> (u64, u64) {
    memory::forget_peak();
    let began = Instant::now();
    let octets = fs::read(place("today.crl")).unwrap();
    let read = match arguments[0] {
        "x509-parser" => {
            let (_, list) =
                x509_parser::revocation_list::CertificateRevocationList::from_der(&octets).unwrap();
            list.iter_revoked_certificates()
                .filter(|entry| entry.reason_code().is_some())
                .count()
        }
        "x509-cert" => {
            let list = x509_cert::crl::CertificateList::from_der(&octets).unwrap();
            list.tbs_cert_list.revoked_certificates.unwrap().len()
        }
        other => panic!("{other} is no part of this"),
    };
    let took = memory::micros(began);
    assert!(read > 0);
    (took, memory::peak())
}
