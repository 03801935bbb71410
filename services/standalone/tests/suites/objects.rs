//! Single objects: lists, OCSP responses, names, signed data, the parser corpus, a timestamp.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use warikan_pki::{
    DigestAlgorithm, PathAlgorithms, PathPolicy, TimestampRequest, TimestampTrust,
    VerifiedTimestamp, is_der, names_match, parse_certificate, parse_crl, parse_ocsp,
    verify_signed,
};

use crate::{
    Suites,
    ask::{ask, request},
    paths::bytes,
    tally::Tally,
};

pub fn run(suites: &Suites) -> Vec<Tally> {
    vec![
        crls(suites),
        ocsp(suites),
        ocsp_parse(suites),
        names(suites),
        signed_data(suites),
        corpus(suites),
        timestamp(suites),
    ]
}

fn id(case: &Value) -> &str {
    case["id"].as_str().unwrap()
}

fn crls(suites: &Suites) -> Tally {
    status(suites, "CRLs", "crl", "crl/crl_cases.json")
}

fn ocsp(suites: &Suites) -> Tally {
    status(suites, "OCSP", "ocsp", "ocsp/ocsp_cases.json")
}

fn status(suites: &Suites, name: &'static str, operation: &str, file: &str) -> Tally {
    let mut tally = Tally::new(name);
    for case in suites.read(file)["cases"].as_array().unwrap() {
        tally.case(id(case), || {
            let (answer, told) = (ask(&request(operation, case)), &case["expected"]["status"]);
            if answer["status"] == *told {
                Ok(())
            } else {
                Err(format!("found {answer}, told {told}"))
            }
        });
    }
    tally
}

fn ocsp_parse(suites: &Suites) -> Tally {
    let mut tally = Tally::new("OCSP, parsed only");
    for case in suites.read("ocsp/ocsp_cases.json")["parse_only"]
        .as_array()
        .unwrap()
    {
        tally.case(id(case), || {
            let asked = json!({"operation": "parse", "kind": "ocsp", "der": case["der"]});
            let parsed = ask(&asked)["verdict"] == "parsed";
            if parsed && case["kind"] != "response" {
                return Err("a request was read as a response".into());
            }
            Ok(())
        });
    }
    tally
}

fn names(suites: &Suites) -> Tally {
    let mut tally = Tally::new("names");
    let file = suites.read("names/name_match.json");
    for case in file["pairs"].as_array().unwrap() {
        tally.case(id(case), || {
            let (one, other) = (bytes(&case["a"]), bytes(&case["b"]));
            let told = case["match"].as_bool().unwrap();
            for pair in [(&one, &other), (&other, &one)] {
                match names_match(pair.0, pair.1) {
                    Ok(found) if found == told => {}
                    found => return Err(format!("found {found:?}, told {told}")),
                }
            }
            Ok(())
        });
    }
    for case in file["invalid"].as_array().unwrap() {
        tally.case(id(case), || {
            let name = bytes(&case["name"]);
            match names_match(&name, &name) {
                Err(_) => Ok(()),
                Ok(_) => Err("read as a name".into()),
            }
        });
    }
    tally
}

fn signed_data(suites: &Suites) -> Tally {
    let mut tally = Tally::new("signed data");
    for case in suites.read("signed_data/bssl_signed_data.json")["cases"]
        .as_array()
        .unwrap()
    {
        tally.case(id(case), || {
            let [spki, algorithm, data, signature] =
                ["spki", "algorithm", "data", "signature_bitstring"].map(|key| bytes(&case[key]));
            let told = case["valid"].as_bool().unwrap();
            let found = verify_signed(&spki, &algorithm, &data, &signature, PathAlgorithms::Legacy);
            if found.is_ok() == told {
                Ok(())
            } else {
                Err(format!("found {found:?}, told {told}"))
            }
        });
    }
    tally
}

