//! Who may import whom.
//!
//! `types <- pki`; `types <- contracts, rows <- messaging, http <- runtime <- services, gateway`. Signature checking (`pki`) is for
//! verification and revocation; making certificates (`simulator`) is for the sandbox and for tests, and the two never meet,
//! because the simulator is what `pki` is held against. Only the one binary imports services. `testkit` is for tests.

use std::{
    collections::{BTreeMap, BTreeSet},
    process::Command,
};

use serde_json::Value;

use crate::{
    nothing_wrong,
    repository::{root, toml_file},
};

/// A crate, what it may import, and what its tests may import beside that. Names without `warikan-`.
struct Place {
    name: &'static str,
    folder: &'static str,
    may: &'static [&'static str],
    tests_may: &'static [&'static str],
}

const fn place(
    name: &'static str,
    folder: &'static str,
    may: &'static [&'static str],
    tests_may: &'static [&'static str],
) -> Place {
    Place {
        name,
        folder,
        may,
        tests_may,
    }
}

/// What everything that serves stands on.
const GROUND: [&str; 6] = ["types", "contracts", "rows", "messaging", "http", "runtime"];
/// What the services stand on that ask for status and whose operations are paid for.
const PAID_AND_STATUS: [&str; 9] = [
    "types",
    "contracts",
    "rows",
    "messaging",
    "http",
    "runtime",
    "metering",
    "pki",
    "status",
];
const GROUND_AND_SIMULATOR: [&str; 7] = [
    "types",
    "contracts",
    "rows",
    "messaging",
    "http",
    "runtime",
    "simulator",
];
const GROUND_AND_PAPER: [&str; 7] = [
    "types",
    "contracts",
    "rows",
    "messaging",
    "http",
    "runtime",
    "paper",
];
const FOR_TESTS: [&str; 7] = [
    "types",
    "contracts",
    "messaging",
    "http",
    "runtime",
    "gateway",
    "simulator",
];
const SERVICES: [&str; 6] = [
    "onboarding",
    "verification",
    "revocation",
    "webhooks",
    "billing",
    "sandbox",
];
const ALL_BUT_TESTING: [&str; 14] = [
    "types",
    "contracts",
    "messaging",
    "http",
    "runtime",
    "metering",
    "pki",
    "gateway",
    "onboarding",
    "verification",
    "revocation",
    "webhooks",
    "billing",
    "sandbox",
];

/// The whole plan. An edge that is not here fails.
const PLAN: [Place; 21] = [
    place("types", "shared/types", &[], &[]),
    place("pki", "shared/pki", &["types"], &["simulator"]),
    place("contracts", "shared/contracts", &["types"], &[]),
    place(
        "status",
        "shared/status",
        &["types", "contracts", "pki"],
        &[],
    ),
    place(
        "messaging",
        "shared/messaging",
        &["types", "contracts", "rows"],
        &[],
    ),
    place("rows", "shared/rows", &[], &[]),
    place("http", "shared/http", &["types", "contracts", "rows"], &[]),
    place(
        "runtime",
        "shared/runtime",
        &["types", "contracts", "messaging", "http"],
        &[],
    ),
    place("metering", "shared/metering", &GROUND, &[]),
    place("simulator", "shared/simulator", &[], &[]),
    place("paper", "shared/paper", &[], &[]),
    place("testkit", "shared/testkit", &FOR_TESTS, &[]),
    place("gateway", "gateway", &GROUND, &["testkit"]),
    place("onboarding", "services/onboarding", &GROUND, &["testkit"]),
    place(
        "verification",
        "services/verification",
        &PAID_AND_STATUS,
        &["testkit", "simulator"],
    ),
    place(
        "revocation",
        "services/revocation",
        &PAID_AND_STATUS,
        &["testkit", "simulator"],
    ),
    place("webhooks", "services/webhooks", &GROUND, &["testkit"]),
    place(
        "billing",
        "services/billing",
        &GROUND_AND_PAPER,
        &["testkit", "metering"],
    ),
    place(
        "sandbox",
        "services/sandbox",
        &GROUND_AND_SIMULATOR,
        &["testkit"],
    ),
    // It measures from outside and knows nothing of the inside; the agency that signs its great list is outside too.
    place("loadtests", "loadtests", &["types", "simulator"], &[]),
    place(
        "warikan",
        "services/standalone",
        &ALL_BUT_TESTING,
        &["testkit", "simulator"],
    ),
];

/// One import as cargo sees it.
struct Edge {
    from: String,
    to: String,
    for_tests: bool,
}

fn short(name: &str) -> String {
    name.strip_prefix("warikan-").unwrap_or(name).to_owned()
}

fn metadata() -> Value {
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--format-version",
            "1",
            "--offline",
            "--no-deps",
        ])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(
        output.status.success(),
        "cargo metadata: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).expect("cargo metadata is JSON")
}

fn array<'a>(value: &'a Value, field: &str) -> &'a [Value] {
    value[field].as_array().map_or(&[], Vec::as_slice)
}

