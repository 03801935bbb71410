//! One signature, checked in full on one core, beside what limits it and beside another verifier.
//!
//! `cargo run --release` in this folder. The table has the time of one call: of each row the median of three runs, and of
//! each run the lowest tenth of many short batches, so that what else the machine does counts as little as possible and for every
//! row alike. The limit is what two RSA-2048 verifications cost: the issuer's signature and the holder's cannot be done
//! without.
//!
//! The other verifier is the crate `myna-card`. It knows the real roots only, so the rows beside each other judge the public
//! test card's certificate. Nobody here has that card's key: both are given a signature that does not fit, which costs the
//! same arithmetic. It checks less than ours (no profile, no status, no policy, no algorithms).

use std::{
    collections::BTreeMap,
    fs,
    hint::black_box,
    process::Command,
    time::{Duration, Instant},
};

use myna_card::{Certificate as Theirs, certificate::roots::Accept, data::Date};
use warikan_pki::{
    AlgorithmPolicy, AnchorSet, Certificate, Channel, DigestAlgorithm, Evidence, Examined, Policy,
    PublicKey, Purpose, SignatureAlgorithm, Signed, StatusFact, StatusKnowledge, examine, validate,
};
use warikan_simulator::{
    CertificateChoice, Content, Genesis, HashAlgorithm, Hierarchy, Person, Simulator, fixtures,
};
use warikan_types::{CertificateId, Environment, Reason, Timestamp, Verdict};

const RUNS: usize = 3;
const MESSAGE: &[u8] = b"application to open an account";
const NOW: &str = "2026-11-21T12:00:00Z";

/// What one call costs, in nanoseconds.
fn cost(batches: usize, mut call: impl FnMut()) -> u128 {
    const BATCH: u32 = 10;
    let mut times: Vec<Duration> = (0..batches)
        .map(|_| {
            let began = Instant::now();
            for _ in 0..BATCH {
                call();
            }
            began.elapsed() / BATCH
        })
        .collect();
    times.sort_unstable();
    times[times.len() / 10].as_nanos()
}

/// One certificate to be judged, and everything that is known beforehand.
struct Stage {
    leaf: Vec<u8>,
    anchors: AnchorSet,
    signature: Vec<u8>,
    signed: Signed,
    statuses: BTreeMap<CertificateId, StatusKnowledge>,
    policy: Policy,
    at: Timestamp,
    expected: Option<Reason>,
}

impl Stage {
    fn new(
        leaf: Vec<u8>,
        roots: Vec<Vec<u8>>,
        signature: Vec<u8>,
        expected: Option<Reason>,
    ) -> Self {
        let at: Timestamp = NOW.parse().expect("a time");
        let bag = roots.into_iter().map(|root| (Environment::Sandbox, root));
        let anchors = AnchorSet::new(bag).expect("the roots are roots");
        let id = examine(&leaf, &anchors)
            .path()
            .expect("a path")
            .certificate_id()
            .clone();
        let good = StatusKnowledge {
            fact: StatusFact::Good,
            channel: Channel::Crl,
            this_update: at,
            next_update: Some(at.plus(Duration::from_secs(86_400))),
            version: "1".to_owned(),
        };
        Self {
            leaf,
            anchors,
            signature,
            signed: Signed::Message {
                algorithm: DigestAlgorithm::Sha256,
                message: MESSAGE.to_vec(),
            },
            statuses: BTreeMap::from([(id, good)]),
            policy: Policy {
                environment: Environment::Sandbox,
                purpose: Purpose::Signature,
                max_age: Some(Duration::from_secs(86_400)),
                clock_skew: Duration::ZERO,
                algorithms: AlgorithmPolicy::jpki(),
            },
            at,
            expected,
        }
    }

    fn judge(&self, examined: &Examined) {
        let status = examined
            .path()
            .and_then(|path| self.statuses.get(path.certificate_id()));
        let evidence = Evidence {
            examined,
            signature: &self.signature,
            signed: &self.signed,
            status,
        };
        let report = black_box(validate(&evidence, &self.policy, self.at));
        assert_eq!(report.reason, self.expected);
        assert_eq!(report.verdict == Verdict::Valid, self.expected.is_none());
    }

    fn full(&self) {
        self.judge(&examine(&self.leaf, &self.anchors));
    }
}

fn simulated() -> Stage {
    let at = NOW.parse::<Timestamp>().expect("a time").utc();
    let mut keys = fixtures::key_source();
    let mut simulator =
        Simulator::genesis(Genesis::of(Hierarchy::Test), &mut keys, at).expect("a simulator");
    let person = simulator
        .enroll(Person::of_the_test_card(), &mut keys, at)
        .expect("a person");
    let card = simulator.card(person).expect("a card");
    let choice = CertificateChoice::Signature;
    let signature = card
        .sign(choice, Content::Message(MESSAGE), HashAlgorithm::Sha256)
        .expect("a signature");
    let leaf = card.certificate(choice).expect("a certificate").to_vec();
    let roots = simulator.roots().into_iter().map(|root| root.der).collect();
    Stage::new(leaf, roots, signature, None)
}

