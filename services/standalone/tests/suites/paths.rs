//! NIST PKITS, x509-limbo, BoringSSL chains, NIST X509tests: each case as it stands, and reversed with everything twice;
//! of PKITS every fourth (every one with `WARIKAN_PKITS_POOL` set) also with the whole suite in the bags.
//!
//! Some BoringSSL cases are one request with two verdicts: what of an anchor counts, its profile of TLS, and whether SHA-1 counts are not
//! in the request but in the case's tags. They are asked as they stand, where one of the two must diverge, and once more with
//! what the tags say ([`as_tagged`]).

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use warikan_pki::parse_certificate;

use crate::{
    Suites,
    ask::{ask, request},
    tally::Tally,
};

const FILES: [(&str, &str); 3] = [
    ("x509-limbo", "limbo/limbo_sigcert.json"),
    ("BoringSSL chains", "chain/bssl_chain.json"),
    ("NIST X509tests", "chain/nist_x509tests.json"),
];

pub fn run(suites: &Suites) -> Vec<Tally> {
    let mut tallies: Vec<Tally> = FILES
        .iter()
        .map(|(name, file)| {
            let mut tally = Tally::new(name);
            for case in suites.read(file)["cases"].as_array().unwrap() {
                let id = case["id"].as_str().unwrap();
                tally.case(id, || judge(&request("path", case), case));
            }
            tally
        })
        .collect();
    tallies.push(as_tagged(suites));
    tallies
}

/// The cases about anchors and digests, with the fields that say what their tags say.
fn as_tagged(suites: &Suites) -> Tally {
    let mut tally = Tally::new("BoringSSL, asked as tagged");
    for case in suites.read(FILES[1].1)["cases"].as_array().unwrap() {
        let id = case["id"].as_str().unwrap();
        let tags: Vec<&str> = case["tags"]
            .as_array()
            .unwrap()
            .iter()
            .map(|tag| tag.as_str().unwrap())
            .collect();
        let digests = tags.contains(&"digest_policy:STRONG");
        if tags.contains(&"strict-eku-profile") || !(digests || id.contains("root")) {
            continue;
        }
        let (validity, constraints) = if tags.contains(&"ta:TRUSTED_ANCHOR_WITH_EXPIRATION") {
            ("enforced", "names")
        } else if tags.contains(&"ta:TRUSTED_ANCHOR_WITH_CONSTRAINTS") {
            ("ignored", "all")
        } else {
            ("ignored", "names")
        };
        let mut asked = request("path", case);
        asked["inputs"]["anchor_validity"] = validity.into();
        asked["inputs"]["anchor_constraints"] = constraints.into();
        asked["inputs"]["forbid_sha1"] = digests.into();
        tally.case(&format!("as tagged: {id}"), || judge(&asked, case));
    }
    assert!(tally.count() > 40);
    tally
}

/// The suite that is part of the project; its cases name objects by their place.
pub fn pkits() -> Tally {
    let mut file: Value = serde_json::from_str(include_str!(
        "../../../../shared/pki/testdata/pkits/cases.json"
    ))
    .unwrap();
    let objects = file["objects"].take();
    let (certificates, crls): (Vec<_>, Vec<_>) = objects
        .as_array()
        .unwrap()
        .iter()
        .cloned()
        .partition(|object| parse_certificate(&bytes(object)).is_ok());
    let named = |place: &Value| objects[usize::try_from(place.as_u64().unwrap()).unwrap()].clone();
    let mut tally = Tally::new("NIST PKITS");
    let every = if std::env::var_os("WARIKAN_PKITS_POOL").is_some() {
        1
    } else {
        4
    };
    let cases = file["cases"].as_array_mut().unwrap();
    for (number, case) in cases.iter_mut().enumerate() {
        case["target"] = named(&case["target"]);
        for key in ["trust_anchors", "intermediates", "crls"] {
            case[key] = case[key].as_array().unwrap().iter().map(named).collect();
        }
        let id = case["id"].as_str().unwrap();
        tally.case(id, || {
            let mut asked = request("path", case);
            judge(&asked, case)?;
            if number % every == 0 {
                asked["intermediates"] = json!(certificates);
                asked["crls"] = json!(crls);
                compare(&ask(&asked), case)
                    .map_err(|wrong| format!("with the whole suite in the bags: {wrong}"))?;
            }
            Ok(())
        });
    }
    assert_eq!(tally.count(), 249);
    tally
}

pub fn bytes(value: &Value) -> Vec<u8> {
    STANDARD.decode(value.as_str().unwrap()).unwrap()
}

fn judge(asked: &Value, case: &Value) -> Result<(), String> {
    let answer = ask(asked);
    let mut turned = asked.clone();
    for key in ["intermediates", "trust_anchors", "crls"] {
        let bag = turned[key].as_array_mut().unwrap();
        bag.reverse();
        bag.extend(bag.clone());
    }
    if answer != ask(&turned) {
        return Err("the order of what is handed in changes the answer".into());
    }
    compare(&answer, case)
}

fn compare(answer: &Value, case: &Value) -> Result<(), String> {
    let told = case["expected"]["valid"].as_bool().unwrap();
    if (answer["verdict"] == "valid") == told {
        Ok(())
    } else {
        Err(format!("found {answer}, told {told}"))
    }
}
