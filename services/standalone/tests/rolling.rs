//! Every process is exchanged under load, one after the other, and no request fails: two replicas of each service behind two gateways,
//! over PostgreSQL and RabbitMQ. Meanwhile the schema is migrated, as far as a release may go beyond the one before. (The sandbox is one process by design, and no customer's request needs it.)
//!
//! A request fails where it is not answered with what it asks for. A client has the addresses of both gateways, as a load balancer's
//! clients do, and uses the other where one does not take its connection or breaks it.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test stops where it cannot go on, and its figures are its result"
)]

mod support;

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use reqwest::Method;
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use serde_json::{Value, json};
use support::{
    Caller, Split,
    broker::{Broker, configuration, configuration_without_owner},
    caller::and,
    split::{SERVICES, second},
    until,
};
use tokio::task::JoinSet;
use warikan_testkit::{TestDatabase, on_postgres};
use warikan_types::{BillingMonth, Clock};

/// Two dozen processes at once would be more than a PostgreSQL of the usual size lets in.
static ONE_AT_A_TIME: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
/// One request each so often, whatever became of the ones before.
const PERIOD: Duration = Duration::from_millis(40);
/// All but the sandbox.
const TWICE: [&str; 5] = [
    "revocation",
    "onboarding",
    "verification",
    "webhooks",
    "billing",
];

/// A client of two gateways.
struct Client {
    gateways: [Caller; 2],
    /// The same, without a token.
    strangers: [Caller; 2],
    credential: Value,
    body: Value,
    usage: String,
    answered: AtomicUsize,
    /// Requests that went to the other gateway.
    elsewhere: AtomicUsize,
    failed: Mutex<Vec<String>>,
    /// Verifications by key: each must be there once.
    ids: Mutex<BTreeSet<String>>,
    slowest: Mutex<Duration>,
    enough: AtomicBool,
}

impl Client {
    /// The kinds of requests in turn: each service is asked.
    fn request(&self, number: usize, gateway: usize) -> reqwest::RequestBuilder {
        let caller = &self.gateways[gateway];
        let get = |path: &str| caller.request(Method::GET, path);
        match number % 7 {
            0 | 3 => caller.keyed("/v1/verifications", &format!("key-{number}"), &self.body),
            1 => get("/v1/watches?limit=1"),
            2 => get("/v1/events?limit=1"),
            4 => get(&self.usage),
            5 => get("/v1/verifications?limit=1"),
            _ => {
                let text = |name: &str| self.credential[name].as_str().unwrap().to_owned();
                self.strangers[gateway]
                    .request(Method::POST, "/oauth/token")
                    .basic_auth(text("client_id"), Some(text("client_secret")))
                    .header("content-type", "application/x-www-form-urlencoded")
                    .body("grant_type=client_credentials")
            }
        }
    }

    async fn send(&self, number: usize) {
        let began = Instant::now();
        let mut why = String::new();
        for attempt in 0..2 {
            let request = self.request(number, (number + attempt) % 2);
            let answer = match request.send().await {
                Ok(response) => {
                    let status = response.status().as_u16();
                    response.json::<Value>().await.map(|json| (status, json))
                }
                Err(error) => Err(error),
            };
            match answer {
                Ok((200 | 201, answer)) => return self.take(&answer, began),
                Ok((status, answer)) => {
                    why = format!("{status} {answer}");
                    break;
                }
                Err(error) => {
                    self.elsewhere.fetch_add(1, Ordering::Relaxed);
                    why = format!("{error:?}");
                }
            }
        }
        self.failed.lock().unwrap().push(format!("{number}: {why}"));
    }

    fn take(&self, answer: &Value, began: Instant) {
        self.answered.fetch_add(1, Ordering::Relaxed);
        let mut slowest = self.slowest.lock().unwrap();
        *slowest = slowest.max(began.elapsed());
        if let Some(verdict) = answer.get("verdict") {
            if verdict == "valid" {
                let id = answer["id"].as_str().unwrap().to_owned();
                self.ids.lock().unwrap().insert(id);
            } else {
                self.failed.lock().unwrap().push(answer.to_string());
            }
        }
    }

    async fn load(self: Arc<Self>) {
        let mut requests = JoinSet::new();
        let mut rhythm = tokio::time::interval(PERIOD);
        for number in 0.. {
            rhythm.tick().await;
            if self.enough.load(Ordering::Acquire) {
                break;
            }
            let this = Arc::clone(&self);
            requests.spawn(async move { this.send(number).await });
        }
        requests.join_all().await;
    }

