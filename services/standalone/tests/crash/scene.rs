//! An installation that is put back to the same state before every walk.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use sea_orm::{ConnectOptions, ConnectionTrait, Database, DbBackend, Statement};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::mpsc;
use warikan_testkit::WebhookSink;

use super::{
    Point, child,
    stories::{Before, Story},
    support::{Caller, PATIENCE, caller::and, split::free, until},
};

/// Customers that are watched before the story begins.
const WATCHED: usize = 3;
/// How long after the death the next process begins.
const LATER: u64 = 60;

pub struct Scene {
    directory: TempDir,
    /// Where the platform is, where the client's way in begins, and where the webhooks' way out does.
    platform: String,
    front: String,
    sink: WebhookSink,
    out: String,
    before: Before,
}

/// A platform under way.
struct Platform {
    child: Child,
    lines: mpsc::UnboundedReceiver<String>,
}

impl Platform {
    async fn says(&mut self, words: &str) {
        let heard = async {
            while let Some(line) = self.lines.recv().await {
                if line == words {
                    return;
                }
            }
            panic!("it ended before it said: {words}")
        };
        tokio::time::timeout(PATIENCE, heard)
            .await
            .unwrap_or_else(|_| panic!("it does not say: {words}"));
    }

    /// From the first quiet moment on its steps count.
    async fn count(&mut self) {
        self.child
            .stdin
            .as_mut()
            .unwrap()
            .write_all(b"count\n")
            .unwrap();
        self.says(child::COUNTS).await;
    }

