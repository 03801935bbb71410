//! Certificates before both judges.

use std::collections::{BTreeMap, BTreeSet};

use warikan_pki::AnchorSet;

use crate::{
    explained::{self, Engine, Row},
    extensions, fields,
    openssl::{self, Bench, Word},
    ours,
    plan::Plan,
    rng::Rng,
    scene::{Scene, Seed, now},
    structure,
};

const BENT: u64 = 600;
const FLIPPED: u64 = 200;

struct Case {
    name: String,
    der: Vec<u8>,
}

/// Named changes, changes by lot (both signed again) and flipped bits (not signed again) of one certificate.
fn cases_of(seed: &Seed, lot: u64) -> Vec<Case> {
    let mut cases = Vec::new();
    let mut seen = BTreeSet::new();
    let mut push = |name: String, der: Vec<u8>| {
        if seen.insert(der.clone()) {
            cases.push(Case { name, der });
        }
    };
    let original = Plan::of(&seed.der);
    assert_eq!(
        original.sign(&seed.signer),
        seed.der,
        "nothing is lost on the way"
    );
    for mutation in fields::all().0.iter().chain(&extensions::all().0) {
        let mut plan = original.clone();
        (mutation.apply)(&mut plan);
        push(mutation.name.clone(), plan.sign(&seed.signer));
    }
    let mut rng = Rng::new(lot);
    for _ in 0..BENT {
        let mut plan = original.clone();
        let name = structure::bend(&mut plan, &mut rng);
        push(format!("lot: {name}"), plan.sign(&seed.signer));
    }
    for _ in 0..FLIPPED {
        let mut der = seed.der.clone();
        let place = rng.below(der.len());
        der[place] ^= 1 << rng.below(8);
        push("flipped".to_owned(), der);
    }
    cases
}

fn all_cases(scene: &mut Scene) -> Vec<Case> {
    let mut cases: Vec<Case> = scene
        .defective()
        .into_iter()
        .map(|(name, der)| Case { name, der })
        .collect();
    for (seed, lot) in scene.seeds().iter().zip(1..) {
        cases.extend(cases_of(seed, lot).into_iter().map(|case| Case {
            name: format!("{}: {}", seed.name, case.name),
            der: case.der,
        }));
    }
    cases
}

/// Counts the rows that explain a difference, and keeps what no row explains.
#[derive(Default)]
struct Tally {
    agreed: [usize; 2],
    rows: BTreeMap<&'static str, usize>,
    unexplained: Vec<String>,
}

impl Tally {
    fn judge(&mut self, engine: Engine, case: &Case, ours: &[String], theirs: &Word) {
        let accepted = ours.is_empty();
        if accepted == (*theirs == Word::Accepted) {
            self.agreed[usize::from(accepted)] += 1;
            return;
        }
        let row = if accepted {
            explained::laxer(engine, &case.name, theirs)
        } else {
            explained::stricter(engine, &case.name, ours)
        };
        match row {
            Some(Row { key, .. }) => *self.rows.entry(key).or_default() += 1,
            None => self.unexplained.push(format!(
                "{engine:?} {}: ours {ours:?}, openssl {theirs:?}\n{}",
                case.name,
                hex::encode(&case.der)
            )),
        }
    }

    fn finish(&self, cases: usize) {
        let [refused, accepted] = self.agreed;
        println!(
            "{cases} certificates; both accept {accepted}, both refuse {refused} (each counted in two comparisons)"
        );
        for row in explained::rows() {
            let count = self.rows.get(row.key).copied().unwrap_or(0);
            println!("{count:5}  {}: {}", row.key, row.why);
        }
        assert!(
            self.unexplained.is_empty(),
            "{} unexplained:\n{}",
            self.unexplained.len(),
            self.unexplained.join("\n")
        );
        for row in explained::rows() {
            assert!(
                self.rows.contains_key(row.key),
                "no case needs the row {:?}",
                row.key
            );
        }
    }
}

#[test]
fn f030_f056_every_difference_from_openssl_is_explained() {
    if !openssl::is_there() {
        return;
    }
    let mut scene = Scene::new();
    let cases = all_cases(&mut scene);
    assert!(cases.len() >= 3_000, "{} cases", cases.len());
    let anchors: AnchorSet = scene.anchors();
    let roots = scene.roots();
    let roots: Vec<&[u8]> = roots.iter().map(|root| root.der.as_slice()).collect();

    let bench = Bench::new();
    bench.write("roots.pem", "CERTIFICATE", &roots);
    let at = now().unix().to_string();
    let ders: Vec<&[u8]> = cases.iter().map(|case| case.der.as_slice()).collect();
    let strict = ["-x509_strict", "-attime", &at];
    let with_policy = [
        &strict[..],
        &["-explicit_policy", "-policy", "1.2.392.200149.8.5.1.0.20"],
        &["-policy", "1.2.392.200149.8.5.1.0.30"],
    ]
    .concat();
    let path_words = bench.verify(&strict, &ders);
    let profile_words = bench.verify(&with_policy, &ders);

    let mut tally = Tally::default();
    for (case, (path, profile)) in cases.iter().zip(path_words.iter().zip(&profile_words)) {
        let by_path = ours::path(&case.der, &roots, now());
        let by_profile = ours::profile(&case.der, &anchors, now());
        tally.judge(Engine::Path, case, &by_path, path);
        tally.judge(Engine::Profile, case, &by_profile, profile);
    }
    tally.finish(cases.len());
}
