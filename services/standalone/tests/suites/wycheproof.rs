//! Project Wycheproof: RSASSA-PKCS1-v1_5, ECDSA, Ed25519. `acceptable` is told from `valid`: only what is `valid` may pass.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use crate::{Suites, ask::ask, tally::Tally};

const FILES: [(&str, &str); 9] = [
    ("rsa_signature_2048_sha256", "sha256WithRSAEncryption"),
    ("rsa_signature_2048_sha384", "sha384WithRSAEncryption"),
    ("rsa_signature_2048_sha512", "sha512WithRSAEncryption"),
    ("rsa_signature_3072_sha256", "sha256WithRSAEncryption"),
    ("rsa_signature_4096_sha256", "sha256WithRSAEncryption"),
    ("rsa_signature_4096_sha512", "sha512WithRSAEncryption"),
    ("ecdsa_secp256r1_sha256", "ecdsa-with-SHA256"),
    ("ecdsa_secp384r1_sha384", "ecdsa-with-SHA384"),
    ("ed25519", "Ed25519"),
];

pub fn run(suites: &Suites) -> Vec<Tally> {
    let mut all = Vec::new();
    for (name, algorithm) in FILES {
        let mut tally = Tally::new(name);
        let file = suites.read(&format!("wycheproof/{name}_test.json"));
        for group in file["testGroups"].as_array().unwrap() {
            let spki = hex::decode(group["publicKeyDer"].as_str().unwrap()).unwrap();
            let certificate = certificate(&spki);
            for case in group["tests"].as_array().unwrap() {
                let id = format!("{name}#{}", case["tcId"]);
                tally.case(&id, || judge(&certificate, algorithm, case));
            }
        }
        all.push(tally);
    }
    all
}

/// One element of DER.
fn der(tag: u8, content: &[&[u8]]) -> Vec<u8> {
    let content = content.concat();
    let length = u16::try_from(content.len()).unwrap().to_be_bytes();
    let header = match length {
        [0, short] if short < 0x80 => vec![tag, short],
        [0, length] => vec![tag, 0x81, length],
        [high, low] => vec![tag, 0x82, high, low],
    };
    [header, content].concat()
}

/// The vectors have keys, the operation asks for certificates: one that nobody signed, around the key.
fn certificate(spki: &[u8]) -> Vec<u8> {
    let algorithm = der(
        0x30,
        &[&der(0x06, &[&[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2]])],
    );
    let common_name = der(
        0x30,
        &[&der(0x06, &[&[0x55, 4, 3]]), &der(0x0c, &[b"vector"])],
    );
    let name = der(0x30, &[&der(0x31, &[&common_name])]);
    let time = der(0x17, &[b"260101000000Z"]);
    let validity = der(0x30, &[&time, &time]);
    let version = der(0xa0, &[&der(0x02, &[&[2]])]);
    let serial = der(0x02, &[&[1]]);
    let signed = der(
        0x30,
        &[&version, &serial, &algorithm, &name, &validity, &name, spki],
    );
    der(0x30, &[&signed, &algorithm, &der(0x03, &[&[0, 1]])])
}

fn judge(certificate: &[u8], algorithm: &str, case: &Value) -> Result<(), String> {
    let [message, signature] = ["msg", "sig"]
        .map(|field| STANDARD.encode(hex::decode(case[field].as_str().unwrap()).unwrap()));
    let answer = ask(&json!({
        "operation": "signature", "certificate": STANDARD.encode(certificate), "algorithm": algorithm,
        "message": message, "signature": signature,
    }));
    match (
        case["result"].as_str().unwrap(),
        answer["verdict"].as_str().unwrap(),
    ) {
        ("valid", "valid") | ("invalid" | "acceptable", "invalid") => Ok(()),
        (told, _) => Err(format!("found {answer}, told {told}: {}", case["comment"])),
    }
}