fn test_card() -> Stage {
    let folder = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../../shared/pki/testdata/jlis"
    );
    let read = |file: &str| fs::read(format!("{folder}/{file}")).expect("testdata");
    let roots = ["signca-test-2019.cer", "signca-test-2024.cer"]
        .map(|file| read(&format!("test-roots/{file}")));
    let mut signature = vec![0x5a; 256];
    signature[0] = 0;
    Stage::new(
        read("test-leaf/jpki-sign-cert.der"),
        roots.into(),
        signature,
        Some(Reason::SignatureMismatch),
    )
}

/// What the other verifier offers for the same question.
fn theirs(stage: &Stage) {
    let on = Date {
        year: 2026,
        month: 11,
        day: 21,
    };
    let certificate = Theirs::parse(&stage.leaf).expect("a certificate");
    certificate
        .verify_to_root(on, Accept::ProductionAndTest)
        .expect("it knows the root");
    let key = certificate.public_key().expect("a key");
    assert!(black_box(key.verify_pkcs1_sha256(MESSAGE, &stage.signature)).is_err());
}

/// RSA-2048 verifications per second of one core as OpenSSL counts them.
fn openssl() -> Option<u128> {
    let output = Command::new("openssl")
        .args(["speed", "-seconds", "2", "rsa2048"])
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let row = text.lines().find(|line| line.starts_with("rsa 2048"))?;
    row.split_whitespace()
        .last()?
        .split('.')
        .next()?
        .parse()
        .ok()
}

/// Name of a row, and its cost in each run.
type Row = (&'static str, Vec<u128>);

fn run(rows: &mut [Row; 7], simulated: &Stage, card: &Stage) {
    let certificate = Certificate::parse(&simulated.leaf).expect("a certificate");
    let key = PublicKey::from_spki(certificate.spki_der()).expect("a key");
    let algorithm = SignatureAlgorithm::RsaPkcs1(DigestAlgorithm::Sha256);
    let digest = simulated.signed.digest();
    let cached = examine(&simulated.leaf, &simulated.anchors);
    let costs = [
        openssl().map_or(0, |rate| 1_000_000_000 / rate.max(1)),
        cost(3_000, || {
            black_box(key.verify_digest(algorithm, &digest, &simulated.signature)).expect("ours");
        }),
        cost(3_000, || {
            drop(black_box(Certificate::parse(&simulated.leaf)))
        }),
        cost(3_000, || simulated.judge(&cached)),
        cost(3_000, || simulated.full()),
        cost(3_000, || card.full()),
        cost(150, || theirs(card)),
    ];
    for (row, cost) in rows.iter_mut().zip(costs) {
        row.1.push(cost);
    }
}

fn main() {
    let (simulated, card) = (simulated(), test_card());
    let mut rows = [
        "one RSA-2048 verification, openssl speed",
        "one RSA-2048 verification, key parsed, aws-lc",
        "parse of the certificate",
        "check, its examination cached",
        "full check",
        "full check of the test card's certificate",
        "myna-card on the same",
    ]
    .map(|name| (name, Vec::new()));
    for _ in 0..RUNS {
        run(&mut rows, &simulated, &card);
    }
    let median = rows.each_ref().map(|(_, costs)| {
        let mut sorted = costs.clone();
        sorted.sort_unstable();
        sorted[sorted.len() / 2]
    });
    println!("{:<48} {:>9}  runs", "", "median");
    for ((name, costs), median) in rows.iter().zip(median) {
        let shown: Vec<String> = costs.iter().map(|cost| micros(*cost)).collect();
        println!("{name:<48} {:>6} us  {}", micros(median), shown.join(" "));
    }
    let [speed, one, _, cached, full, ours, other] = median;
    let percent = |limit: u128| limit * 100 / full.max(1);
    println!(
        "full check, of the limit of two verifications: {} % (aws-lc), {} % (openssl speed)",
        percent(2 * one),
        percent(2 * speed)
    );
    println!(
        "with the examination cached, of the limit of one: {} % (aws-lc)",
        one * 100 / cached.max(1)
    );
    println!(
        "myna-card takes {}.{} times as long as ours",
        other / ours,
        other * 10 / ours % 10
    );
}

fn micros(nanos: u128) -> String {
    format!("{}.{}", nanos / 1_000, nanos % 1_000 / 100)
}