    fn is_dead(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Lets it finish what is under way.
    async fn stop(mut self) {
        drop(self.child.stdin.take());
        let begun = Instant::now();
        while !self.is_dead() {
            assert!(begun.elapsed() < PATIENCE, "it does not stop");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

impl Drop for Platform {
    fn drop(&mut self) {
        // Both fail where the process has ended already, which is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Scene {
    /// A tenant with an endpoint for everything, watched customers, and one who has signed and not been verified.
    pub async fn prepare() -> Self {
        let mut scene = Self {
            directory: tempfile::tempdir().unwrap(),
            platform: free(),
            front: free(),
            sink: WebhookSink::start().await,
            out: free(),
            before: Before::default(),
        };
        let config = format!(
            "data_dir = {:?}\nlisten = \"{}\"\n[revocation]\nsync_period_seconds = 1\n\
             [webhooks]\nallow_loopback_http = true\ntimeout_seconds = 2\nlease_seconds = 3\n",
            scene.path("data"),
            scene.platform
        );
        fs::write(scene.path("config.toml"), config).unwrap();
        let platform = scene.start(None, 0).await;
        let anyone = Caller::anyone(&scene.base());
        let credential = fs::read(scene.path("data").join("operator-credential.json")).unwrap();
        let operator = anyone
            .with(&serde_json::from_slice(&credential).unwrap())
            .await;
        let tenant = operator.take_on("割勘証券株式会社").await;
        let path = format!("/v1/operator/tenants/{tenant}/credentials");
        let credential = operator
            .post(&path, &json!({ "environment": "sandbox" }))
            .await;
        let credential = credential.expect(201).clone();
        let firm = anyone.with(&credential).await;
        let endpoint = json!({ "url": format!("http://{}/hook", scene.out) });
        firm.post("/v1/webhook-endpoints", &endpoint)
            .await
            .expect(201);
        let mut people = anyone.population(WATCHED + 1).await;
        let (newcomer, _) = people.pop().unwrap();
        let body = anyone.sign(&newcomer, "口座開設申込書").await;
        for (person, _) in &people {
            let signed = anyone.sign(person, "口座開設申込書").await;
            let answer = until("a valid verdict", async || {
                let reply = firm
                    .keyed(
                        "/v1/verifications",
                        person,
                        &and(&signed, json!({ "watch": true, "subject_ref": person })),
                    )
                    .send()
                    .await;
                reply.ok()?.json::<Value>().await.ok()
            })
            .await;
            assert_eq!(answer["verdict"], "valid", "{answer}");
        }
        scene.at_rest().await;
        let revoked = people[0].0.clone();
        scene.before = Before::of(
            &firm,
            credential,
            and(&body, json!({ "watch": true })),
            revoked,
        )
        .await;
        platform.stop().await;
        copy(&scene.path("data"), &scene.path("kept"));
        scene
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn base(&self) -> String {
        format!("http://{}", self.platform)
    }

    async fn start(&self, at: Option<&Point>, ahead: u64) -> Platform {
        let at = at.map_or_else(String::new, |(name, number)| format!("{name}#{number}"));
        let sink = self.sink.url.trim_start_matches("http://");
        let ways = format!(
            "{}>{} {}>{}",
            self.front,
            self.platform,
            self.out,
            sink.trim_end_matches("/hook")
        );
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(self.path("log"))
            .unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "platform", "--ignored", "--nocapture"])
            .env(child::CONFIG, self.path("config.toml"))
            .env(child::STEPS, self.path("steps"))
            .env(child::AT, at)
            .env(child::AHEAD, ahead.to_string())
            .env(child::WAYS, ways)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let stdout = child.stdout.take().unwrap();
        let (sender, lines) = mpsc::unbounded_channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                // Read on after the test lost interest: a full pipe would stop the process.
                let _ = sender.send(line);
            }
        });
        let mut platform = Platform { child, lines };
        platform.says(child::SERVES).await;
        let anyone = Caller::anyone(&self.base());
        until("the platform to be ready", async || {
            let reply = anyone.get("/health/ready").await;
            (reply.status == 200).then_some(())
        })
        .await;
        platform
    }

    /// Walks the story with a death before a point, or without one. Gives the steps until then, and whether it died.
    pub async fn walk(&mut self, story: &Story, at: Option<&Point>) -> (Vec<String>, bool) {
        let data = self.path("data");
        fs::remove_dir_all(&data).unwrap();
        copy(&self.path("kept"), &data);
        let arrived = self.sink.received().len();
        let mut platform = self.start(at, 0).await;
        let firm = self.firm().await;
        platform.count().await;
        let first = (story.act)(&firm.at(&format!("http://{}", self.front)), &self.before).await;
        let begun = Instant::now();
        let died = loop {
            if platform.is_dead() {
                break true;
            }
            if first.is_some() && self.unfinished().await == 0 {
                break platform.is_dead();
            }
            assert!(begun.elapsed() < PATIENCE, "{at:?}: neither rest nor death");
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        drop(platform);
        let steps = fs::read_to_string(self.path("steps")).unwrap();
        let steps = steps.lines().map(str::to_owned).collect();
        self.lists_are_whole(at).await;

        let platform = self.start(None, LATER).await;
        let answer = until("the story to be told to its end", async || {
            (story.act)(&firm, &self.before).await
        })
        .await;
        if let Some(first) = first {
            assert_eq!(answer, first, "{at:?}: another answer than before");
        }
        self.at_rest().await;
        let received = self.sink.received();
        let hooks = received[arrived..]
            .iter()
            .map(|one| one.header("webhook-id").unwrap().to_owned())
            .collect();
        let what = format!("{} with a death before {at:?}", story.title);
        (story.judge)(&firm, &self.before, &answer, hooks, &what).await;
        drop(platform);
        (steps, died)
    }

    /// With a token of now.
    async fn firm(&self) -> Caller {
        Caller::anyone(&self.base())
            .with(&self.before.credential)
            .await
    }

    async fn at_rest(&self) {
        until("the platform to come to rest", async || {
            (self.unfinished().await == 0).then_some(())
        })
        .await;
    }

    /// Facts that are not told, lists that are not joined, watches that are not metered, deliveries that have not arrived. Looked at in
    /// the order in which one makes the next: what moves on meanwhile is met again further down.
    async fn unfinished(&self) -> i64 {
        const WAITING: &str = "SELECT count(*) FROM outbox WHERE sent_at IS NULL";
        const UNJOINED: &str = "SELECT count(*) FROM crl_partition WHERE flagged_through < seq";
        const UNMETERED: &str = "SELECT count(*) FROM watch WHERE metered_month = ''";
        const PENDING: &str = "SELECT count(*) FROM delivery WHERE state = 'pending'";
        let mut sum = 0;
        for (service, what) in [
            ("sandbox", WAITING),
            ("onboarding", WAITING),
            ("verification", WAITING),
            ("revocation", UNJOINED),
            ("revocation", UNMETERED),
            ("revocation", WAITING),
            ("webhooks", WAITING),
            ("webhooks", PENDING),
        ] {
            sum += self.ask(service, what).await;
        }
        sum
    }

    /// F046: what a dead process leaves of a list is the whole of one version.
    async fn lists_are_whole(&self, at: Option<&Point>) {
        const PIECES: &str = "SELECT count(*) FROM crl_snapshot AS s WHERE s.octets <> \
             (SELECT coalesce(sum(length(p.octets)), 0) FROM crl_snapshot_part AS p \
             WHERE p.partition_id = s.partition_id AND p.form = s.form AND p.seq = s.seq)";
        const VERSIONS: &str = "SELECT count(*) FROM crl_partition AS l WHERE NOT EXISTS \
             (SELECT 1 FROM crl_version AS v WHERE v.partition_id = l.id AND v.seq = l.seq) OR NOT EXISTS \
             (SELECT 1 FROM crl_snapshot AS s WHERE s.partition_id = l.id AND s.form = 'whole' AND s.seq = l.whole_seq)";
        for torn in [PIECES, VERSIONS] {
            assert_eq!(self.ask("revocation", torn).await, 0, "{at:?}: a torn list");
        }
        let lists = self
            .ask("revocation", "SELECT count(*) FROM crl_partition")
            .await;
        assert!(lists > 0, "{at:?}: no lists");
    }

    /// A number from a service's file, whoever else has it open.
    async fn ask(&self, service: &str, sql: &str) -> i64 {
        let path = self.path("data").join(format!("{service}.sqlite"));
        let mut options = ConnectOptions::new(format!("sqlite://{}", path.display()));
        options.max_connections(1).sqlx_logging(false);
        let db = Database::connect(options).await.unwrap();
        let statement = Statement::from_string(DbBackend::Sqlite, sql);
        let row = db.query_one_raw(statement).await.unwrap().unwrap();
        let number = row.try_get_by_index(0).unwrap();
        db.close().await.unwrap();
        number
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}
