//! NIST PKITS, x509-limbo, BoringSSL chains, NIST X509tests: each case as it stands, and reversed with everything twice;
//! of PKITS every fourth (every one with `WARIKAN_PKITS_POOL` set) also with the whole suite in the bags.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::Value;
use warikan_pki::{
    AnchorConstraints, AnchorValidity, MAX_INTERMEDIATES, Oid, PathAlgorithms, PathInput,
    PathPolicy, Revocation, parse_certificate, validate_path,
};
use warikan_types::Timestamp;

use crate::{Suites, tally::Tally};

const FILES: [(&str, &str); 3] = [
    ("x509-limbo", "limbo/limbo_sigcert.json"),
    ("BoringSSL chains", "chain/bssl_chain.json"),
    ("NIST X509tests", "chain/nist_x509tests.json"),
];

pub fn run(suites: &Suites) -> Vec<Tally> {
    FILES
        .iter()
        .map(|(name, file)| {
            let mut tally = Tally::new(name);
            for case in suites.read(file)["cases"].as_array().unwrap() {
                let id = case["id"].as_str().unwrap();
                tally.case(id, || judge(case));
            }
            tally
        })
        .collect()
}

/// The suite that is part of the project; its cases name objects by their place.
pub fn pkits() -> Tally {
    let mut file: Value =
        serde_json::from_str(include_str!("../../testdata/pkits/cases.json")).unwrap();
    let objects = file["objects"].take();
    let (certificates, crls): (Vec<_>, Vec<_>) = bag(&objects)
        .into_iter()
        .partition(|der| parse_certificate(der).is_ok());
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
            judge(case)?;
            if number % every == 0 {
                judge_in_pool(case, &certificates, &crls)?;
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

fn bag(value: &Value) -> Vec<Vec<u8>> {
    value.as_array().unwrap().iter().map(bytes).collect()
}

fn flag(value: &Value) -> bool {
    value.as_bool().unwrap_or(false)
}

fn oids(value: &Value) -> Option<Vec<Oid>> {
    let list = value.as_array()?;
    Some(
        list.iter()
            .map(|oid| oid.as_str().unwrap().parse().unwrap())
            .collect(),
    )
}

fn policy(case: &Value) -> PathPolicy {
    let inputs = &case["inputs"];
    let mut policy = PathPolicy::any();
    if let Some(initial) = oids(&inputs["initial_policy_set"]) {
        policy.initial_policies = initial;
    }
    policy.explicit_policy = flag(&inputs["initial_explicit_policy"]);
    policy.inhibit_mapping = flag(&inputs["initial_policy_mapping_inhibit"]);
    policy.inhibit_any = flag(&inputs["initial_inhibit_any_policy"]);
    policy.required_purposes = oids(&inputs["required_eku"]).unwrap_or_default();
    if let Some(depth) = inputs["max_chain_depth"].as_u64() {
        policy.max_intermediates = usize::try_from(depth).unwrap().min(MAX_INTERMEDIATES);
    }
    let is_limbo = case["suite"] == "limbo" || case["suite"] == "bettertls";
    let strong = flag(&inputs["forbid_sha1"]) || has_tag(case, "digest_policy:STRONG");
    policy.algorithms = if is_limbo || strong {
        PathAlgorithms::Current
    } else {
        PathAlgorithms::Legacy
    };
    policy.revocation = match case["revocation"].as_str() {
        Some("hard-fail") => Revocation::HardFail,
        _ => Revocation::None,
    };
    // What of an anchor counts is a choice of the caller's; the suites say in their tags which they mean.
    if case["suite"] == "limbo" {
        policy.anchor_validity = AnchorValidity::Enforced;
        policy.anchor_constraints = AnchorConstraints::All;
    }
    if has_tag(case, "ta:TRUSTED_ANCHOR_WITH_EXPIRATION") {
        policy.anchor_validity = AnchorValidity::Enforced;
    }
    if has_tag(case, "ta:TRUSTED_ANCHOR_WITH_CONSTRAINTS") {
        policy.anchor_constraints = AnchorConstraints::All;
    }
    policy
}

fn has_tag(case: &Value, tag: &str) -> bool {
    let tags = case["tags"].as_array();
    tags.is_some_and(|tags| tags.iter().any(|one| one == tag))
}

/// The same verdict with every certificate and list of the whole suite in the bags.
fn judge_in_pool(case: &Value, certificates: &[Vec<u8>], crls: &[Vec<u8>]) -> Result<(), String> {
    let [certificates, crls] =
        [certificates, crls].map(|bag| bag.iter().map(Vec::as_slice).collect::<Vec<&[u8]>>());
    let anchors = bag(&case["trust_anchors"]);
    let input = PathInput {
        target: &bytes(&case["target"]),
        intermediates: &certificates,
        trust_anchors: &anchors.iter().map(Vec::as_slice).collect::<Vec<_>>(),
        crls: &crls,
    };
    let at: Timestamp = case["at"].as_str().unwrap().parse().unwrap();
    let outcome = validate_path(&input, &policy(case), at);
    if outcome.is_ok() == case["expected"]["valid"].as_bool().unwrap() {
        Ok(())
    } else {
        Err(format!("with the whole suite in the bags: {outcome:?}"))
    }
}

fn judge(case: &Value) -> Result<(), String> {
    let expected = case["expected"]["valid"].as_bool().unwrap();
    let at: Timestamp = case["at"].as_str().unwrap().parse().unwrap();
    let policy = policy(case);
    let target = bytes(&case["target"]);
    let bags = ["intermediates", "trust_anchors", "crls"].map(|key| bag(&case[key]));
    let validate = |turned: bool| {
        let [intermediates, trust_anchors, crls] = bags.each_ref().map(|bag| {
            let mut slices: Vec<&[u8]> = bag.iter().map(Vec::as_slice).collect();
            if turned {
                slices.reverse();
                slices.extend(slices.clone());
            }
            slices
        });
        let input = PathInput {
            target: &target,
            intermediates: &intermediates,
            trust_anchors: &trust_anchors,
            crls: &crls,
        };
        validate_path(&input, &policy, at)
    };
    let outcome = validate(false);
    if outcome != validate(true) {
        return Err("the order of what is handed in changes the verdict".into());
    }
    if outcome.is_ok() == expected {
        Ok(())
    } else {
        Err(match outcome {
            Ok(()) => "accepted, told to refuse".into(),
            Err(failure) => format!("refused as {}, told to accept", failure.as_str()),
        })
    }
}
