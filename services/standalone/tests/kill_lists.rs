//! `kill -9` while lists are taken over and while a campaign goes through a portfolio (F046). Afterwards each list is the old one or the
//! new one and nothing between, and the campaign comes to its end with each certificate once.

#![allow(clippy::unwrap_used, reason = "a test stops where it cannot go on")]

mod support;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
    time::Duration,
};

use reqwest::Method;
use serde_json::{Value, json};
use support::{Caller, Installation, ProductionJlis, Server, run, text, until};
use tempfile::TempDir;
use warikan_testkit::App;
use warikan_types::{Clock, Entropy};

/// Decides when to kill, unless `KILL_SEED` (decimal) does.
const SEED: u64 = 46;
const ROUNDS: usize = 5;
const WATCHED: usize = 150;
/// Persons who lose their cards before each publication.
const LOST: usize = 12;
/// Certificates of the portfolio: four chunks of it.
const PORTFOLIO: usize = 12_600;
const PART: usize = 4_200;

/// The drop folder.
struct Spool(TempDir);

impl Spool {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn url(&self) -> String {
        format!("file://{}/", self.0.path().display())
    }

    /// Lays everything ready that is published at present; the version of each list.
    async fn lay(&self, jlis: &Caller) -> Vec<String> {
        let index = jlis.get("/jlis/crl/index.json").await;
        let mut versions = Vec::new();
        for list in index.expect(200)["lists"].as_array().unwrap() {
            let (url, version) = (
                list["url"].as_str().unwrap(),
                list["sha256"].as_str().unwrap(),
            );
            let octets = jlis.get(url).await.body;
            let hidden = self.0.path().join(format!(".{version}"));
            fs::write(&hidden, octets).unwrap();
            fs::rename(hidden, self.0.path().join(format!("{version}.crl"))).unwrap();
            versions.push(version.to_owned());
        }
        versions
    }

    fn files(&self, ending: &str) -> Vec<PathBuf> {
        let files = fs::read_dir(self.0.path()).unwrap();
        let files = files.map(|file| file.unwrap().path());
        files
            .filter(|file| file.extension().is_some_and(|it| it == ending))
            .collect()
    }

    /// What has not been taken over.
    fn waiting(&self) -> usize {
        self.files("crl").len()
    }

    fn hold_back(&self) {
        for file in self.files("crl") {
            fs::rename(&file, file.with_extension("held")).unwrap();
        }
    }

    fn let_go(&self) {
        for file in self.files("held") {
            fs::rename(&file, file.with_extension("crl")).unwrap();
        }
    }
}

fn configuration(jlis: &ProductionJlis, source: &str) -> String {
    format!(
        "[production]\nanchors = {:?}\n\
         [sandbox]\nenabled = false\n\
         [revocation]\nsync_period_seconds = 1\ncampaign_period_seconds = 1\ncampaign_lease_seconds = 2\n\
         [[revocation.sources]]\nenvironment = \"production\"\nindex_url = {source:?}\n",
        jlis.anchors(),
    )
}

/// A production tenant.
async fn tenant(server: &Server) -> Caller {
    server.ready().await;
    let operator = server.operator().await;
    let tenant = operator.take_on("割勘証券株式会社").await;
    operator.activate(&tenant).await;
    operator.credential(&tenant, "production").await
}

fn seeded() -> Entropy {
    Entropy::seeded(std::env::var("KILL_SEED").map_or(SEED, |text| text.parse().unwrap()))
}

/// A moment within the next so many milliseconds.
fn moment(entropy: &Entropy, milliseconds: u64) -> Duration {
    Duration::from_micros(u64::from_le_bytes(entropy.bytes()) % (milliseconds * 1_000))
}

/// What the test knows of the lists: who is on which version.
#[derive(Default)]
struct Truth {
    /// In which round a list's version was published.
    published: BTreeMap<String, usize>,
    /// In which round a certificate was lost.
    lost: BTreeMap<String, usize>,
}

