//! What is judged: a case of PKITS, or a chain made here.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::Value;
use warikan_pki::{PathAlgorithms, PathFailure, PathInput, PathPolicy, Revocation, validate_path};
use warikan_types::Timestamp;

/// One question to both engines.
pub struct Case {
    pub id: String,
    pub kind: &'static str,
    pub target: Vec<u8>,
    pub anchors: Vec<Vec<u8>>,
    pub intermediates: Vec<Vec<u8>>,
    /// Empty also where revocation is not judged.
    pub crls: Vec<Vec<u8>>,
    pub revocation: bool,
    pub at: Timestamp,
    pub inputs: Inputs,
    /// What PKITS says; `None` where nobody does.
    pub expected: Option<bool>,
}

/// The inputs of RFC 5280 6.1.1 (c), (e), (f) and (g).
#[derive(Clone)]
pub struct Inputs {
    pub policies: Vec<String>,
    pub explicit_policy: bool,
    pub inhibit_mapping: bool,
    pub inhibit_any: bool,
}

impl Inputs {
    pub fn any() -> Self {
        Self {
            policies: vec!["2.5.29.32.0".to_owned()],
            explicit_policy: false,
            inhibit_mapping: false,
            inhibit_any: false,
        }
    }
}

impl Case {
    /// The verdict of the engine of this project.
    pub fn ours(&self) -> Result<(), PathFailure> {
        let mut policy = PathPolicy::any();
        policy.initial_policies = self
            .inputs
            .policies
            .iter()
            .map(|oid| oid.parse().expect("the inputs are OIDs"))
            .collect();
        policy.explicit_policy = self.inputs.explicit_policy;
        policy.inhibit_mapping = self.inputs.inhibit_mapping;
        policy.inhibit_any = self.inputs.inhibit_any;
        // Of algorithms this comparison is not about, SHA-1 is let pass by both: certval is built with it.
        policy.algorithms = PathAlgorithms::Legacy;
        if self.revocation {
            policy.revocation = Revocation::HardFail;
        }
        let [intermediates, trust_anchors, crls] = [&self.intermediates, &self.anchors, &self.crls]
            .map(|bag| bag.iter().map(Vec::as_slice).collect::<Vec<_>>());
        let input = PathInput {
            target: &self.target,
            intermediates: &intermediates,
            trust_anchors: &trust_anchors,
            crls: &crls,
        };
        validate_path(&input, &policy, self.at)
    }
}

/// Every case of PKITS as it stands, and again without revocation.
///
/// Without revocation the suite's verdict is kept only where it is "valid": what a list alone refuses is then accepted.
pub fn pkits() -> Vec<Case> {
    let text = include_str!("../../testdata/pkits/cases.json");
    let file: Value = serde_json::from_str(text).expect("cases.json is JSON");
    let objects: Vec<Vec<u8>> = list(&file["objects"], |object| {
        STANDARD
            .decode(object.as_str().unwrap_or_default())
            .expect("an object is base64")
    });
    let cases = list(&file["cases"], |case| pkits_case(case, &objects));
    assert_eq!(cases.len(), 249, "the whole suite");
    cases.into_iter().flatten().collect()
}

fn pkits_case(case: &Value, objects: &[Vec<u8>]) -> [Case; 2] {
    let object = |place: &Value| {
        let place = place.as_u64().and_then(|place| usize::try_from(place).ok());
        objects[place.expect("objects are named by their place")].clone()
    };
    let bag = |key: &str| list(&case[key], object);
    let word = |value: &Value| value.as_str().expect("a string").to_owned();
    let inputs = &case["inputs"];
    let flag = |key: &str| inputs[key].as_bool().expect("a flag");
    let valid = case["expected"]["valid"].as_bool().expect("a verdict");
    let make = |revocation: bool| Case {
        id: word(&case["id"]) + if revocation { "" } else { "-path" },
        kind: if revocation { "pkits" } else { "pkits-path" },
        target: object(&case["target"]),
        anchors: bag("trust_anchors"),
        intermediates: bag("intermediates"),
        crls: if revocation { bag("crls") } else { Vec::new() },
        revocation,
        at: word(&case["at"]).parse().expect("a time"),
        inputs: Inputs {
            policies: list(&inputs["initial_policy_set"], word),
            explicit_policy: flag("initial_explicit_policy"),
            inhibit_mapping: flag("initial_policy_mapping_inhibit"),
            inhibit_any: flag("initial_inhibit_any_policy"),
        },
        expected: (revocation || valid).then_some(valid),
    };
    [make(true), make(false)]
}

fn list<T>(value: &Value, each: impl FnMut(&Value) -> T) -> Vec<T> {
    value.as_array().expect("a list").iter().map(each).collect()
}
