//! Single objects: lists, OCSP responses, names, signed data, the parser corpus, a timestamp.

use std::time::Duration;

use serde_json::Value;
use warikan_pki::{
    CrlAnswer, CrlQuestion, DigestAlgorithm, Nonce, OcspPolicy, PathAlgorithms, PathPolicy,
    StatusFact, TimestampRequest, TimestampTrust, VerifiedOcsp, VerifiedTimestamp, crl_status,
    is_der, names_match, parse_certificate, parse_crl, parse_ocsp, verify_signed,
};
use warikan_types::Timestamp;

use crate::{Suites, paths::bytes, tally::Tally};

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

fn days(value: &Value) -> Option<Duration> {
    value
        .as_u64()
        .map(|days| Duration::from_secs(days * 86_400))
}

fn at(case: &Value) -> Timestamp {
    case["at"].as_str().unwrap().parse().unwrap()
}

fn compare(told: &Value, found: &str, why: &str) -> Result<(), String> {
    if told == found {
        Ok(())
    } else {
        Err(format!("found {found} ({why}), told {told}"))
    }
}

fn crls(suites: &Suites) -> Tally {
    let mut tally = Tally::new("CRLs");
    for case in suites.read("crl/crl_cases.json")["cases"]
        .as_array()
        .unwrap()
    {
        tally.case(id(case), || {
            let (certificate, crl) = (bytes(&case["cert"]), bytes(&case["crl"]));
            let mut issuers = vec![bytes(&case["issuer"])];
            if case["issuer2"].is_string() {
                issuers.push(bytes(&case["issuer2"]));
            }
            let issuers: Vec<&[u8]> = issuers.iter().map(Vec::as_slice).collect();
            let question = CrlQuestion {
                certificate: &certificate,
                issuers: &issuers,
                crl: &crl,
                max_age: days(&case["max_age_days"]),
                algorithms: PathAlgorithms::Legacy,
            };
            let (found, why) = match crl_status(&question, at(case)) {
                Ok(CrlAnswer::Good) => ("good", String::new()),
                Ok(CrlAnswer::Revoked) => ("revoked", String::new()),
                Err(silence) => ("unknown", silence.to_string()),
            };
            compare(&case["expected"]["status"], found, &why)
        });
    }
    tally
}

fn ocsp(suites: &Suites) -> Tally {
    let mut tally = Tally::new("OCSP");
    for case in suites.read("ocsp/ocsp_cases.json")["cases"]
        .as_array()
        .unwrap()
    {
        tally.case(id(case), || {
            let policy = OcspPolicy {
                max_age: days(&case["max_age_days"]),
                clock_skew: Duration::ZERO,
                nonce: Nonce::NotSent,
                algorithms: PathAlgorithms::Legacy,
            };
            let [response, certificate, issuer] =
                ["response", "cert", "issuer"].map(|key| bytes(&case[key]));
            let answer =
                VerifiedOcsp::verify_der(&response, &certificate, &issuer, &policy, at(case));
            let (found, why) = match answer.as_ref().map(VerifiedOcsp::fact) {
                Ok(StatusFact::Good) => ("good", String::new()),
                Ok(StatusFact::Revoked { .. }) => ("revoked", String::new()),
                Ok(StatusFact::UnknownSerial) => ("unknown", "the responder says so".into()),
                Err(error) => ("unknown", error.to_string()),
            };
            compare(&case["expected"]["status"], found, &why)
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
            let parsed = parse_ocsp(&bytes(&case["der"]));
            match (case["kind"] == "response", parsed) {
                (false, Ok(())) => Err("a request was read as a response".into()),
                _ => Ok(()),
            }
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
            let found = verify_signed(&spki, &algorithm, &data, &signature);
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
            match (case["expected"].as_str(), certificate) {
                (Some("reject"), Ok(())) => Err("read, told to refuse".into()),
                (Some("parse"), Err(error)) => Err(format!("refused ({error}), told to read")),
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
        match verify(&response, &[0; 32], None, WHEN) {
            Ok(at) if at == WHEN => Ok(()),
            other => Err(format!("{other:?}")),
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