    async fn goes_on(&self) {
        let before = self.answered.load(Ordering::Relaxed);
        until("the load to go on", async || {
            (self.answered.load(Ordering::Relaxed) >= before + 15).then_some(())
        })
        .await;
    }
}

/// Every replica is ready, as a gateway sees it.
async fn whole(gateway: &Caller) {
    until("every replica to be ready", async || {
        let reply = gateway.get("/health/ready").await;
        let services = reply.json["services"].as_array()?.clone();
        let partly = |one: &Value| {
            let note = one["note"].as_str().unwrap_or_default();
            note.contains("replicas ready")
        };
        (reply.status == 200 && !services.iter().any(partly)).then_some(())
    })
    .await;
}

/// A tenant with a citizen's signature, before both gateways; and how many verifications it has.
async fn client(split: &Split) -> (Arc<Client>, Caller, usize) {
    let operator = split.operator().await;
    let tenant = operator.take_on("割勘証券株式会社").await;
    let path = format!("/v1/operator/tenants/{tenant}/credentials");
    let wish = json!({ "environment": "sandbox" });
    let credential = operator.post(&path, &wish).await.expect(201).clone();
    let firm = split.anyone().with(&credential).await;
    let anyone = split.anyone();
    let person = anyone.person(&json!({})).await;
    let body = anyone.sign(&person, "口座開設申込書").await;
    until("a valid verdict of both replicas", async || {
        for _ in 0..4 {
            if firm.verify(&body).await["verdict"] != "valid" {
                return None;
            }
        }
        Some(())
    })
    .await;
    let before = firm.all("/v1/verifications").await.len();
    let bases = ["gateway", "gateway#2"].map(|one| split.process(one).base.clone());
    let client = Client {
        gateways: [firm.at(&bases[0]), firm.at(&bases[1])],
        strangers: [anyone.at(&bases[0]), anyone.at(&bases[1])],
        credential,
        body: and(&body, json!({ "watch": true })),
        usage: format!(
            "/v1/usage?period={}",
            BillingMonth::of(Clock::system().now())
        ),
        answered: AtomicUsize::new(0),
        elsewhere: AtomicUsize::new(0),
        failed: Mutex::default(),
        ids: Mutex::default(),
        slowest: Mutex::default(),
        enough: AtomicBool::new(false),
    };
    (Arc::new(client), firm, before)
}

/// What a release may do to the schema of the one before (`f089_programs_of_the_last_release..` in `structure/schema`): another column in
/// every table, another table, and the note that it was migrated. While everybody works.
async fn migrate_to_the_next_release(database: &TestDatabase) {
    for service in SERVICES {
        let owner = database.connect(service).await;
        let of = "SELECT table_name::text FROM information_schema.tables WHERE table_schema = current_schema()";
        let rows = owner
            .query_all_raw(Statement::from_string(DbBackend::Postgres, of))
            .await
            .unwrap();
        let mut statements = vec![
            "CREATE TABLE of_the_next_release (id bigint PRIMARY KEY)".to_owned(),
            "INSERT INTO seaql_migrations VALUES ('m9999_of_the_next_release', 0)".to_owned(),
        ];
        for row in rows {
            let table: String = row.try_get_by_index(0).unwrap();
            if table != "seaql_migrations" {
                let more = "ADD COLUMN of_the_next_release bigint NOT NULL DEFAULT 7";
                statements.push(format!("ALTER TABLE {table} {more}"));
            }
        }
        for sql in statements {
            owner.execute_unprepared(&sql).await.unwrap();
        }
        owner.close().await.unwrap();
    }
}

/// Two replicas of each service behind two gateways, of which none may migrate where `owner` is false; all ready.
async fn everybody(broker: &Broker, owner: bool) -> (Split, TestDatabase) {
    let (config, database) = if owner {
        let (config, database) = configuration(broker);
        (config, database.unwrap())
    } else {
        let database = TestDatabase::create();
        (configuration_without_owner(broker, &database), database)
    };
    let mut split = Split::with_replicas(&config, &TWICE);
    if !owner {
        split.migrate(&database.address());
    }
    split.start_all(&SERVICES).await;
    for role in TWICE {
        split.start(&second(role)).await;
    }
    for gateway in ["gateway", "gateway#2"] {
        split.start(gateway).await;
    }
    split.ready().await;
    (split, database)
}