fn corpus(suites: &Suites) -> Tally {
    let mut tally = Tally::new("parser corpus");
    for case in suites.read("parser/corpus.json")["items"]
        .as_array()
        .unwrap()
    {
        tally.case(id(case), || {
            let der = bytes(&case["der"]);
            let all = || {
                (
                    is_der(&der),
                    warikan_pki::Certificate::parse(&der).map(drop),
                    parse_certificate(&der),
                    parse_crl(&der),
                    parse_ocsp(&der),
                )
            };
            let found = all();
            if found != all() {
                return Err("two readings differ".into());
            }
            let (_, strict, certificate, ..) = found;
            if strict.is_ok() && certificate.is_err() {
                return Err("the strict reader reads what the other does not".into());
            }
            for kind in ["certificate", "crl", "ocsp", "any"] {
                let asked = json!({"operation": "parse", "kind": kind, "der": case["der"]});
                let answer = ask(&asked);
                if !(answer["verdict"] == "parsed" || answer["verdict"] == "refused") {
                    return Err(format!("{kind}: {answer}"));
                }
            }
            let answer = ask(&request("parse", case));
            match (case["expected"].as_str(), answer["verdict"].as_str()) {
                (Some("reject"), Some("parsed")) => Err("read, told to refuse".into()),
                (Some("parse"), Some("refused")) => Err(format!("{answer}, told to read")),
                _ => Ok(()),
            }
        });
    }
    tally
}

fn pem(suites: &Suites, file: &str) -> Vec<u8> {
    let text = suites.text(file);
    let body: String = text
        .lines()
        .skip_while(|line| !line.starts_with("-----BEGIN CERT"))
        .skip(1)
        .take_while(|line| !line.starts_with("-----"))
        .collect();
    bytes(&Value::String(body))
}

fn timestamp(suites: &Suites) -> Tally {
    let mut tally = Tally::new("timestamp");
    let response = suites.bytes("tsp/sectigo-all-zero.tsr");
    let anchor = pem(suites, "tsp/user-trust-ca.pem");
    let others = [
        "sectigo-signer",
        "sectigo-time-stamping-ca",
        "user-trust-ca-aaa",
        "comodo-aaa",
    ]
    .map(|name| pem(suites, &format!("tsp/{name}.pem")));
    let policy = PathPolicy::any();
    let verify = |response: &[u8], digest: &[u8], nonce: Option<&[u8]>, when: &str| {
        let intermediates: Vec<&[u8]> = others.iter().map(Vec::as_slice).collect();
        let trust = TimestampTrust {
            trust_anchors: &[&anchor],
            intermediates: &intermediates,
            crls: &[],
            policy: &policy,
        };
        let request = TimestampRequest {
            algorithm: DigestAlgorithm::Sha256,
            digest,
            nonce,
            policy: None,
        };
        VerifiedTimestamp::verify_response(response, &request, &trust, when.parse().unwrap())
            .map(|found| found.generated_at().to_string())
    };
    const WHEN: &str = "2021-02-16T15:42:47Z";
    tally.case("sectigo-all-zero", || {
        let answer = ask(&json!({
            "operation": "timestamp", "response": STANDARD.encode(&response), "hash": "00".repeat(32), "at": WHEN,
            "trust_anchors": [STANDARD.encode(&anchor)], "crls": [],
            "intermediates": others.iter().map(|der| STANDARD.encode(der)).collect::<Vec<_>>(),
        }));
        match verify(&response, &[0; 32], None, WHEN) {
            Ok(at) if at == WHEN && answer["verdict"] == "valid" => Ok(()),
            other => Err(format!("{other:?}, {answer}")),
        }
    });
    tally.case("sectigo-all-zero, otherwise", || {
        let wrong = [
            ("digest", verify(&response, &[1; 32], None, WHEN)),
            ("nonce", verify(&response, &[0; 32], Some(&[1]), WHEN)),
            (
                "before",
                verify(&response, &[0; 32], None, "2021-02-16T15:42:46Z"),
            ),
            (
                "after",
                verify(&response, &[0; 32], None, "2051-02-16T15:42:46Z"),
            ),
        ];
        for (what, found) in wrong {
            if let Ok(at) = found {
                return Err(format!("accepted with another {what}, at {at}"));
            }
        }
        for index in 0..response.len() {
            let mut changed = response.clone();
            changed[index] ^= 1;
            // What is not signed (versions, the list of digests, order of certificates) may change; the time may not.
            if verify(&changed, &[0; 32], None, WHEN).is_ok_and(|at| at != WHEN) {
                return Err(format!("octet {index} changes the time"));
            }
        }
        Ok(())
    });
    tally
}