/// Every crate's folder, and every edge inside the workspace.
fn workspace() -> (BTreeMap<String, String>, Vec<Edge>) {
    let top = root().display().to_string();
    let metadata = metadata();
    let mut folders = BTreeMap::new();
    let mut edges = Vec::new();
    for package in array(&metadata, "packages") {
        let from = short(package["name"].as_str().unwrap());
        let manifest = package["manifest_path"].as_str().unwrap();
        let folder = manifest
            .trim_start_matches(&top)
            .trim_start_matches('/')
            .trim_end_matches("/Cargo.toml");
        folders.insert(from.clone(), folder.to_owned());
        for dependency in array(package, "dependencies") {
            if dependency["path"].is_string() {
                edges.push(Edge {
                    from: from.clone(),
                    to: short(dependency["name"].as_str().unwrap()),
                    // A build script's imports count like the crate's own.
                    for_tests: dependency["kind"] == "dev",
                });
            }
        }
    }
    (folders, edges)
}

#[test]
fn every_crate_imports_only_what_the_plan_allows() {
    let (folders, edges) = workspace();
    let mut wrong = Vec::new();
    for (name, folder) in &folders {
        match PLAN.iter().find(|place| place.name == name) {
            None => wrong.push(format!(
                "{folder}: `{name}` is not in the plan; add a row to PLAN that says what it may import"
            )),
            Some(place) if place.folder != folder => {
                wrong.push(format!("`{name}` lies in {folder}, not in {}", place.folder));
            }
            Some(_) => {}
        }
    }
    for place in &PLAN {
        if !folders.contains_key(place.name) {
            wrong.push(format!(
                "`{}` is gone; remove its row from PLAN",
                place.name
            ));
        }
    }
    for Edge {
        from,
        to,
        for_tests,
    } in &edges
    {
        let Some(place) = PLAN.iter().find(|place| place.name == from) else {
            continue;
        };
        let allowed = place.may.contains(&to.as_str())
            || (*for_tests && place.tests_may.contains(&to.as_str()));
        if !allowed {
            let what = if *for_tests {
                "its tests import"
            } else {
                "it imports"
            };
            wrong.push(format!("{}/Cargo.toml: {what} warikan-{to}", place.folder));
        }
    }
    nothing_wrong(
        "The architecture allows no such import. Move the thing to where both may reach it, tell a fact instead, or change the plan \
         here and in ARCHITECTURE.md with the reason:",
        &wrong,
    );
    assert!(edges.len() > 40, "cargo told of {} edges", edges.len());
}

/// The rows themselves keep the rules that are told in words.
#[test]
fn the_plan_keeps_its_own_rules() {
    let importers = |of: &str, tests_too: bool| -> BTreeSet<&str> {
        PLAN.iter()
            .filter(|place| place.may.contains(&of) || (tests_too && place.tests_may.contains(&of)))
            .map(|place| place.name)
            .collect()
    };
    for service in SERVICES {
        assert_eq!(importers(service, true), ["warikan"].into(), "{service}");
    }
    assert_eq!(
        importers("pki", true),
        ["revocation", "status", "verification", "warikan"].into(),
        "pki"
    );
    assert_eq!(
        importers("simulator", false),
        ["loadtests", "sandbox", "testkit"].into(),
        "simulator"
    );
    assert_eq!(importers("testkit", false), BTreeSet::new(), "testkit");
    assert_eq!(importers("warikan", true), BTreeSet::new(), "the binary");
}

#[test]
fn every_crate_takes_the_workspaces_lints() {
    let (folders, _) = workspace();
    let mut wrong = Vec::new();
    for folder in folders.values() {
        let manifest = toml_file(format!("{folder}/Cargo.toml"));
        let takes = manifest
            .get("lints")
            .and_then(|lints| lints.get("workspace"))
            .and_then(toml::Value::as_bool);
        if takes != Some(true) {
            wrong.push(format!("{folder}/Cargo.toml"));
        }
    }
    nothing_wrong(
        "These crates are not linted as the others are; add\n[lints]\nworkspace = true",
        &wrong,
    );
}

/// A part of the platform is a program by its name alone: the same composition under another role, and nothing of its own.
#[test]
fn each_part_has_a_program_of_its_own_that_says_its_role_and_no_more() {
    let manifest = toml_file("services/standalone/Cargo.toml");
    let declared: BTreeMap<String, toml::Value> = manifest["bin"]
        .as_array()
        .unwrap()
        .iter()
        .map(|bin| (bin["name"].as_str().unwrap().to_owned(), bin.clone()))
        .collect();
    let parts = SERVICES.into_iter().chain(["gateway"]);
    let wanted: BTreeSet<String> = parts.map(|part| format!("warikan-{part}")).collect();
    let mut wrong = Vec::new();
    for name in &wanted {
        let Some(bin) = declared.get(name) else {
            wrong.push(format!("{name}: no [[bin]]"));
            continue;
        };
        let path = format!("services/standalone/{}", bin["path"].as_str().unwrap());
        let text = std::fs::read_to_string(root().join(&path)).unwrap();
        if text.lines().count() > 10 {
            wrong.push(format!("{path}: more than 10 lines"));
        }
        let role = name.trim_start_matches("warikan-");
        let role = format!("Role::{}{}", role[..1].to_uppercase(), &role[1..]);
        if !text.contains(&format!("warikan::process::main(warikan::compose::{role})")) {
            wrong.push(format!("{path}: does not serve {role}"));
        }
    }
    let lines = std::fs::read_to_string(root().join("services/standalone/src/main.rs"));
    if lines.unwrap().lines().count() > 10 {
        wrong.push("services/standalone/src/main.rs: more than 10 lines".to_owned());
    }
    assert_eq!(declared.len(), wanted.len() + 1, "{:?}", declared.keys());
    nothing_wrong(
        "A part's program names its role; what it does is in src/process.rs and src/compose.rs:",
        &wrong,
    );
}