impl Truth {
    /// Every answer is by a version of this round or the one before, and says what that version says. How many were of this round.
    async fn agrees(&self, firm: &Caller, handles: &BTreeSet<String>, round: usize) -> usize {
        let mut new = 0;
        for handle in handles {
            let path = format!("/v1/certificates/{handle}/check");
            let reply = firm.post(&path, &json!({})).await;
            let answer = reply.expect(200);
            let version = answer["source_version"].as_str().unwrap();
            let of = self.published[version];
            assert!(
                of == round || of + 1 == round,
                "of round {of} in round {round}"
            );
            let named = self.lost.get(handle).is_some_and(|lost| *lost <= of);
            let state = if named { "revoked" } else { "good" };
            assert_eq!(
                answer["state"], state,
                "by the list of round {of}: {answer}"
            );
            new += usize::from(of == round);
        }
        new
    }
}

/// Everybody is watched: who holds which certificate.
async fn watch_all(firm: &Caller, agency: &Caller) -> BTreeMap<String, String> {
    let mut persons = BTreeMap::new();
    for (person, certificate) in agency.population(WATCHED).await {
        let body = json!({ "certificate": certificate, "ref": person });
        let watch = firm.post("/v1/watches", &body).await;
        let handle = watch.expect(201)["certificate_handle"].as_str().unwrap();
        persons.insert(handle.to_owned(), person);
    }
    persons
}

async fn lose(agency: &Caller, person: &str) {
    let path = format!("/sandbox/persons/{person}/events");
    let event = json!({ "event": "lose" });
    agency.post(&path, &event).await.expect(200);
}

impl Truth {
    /// Some lose their cards, and the lists that say so are laid ready.
    async fn go_on(
        &mut self,
        agency: &Caller,
        spool: &Spool,
        persons: &BTreeMap<String, String>,
        round: usize,
    ) {
        let unharmed = persons
            .iter()
            .filter(|(handle, _)| !self.lost.contains_key(*handle));
        let unlucky: Vec<_> = unharmed
            .take(LOST)
            .map(|(handle, person)| (handle.clone(), person.clone()))
            .collect();
        for (handle, person) in unlucky {
            lose(agency, &person).await;
            self.lost.insert(handle, round);
        }
        agency
            .post("/sandbox/publish-crl", &json!({}))
            .await
            .expect(200);
        for version in spool.lay(agency).await {
            self.published.insert(version, round);
        }
    }

