//! What a certificate's checks come to on the bill: by lists once a certificate and calendar month in Japan, whoever checks and however
//! often. Random schedules of watches, single checks, checks of persons and campaigns, with the clock moved over the edges of months.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use serde_json::{Value, json};
use warikan_types::{BillingMonth, Entropy, TenantScope, Timestamp};

use crate::{
    support::{Standing, caller::and},
    turn,
};

/// Decide the schedules, unless `SCHEDULE_SEED` (decimal) does: to look at another one, or at the same one again.
const SEEDS: [u64; 3] = [1, 2, 3];
const STEPS: usize = 45;
const PERSONS: usize = 6;

const HOUR: u64 = 3_600;

struct Schedule {
    seed: u64,
    entropy: Entropy,
    standing: Standing,
    tenant: TenantScope,
    /// Persons with what they signed.
    persons: Vec<(String, Value)>,
    /// Handles of certificates that were watched at some time.
    handles: BTreeSet<String>,
    subjects: BTreeSet<String>,
    /// Months in which a look found the lists in force.
    confirmed: BTreeSet<BillingMonth>,
    /// What has to stand on the bill by lists.
    expected: BTreeSet<(BillingMonth, String)>,
    said: Vec<String>,
}

impl Schedule {
    async fn new(seed: u64) -> Self {
        // The last evening of a month in Japan.
        let standing = Standing::at("2026-11-30T10:00:00Z").await;
        let anyone = standing.anyone();
        let mut persons = Vec::new();
        for _ in 0..PERSONS {
            let person = anyone.person(&json!({})).await;
            let signed = anyone.sign(&person, "申込書").await;
            persons.push((person, signed));
        }
        let tenant = standing.tenant();
        let mut new = Self {
            seed,
            entropy: Entropy::seeded(seed),
            standing,
            tenant,
            persons,
            handles: BTreeSet::new(),
            subjects: BTreeSet::new(),
            confirmed: BTreeSet::new(),
            expected: BTreeSet::new(),
            said: Vec::new(),
        };
        new.look(true).await;
        new
    }

    /// A number below `limit`.
    fn random(&self, limit: usize) -> usize {
        usize::from(u16::from_le_bytes(self.entropy.bytes())) % limit
    }

    fn pick(&self, of: &BTreeSet<String>) -> Option<String> {
        let place = self.random(of.len().max(1));
        of.iter().nth(place).cloned()
    }

    fn month(&self) -> BillingMonth {
        BillingMonth::of(self.standing.now())
    }

    fn counts(&mut self, handle: &Value) {
        let handle = handle.as_str().unwrap().to_owned();
        self.expected.insert((self.month(), handle));
    }

    async fn step(&mut self) {
        let kind = self.random(12);
        self.said.push(format!("{kind} at {}", self.standing.now()));
        match kind {
            0 | 1 => self.let_time_pass(),
            2 => self.to_the_edge(),
            3 => self.look(true).await,
            4 => self.look(false).await,
            5 => self.watch().await,
            6 => self.verify().await,
            7 => self.end_a_watch().await,
            8 => self.check().await,
            9 => self.check_person().await,
            10 => self.campaign().await,
            _ => self.lose().await,
        }
        self.standing.settle().await;
    }

    fn let_time_pass(&self) {
        let hours = [1, 7, 23, 60, 24 * 9][self.random(5)];
        self.standing.advance(Duration::from_secs(hours * HOUR));
    }

    /// To the last second of the month in Japan, or the first of the next.
    fn to_the_edge(&self) {
        let (now, end) = (self.standing.now(), self.month().end());
        let left = end.since(now);
        let first = self.random(2) == 0;
        let left = if first {
            left
        } else {
            left.saturating_sub(Duration::from_secs(1))
        };
        self.standing.advance(left);
    }

    /// A turn of the sync, with new lists or without.
    async fn look(&mut self, fresh: bool) {
        if fresh {
            self.standing.publish().await;
        }
        self.standing.run("revocation.sync").await;
        let told = self.standing.anyone().get("/v1/status-freshness").await;
        let sandbox = &told.expect(200)["environments"][1];
        assert_eq!(sandbox["environment"], "sandbox");
        if sandbox["channels"][0]["state"] == "fresh" {
            self.confirmed.insert(self.month());
        }
        if !self.confirmed.contains(&self.month()) {
            return;
        }
        let began = self.month().start();
        for watch in self.standing.firm(self.tenant).all("/v1/watches").await {
            let flagged: Option<Timestamp> = watch["flag"]["detected_at"]
                .as_str()
                .map(|at| at.parse().unwrap());
            let due = watch["state"] != "ended" && flagged.is_none_or(|at| at >= began);
            if due {
                self.counts(&watch["certificate_handle"]);
            }
        }
    }

    async fn watch(&mut self) {
        let (_, signed) = &self.persons[self.random(PERSONS)];
        let reference = format!("C-{}", self.random(2));
        let body = json!({ "certificate": signed["certificate"], "ref": reference });
        let reply = self
            .standing
            .firm(self.tenant)
            .post("/v1/watches", &body)
            .await;
        assert!(reply.status.is_success(), "{:?}", reply.json);
        let handle = reply.json["certificate_handle"].as_str().unwrap();
        self.handles.insert(handle.to_owned());
    }