/// No request failed, and each verification is there once.
async fn nothing_failed(client: &Client, firm: &Caller, before: usize) {
    let failed = client.failed.lock().unwrap().clone();
    println!(
        "{} requests answered, {} of them by the other gateway, failed {}, slowest {:.1?}",
        client.answered.load(Ordering::Relaxed),
        client.elsewhere.load(Ordering::Relaxed),
        failed.len(),
        client.slowest.lock().unwrap(),
    );
    assert!(failed.is_empty(), "{failed:#?}");
    let stored = firm.all("/v1/verifications").await;
    let ids = client.ids.lock().unwrap().clone();
    assert_eq!(stored.len(), before + ids.len(), "each key once");
    let kept: BTreeSet<&str> = stored
        .iter()
        .map(|one| one["id"].as_str().unwrap())
        .collect();
    assert!(ids.iter().all(|id| kept.contains(id.as_str())));
}

async fn restart(split: &mut Split, client: &Client, process: &str) {
    client.goes_on().await;
    split.stop(process).await;
    client.goes_on().await;
    split.start(process).await;
    whole(&client.gateways[0]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f089_f091_every_process_is_restarted_under_load_and_no_request_fails() {
    if !on_postgres() {
        eprintln!("left out: replicas share a PostgreSQL (WARIKAN_TEST_DATABASE=postgres)");
        return;
    }
    let _alone = ONE_AT_A_TIME.lock().await;
    let Some(broker) = Broker::find("rolling").await else {
        return;
    };
    let (mut split, database) = everybody(&broker, true).await;
    let (client, firm, before) = client(&split).await;
    let loading = tokio::spawn(Arc::clone(&client).load());
    client.goes_on().await;
    // From here on every process is one of the release before, on the schema of the next.
    migrate_to_the_next_release(&database).await;
    for role in TWICE.into_iter().chain(["gateway"]) {
        for process in [role.to_owned(), second(role)] {
            restart(&mut split, &client, &process).await;
        }
    }
    client.goes_on().await;
    client.enough.store(true, Ordering::Release);
    loading.await.unwrap();
    nothing_failed(&client, &firm, before).await;
    split.stop_all().await;
    broker.clear().await;
    drop(database);
}

/// From the point of view of a program that starts now the schema is that of the release before: it lacks every service's last migration. Gives
/// what to note when that has been carried out.
async fn lack_the_last_migrations(database: &TestDatabase) -> Vec<(&'static str, String)> {
    let mut lacking = Vec::new();
    for service in SERVICES {
        let owner = database.connect(service).await;
        let last = "DELETE FROM seaql_migrations WHERE version = (SELECT max(version) FROM seaql_migrations) RETURNING version";
        let row = owner
            .query_one_raw(Statement::from_string(DbBackend::Postgres, last))
            .await
            .unwrap();
        lacking.push((service, row.unwrap().try_get_by_index(0).unwrap()));
        owner.close().await.unwrap();
    }
    lacking
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f089_programs_before_their_schema_wait_beside_the_old_ones_and_no_request_fails() {
    if !on_postgres() {
        eprintln!("left out: replicas share a PostgreSQL (WARIKAN_TEST_DATABASE=postgres)");
        return;
    }
    let _alone = ONE_AT_A_TIME.lock().await;
    let Some(broker) = Broker::find("programs-first").await else {
        return;
    };
    let (mut split, database) = everybody(&broker, false).await;
    let (client, firm, before) = client(&split).await;
    let loading = tokio::spawn(Arc::clone(&client).load());
    client.goes_on().await;
    let lacking = lack_the_last_migrations(&database).await;
    // The first replica of each service is exchanged, and waits: the rollout stops here, and the old ones serve.
    for role in TWICE {
        client.goes_on().await;
        split.stop(role).await;
        split.start_waiting(role).await;
        let said = split.process(role).line("warikan waits").to_owned();
        assert!(said.contains("lacks migrations"), "{said}");
    }
    client.goes_on().await;
    migrate_to_the_next_release(&database).await;
    for (service, version) in lacking {
        let owner = database.connect(service).await;
        let note = format!("INSERT INTO seaql_migrations VALUES ('{version}', 0)");
        owner.execute_unprepared(&note).await.unwrap();
        owner.close().await.unwrap();
    }
    // They serve by themselves; then the second ones are exchanged, and then, back to the release before, all of them.
    whole(&client.gateways[0]).await;
    for role in TWICE {
        restart(&mut split, &client, &second(role)).await;
    }
    for role in TWICE {
        for process in [role.to_owned(), second(role)] {
            restart(&mut split, &client, &process).await;
        }
    }
    client.goes_on().await;
    client.enough.store(true, Ordering::Release);
    loading.await.unwrap();
    nothing_failed(&client, &firm, before).await;
    split.stop_all().await;
    broker.clear().await;
    drop(database);
}
