//! Project Wycheproof: RSASSA-PKCS1-v1_5, ECDSA, Ed25519. `acceptable` is told from `valid`: only what is `valid` may pass.

use serde_json::Value;
use warikan_pki::{KeyError, PublicKey, SignatureAlgorithm};

use crate::{Suites, tally::Tally};

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
        let algorithm = SignatureAlgorithm::from_name(algorithm).unwrap();
        let mut tally = Tally::new(name);
        let file = suites.read(&format!("wycheproof/{name}_test.json"));
        for group in file["testGroups"].as_array().unwrap() {
            let spki = hex::decode(group["publicKeyDer"].as_str().unwrap()).unwrap();
            let key = PublicKey::from_spki(&spki);
            for case in group["tests"].as_array().unwrap() {
                let id = format!("{name}#{}", case["tcId"]);
                tally.case(&id, || judge(&key, algorithm, case));
            }
        }
        all.push(tally);
    }
    all
}

fn judge(
    key: &Result<PublicKey, KeyError>,
    algorithm: SignatureAlgorithm,
    case: &Value,
) -> Result<(), String> {
    let [message, signature] =
        ["msg", "sig"].map(|field| hex::decode(case[field].as_str().unwrap()).unwrap());
    let found = match key {
        Ok(key) => {
            let verified = key.verify(algorithm, &message, &signature);
            if let Some(hash) = algorithm.digest() {
                let prehashed = key.verify_digest(algorithm, &hash.digest(&message), &signature);
                assert_eq!(verified, prehashed);
            }
            verified.map_err(|error| error.to_string())
        }
        Err(error) => Err(error.to_string()),
    };
    let told = case["result"].as_str().unwrap();
    match (told, found) {
        ("valid", Ok(())) | ("invalid" | "acceptable", Err(_)) => Ok(()),
        (told, found) => Err(format!("found {found:?}, told {told}: {}", case["comment"])),
    }
}