    /// A verification is another purpose, and another line of the bill.
    async fn verify(&mut self) {
        let (_, signed) = &self.persons[self.random(PERSONS)];
        let more = json!({ "watch": self.random(2) == 0, "channel": "crl" });
        let answer = self
            .standing
            .firm(self.tenant)
            .verify(&and(signed, more))
            .await;
        if let Some(subject) = answer["subject"]["id"].as_str() {
            self.subjects.insert(subject.to_owned());
        }
        if answer["watch"].is_object() {
            let handle = answer["certificate"]["handle"].as_str().unwrap();
            self.handles.insert(handle.to_owned());
        }
    }

    async fn end_a_watch(&self) {
        let firm = self.standing.firm(self.tenant);
        let watches = firm.get("/v1/watches?state=watching&limit=500").await;
        let watches = watches.expect(200)["data"].as_array().unwrap().clone();
        if watches.is_empty() {
            return;
        }
        let path = format!(
            "/v1/watches/{}",
            watches[self.random(watches.len())]["id"].as_str().unwrap()
        );
        let ended = firm.request(reqwest::Method::DELETE, &path).send().await;
        assert_eq!(ended.unwrap().status(), 204);
    }

    async fn check(&mut self) {
        let Some(handle) = self.pick(&self.handles) else {
            return;
        };
        let body = if self.random(3) == 0 {
            json!({ "at": self.standing.now().minus(Duration::from_secs(HOUR)).to_string() })
        } else {
            json!({})
        };
        let path = format!("/v1/certificates/{handle}/check");
        let reply = self.standing.firm(self.tenant).post(&path, &body).await;
        // Its watch may have ended.
        if reply.status == 200 && reply.json["state"] != "unknown" {
            self.counts(&json!(handle));
        }
    }

    async fn check_person(&mut self) {
        let Some(subject) = self.pick(&self.subjects) else {
            return;
        };
        let path = format!("/v1/subjects/{subject}/check");
        let reply = self
            .standing
            .firm(self.tenant)
            .post(&path, &json!({}))
            .await;
        for one in reply.expect(200)["certificates"]
            .as_array()
            .unwrap()
            .clone()
        {
            if one["status"]["state"] != "unknown" {
                self.counts(&one["handle"]);
            }
        }
    }

    async fn campaign(&mut self) {
        let selector = if self.random(2) == 0 {
            json!("all")
        } else {
            json!({ "refs": ["C-1"] })
        };
        let firm = self.standing.firm(self.tenant);
        let order = firm
            .post("/v1/campaigns", &json!({ "selector": selector }))
            .await;
        if order.status == 400 {
            assert!(selector.is_object(), "nothing is watched under that number");
            return;
        }
        let path = format!(
            "/v1/campaigns/{}",
            order.expect(201)["id"].as_str().unwrap()
        );
        self.standing.run("revocation.campaigns").await;
        let results = firm.get(&format!("{path}/results")).await;
        assert_eq!(results.status, 200);
        for line in String::from_utf8(results.body).unwrap().lines() {
            let fields: Vec<&str> = line.split(',').collect();
            if ["good", "revoked"].contains(&fields[1]) {
                self.counts(&json!(fields[0]));
            }
        }
    }

    async fn lose(&self) {
        let (person, _) = &self.persons[self.random(PERSONS)];
        let path = format!("/sandbox/persons/{person}/events");
        let reply = self
            .standing
            .anyone()
            .post(&path, &json!({ "event": "lose" }))
            .await;
        // Once is all one can lose it.
        assert!(
            reply.status.is_success() || reply.status == 409,
            "{:?}",
            reply.json
        );
    }

    /// What stands on the bill of a month: quantity by channel. Every row says channel, kind and purpose.
    async fn billed(&self, month: BillingMonth) -> BTreeMap<String, u64> {
        let path = format!("/v1/usage?period={month}");
        let usage = self.standing.firm(self.tenant).get(&path).await;
        let mut billed = BTreeMap::new();
        for row in usage.expect(200)["usage"].as_array().unwrap() {
            if row["meter"] != "status_check" {
                continue;
            }
            assert_eq!(row["purpose"], "status_check");
            assert_eq!(row["kind"], "card_signature");
            let channel = row["channel"].as_str().unwrap().to_owned();
            *billed.entry(channel).or_default() += row["quantity"].as_u64().unwrap();
        }
        billed
    }

    async fn settle_the_bill(self) {
        self.standing.settle().await;
        let mut month: BillingMonth = "2026-11".parse().unwrap();
        let mut checked = 0;
        while month <= self.month() {
            let expected = self.expected.iter().filter(|(of, _)| *of == month).count();
            let billed = self.billed(month).await;
            let by_list = billed.get("crl").copied().unwrap_or(0);
            assert_eq!(
                by_list, expected as u64,
                "{month} of schedule {}: {:#?}",
                self.seed, self.said
            );
            checked += expected;
            month = month.next();
        }
        assert!(checked > 0, "schedule {} checked nothing", self.seed);
        self.standing.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f076_a_list_s_checks_count_once_a_certificate_and_month_whoever_makes_them() {
    let _turn = turn().await;
    let seeds =
        std::env::var("SCHEDULE_SEED").map_or(SEEDS.to_vec(), |text| vec![text.parse().unwrap()]);
    for seed in seeds {
        let mut schedule = Schedule::new(seed).await;
        for _ in 0..STEPS {
            schedule.step().await;
        }
        schedule.settle_the_bill().await;
    }
}