    /// Everybody lost is told, once.
    async fn is_told(&self, firm: &Caller) {
        let told = until("everybody lost to be told", async || {
            let feed = firm.feed().await;
            let told: Vec<String> = feed
                .iter()
                .filter(|event| event["type"] == "certificate.revoked")
                .map(|event| {
                    event["data"]["certificate_handle"]
                        .as_str()
                        .unwrap()
                        .to_owned()
                })
                .collect();
            (told.len() >= self.lost.len()).then_some(told)
        })
        .await;
        let different: BTreeSet<&String> = told.iter().collect();
        assert_eq!(told.len(), different.len(), "each once");
        assert_eq!(different, self.lost.keys().collect::<BTreeSet<_>>());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f046_killed_while_lists_are_taken_over_each_is_the_old_or_the_new_one() {
    let jlis = ProductionJlis::start(&Clock::system()).await;
    let (agency, spool, entropy) = (jlis.caller(), Spool::new(), seeded());
    let here = Installation::configured(&configuration(&jlis, &spool.url()));
    let mut truth = Truth::default();
    for version in spool.lay(&agency).await {
        truth.published.insert(version, 0);
    }
    let lists = truth.published.len();
    let mut server = here.serve().await;
    let address = server.address().to_owned();
    let mut firm = tenant(&server).await;
    until("the first lists", async || {
        (spool.waiting() == 0).then_some(())
    })
    .await;
    let persons = watch_all(&firm, &agency).await;
    let handles: BTreeSet<String> = persons.keys().cloned().collect();
    assert_eq!(truth.agrees(&firm, &handles, 0).await, WATCHED);

    let mut inside = 0;
    for round in 1..=ROUNDS {
        truth.go_on(&agency, &spool, &persons, round).await;
        until("the ingest to begin", async || {
            (spool.waiting() < lists).then_some(())
        })
        .await;
        tokio::time::sleep(moment(&entropy, 1_000)).await;
        server.kill();
        let left = spool.waiting();
        inside += usize::from(left > 0);
        // As far as it came, and no further until it has been looked at.
        spool.hold_back();
        (server, firm) = again(&here, &address, &firm).await;
        let new = truth.agrees(&firm, &handles, round).await;
        println!(
            "round {round}: {left} of {lists} lists were left, {new} of {WATCHED} answers by new ones"
        );
        spool.let_go();
        if round % 2 == 0 {
            tokio::time::sleep(moment(&entropy, 1_500)).await;
            server.kill();
            (server, firm) = again(&here, &address, &firm).await;
            truth.agrees(&firm, &handles, round).await;
        }
        until("the rest", async || (spool.waiting() == 0).then_some(())).await;
        assert_eq!(truth.agrees(&firm, &handles, round).await, WATCHED);
    }
    assert!(inside > 0, "no kill hit an ingest");
    assert!(spool.files("reason").is_empty(), "nothing was refused");
    truth.is_told(&firm).await;
    server.stop().await;
    jlis.stop().await;
}

/// The platform where it was, after its death.
async fn again(here: &Installation, address: &str, firm: &Caller) -> (Server, Caller) {
    let server = here.serve_at(address).await;
    server.ready().await;
    let firm = firm.at(&server.base);
    (server, firm)
}

/// Sends a part of a portfolio until its answer comes; a part that had come in before is no harm.
async fn upload(firm: &Caller, campaign: &str, lines: &str) -> Value {
    let path = format!("/v1/campaigns/{campaign}/portfolio");
    let request = firm
        .request(Method::POST, &path)
        .header("Content-Type", "application/x-ndjson")
        .body(lines.to_owned());
    App::read(request).await.expect(200).clone()
}

async fn campaign(firm: &Caller, id: &str) -> Value {
    firm.get(&format!("/v1/campaigns/{id}"))
        .await
        .expect(200)
        .clone()
}

/// A part of the portfolio, as lines.
fn lines(part: &[(String, Value)]) -> String {
    let line = |(person, certificate): &(String, Value)| {
        json!({ "ref": person, "certificate": certificate }).to_string() + "\n"
    };
    part.iter().map(line).collect()
}

/// Begins to send a part and sees the platform die before it has answered.
async fn cut_off(firm: &Caller, id: &str, lines: &str, server: &mut Server) {
    let path = format!("/v1/campaigns/{id}/portfolio");
    let request = firm
        .request(Method::POST, &path)
        .header("Content-Type", "application/x-ndjson")
        .body(lines.to_owned())
        .send();
    let sending = tokio::spawn(request);
    until("a part of the part", async || {
        let total = campaign(firm, id).await["progress"]["total"].as_u64();
        (total > Some(PART as u64)).then_some(())
    })
    .await;
    server.kill();
    drop(sending.await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f046_a_campaign_that_is_killed_ends_with_each_certificate_once_and_proves_it() {
    let jlis = ProductionJlis::start(&Clock::system()).await;
    let agency = jlis.caller();
    let here = Installation::configured(&configuration(&jlis, &jlis.index_url()));
    let mut people = Vec::new();
    while people.len() < PORTFOLIO {
        people.extend(agency.population(PART).await);
    }
    let lost: Vec<&String> = people
        .iter()
        .step_by(100)
        .map(|(person, _)| person)
        .collect();
    for person in &lost {
        lose(&agency, person).await;
    }
    agency
        .post("/sandbox/publish-crl", &json!({}))
        .await
        .expect(200);
    let mut server = here.serve().await;
    let address = server.address().to_owned();
    let mut firm = tenant(&server).await;
    let order = firm
        .post("/v1/campaigns", &json!({ "selector": "upload" }))
        .await;
    let id = order.expect(201)["id"].as_str().unwrap().to_owned();
    for (number, part) in people.chunks(PART).enumerate() {
        let lines = lines(part);
        if number == 1 {
            // This one's answer never comes: it is sent again, whatever came in of it.
            cut_off(&firm, &id, &lines, &mut server).await;
            (server, firm) = again(&here, &address, &firm).await;
        }
        upload(&firm, &id, &lines).await;
    }
    assert_eq!(campaign(&firm, &id).await["progress"]["total"], PORTFOLIO);
    firm.post(&format!("/v1/campaigns/{id}/start"), &json!({}))
        .await
        .expect(200);

    let mut stood = Vec::new();
    for _ in 0..2 {
        let before = stood.last().copied().unwrap_or(0);
        let seen = until("the campaign to go on", async || {
            let checked = campaign(&firm, &id).await["progress"]["checked"]
                .as_u64()
                .unwrap();
            (checked > before).then_some(checked)
        })
        .await;
        server.kill();
        stood.push(seen);
        (server, firm) = again(&here, &address, &firm).await;
    }
    println!("killed at {stood:?} of {PORTFOLIO}");
    assert!(
        stood[0] < PORTFOLIO as u64,
        "it was over before the first kill"
    );
    let done = until("the campaign to end", async || {
        let campaign = campaign(&firm, &id).await;
        (campaign["state"] == "completed").then_some(campaign)
    })
    .await;
    ended_well(&here, &firm, &done, lost.len()).await;
    server.stop().await;
    jlis.stop().await;
}

/// Each certificate once in the results and once on the bill; the receipt says so.
async fn ended_well(here: &Installation, firm: &Caller, done: &Value, lost: usize) {
    assert_eq!(done["counts"]["checked"], PORTFOLIO);
    assert_eq!(done["counts"]["revoked"], lost);
    assert_eq!(done["counts"]["good"], PORTFOLIO - lost);
    let id = done["id"].as_str().unwrap();
    let results = firm.get(&format!("/v1/campaigns/{id}/results")).await;
    let lines = String::from_utf8(results.body).unwrap();
    let handles: Vec<&str> = lines
        .lines()
        .map(|line| line.split(',').next().unwrap())
        .collect();
    assert_eq!(handles.len(), PORTFOLIO);
    assert_eq!(handles.iter().collect::<BTreeSet<_>>().len(), PORTFOLIO);

    let keys = firm.get("/.well-known/jwks.json").await.body;
    let files = [
        ("keys", keys),
        (
            "receipt",
            done["receipt"].as_str().unwrap().as_bytes().to_vec(),
        ),
        ("results", lines.clone().into_bytes()),
    ];
    let mut arguments = vec!["campaign".to_owned(), "verify".to_owned()];
    for (name, octets) in files {
        let path = here.beside(name);
        fs::write(&path, octets).unwrap();
        arguments.extend([format!("--{name}"), path.to_str().unwrap().to_owned()]);
    }
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let judged = run(&arguments, &[]);
    assert!(judged.status.success(), "{:?}", text(&judged));

    let billed = until("the checks to be billed", async || {
        let month = done["completed_at"].as_str().unwrap();
        let month = warikan_types::BillingMonth::of(month.parse().unwrap());
        let usage = firm.get(&format!("/v1/usage?period={month}")).await;
        let rows = usage.expect(200)["usage"].as_array().unwrap().clone();
        let rows = rows.iter().filter(|row| row["meter"] == "status_check");
        let billed: u64 = rows.map(|row| row["quantity"].as_u64().unwrap()).sum();
        (billed >= PORTFOLIO as u64).then_some(billed)
    })
    .await;
    assert_eq!(billed, PORTFOLIO as u64);
}
