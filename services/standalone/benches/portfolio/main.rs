//! Ten million watched certificates of 1,300 tenants against the day's list: found, flagged, told, and in the tenants' feeds.
//!
//! SQLite, or with `WARIKAN_TEST_DATABASE=postgres` PostgreSQL. Revocation and webhooks are opened as the one binary opens them. The lists
//! are those of revocation's own bench (`services/revocation/BENCH.md`), in the same folder.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    dead_code,
    reason = "a bench prints, stops where something fails, and uses a part of the other bench's modules"
)]

#[path = "../../../revocation/benches/ingest/common.rs"]
mod common;
#[path = "../../../revocation/benches/ingest/machine.rs"]
mod machine;
#[path = "../../../revocation/benches/ingest/memory.rs"]
mod memory;
#[path = "../../../revocation/benches/ingest/single.rs"]
mod single;
#[path = "../../../revocation/benches/ingest/write.rs"]
mod write;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
    sync::Arc,
    time::Instant,
};

use common::{folder, hundredths, row, scaled};
use sea_orm::{ConnectionTrait, Database, DatabaseConnection, DbBackend, Statement};
use single::{ENTRIES, SERIES, place};
use uuid::Uuid;
use warikan_messaging::Bus;
use warikan_revocation::{Config, Revocation, Source, measured};
use warikan_runtime::{Clocks, Databases, Keys, Platform};
use warikan_testkit::{TestDatabase, on_postgres};
use warikan_types::{Clock, Entropy, Environment};
use warikan_webhooks::Webhooks;
use write::Day;

/// The one binary's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const WATCHES: u64 = 10_000_000;
const TENANTS: u64 = 1_300;
/// One in eight serials is watched.
const SPARSE: u64 = 8;

/// The serial of the watch with this number, as the SQL below has it.
fn watched(number: u64) -> u64 {
    SERIES.first + number * SPARSE + number * 2_654_435_761 % SPARSE
}

struct House {
    platform: Platform,
    postgres: Option<TestDatabase>,
    place: PathBuf,
}

impl House {
    fn new() -> Self {
        let place = folder().join("portfolio");
        let _ = fs::remove_dir_all(&place);
        fs::create_dir_all(place.join("dropped")).unwrap();
        let entropy = Entropy::seeded(1);
        let clock = Clock::manual(write::now());
        let postgres = on_postgres().then(TestDatabase::create);
        let platform = Platform {
            clocks: Clocks {
                production: clock.clone(),
                sandbox: clock,
            },
            keys: Keys::ephemeral(&entropy),
            entropy,
            bus: Bus::in_process(),
            databases: match &postgres {
                Some(database) => database.databases(),
                None => Databases::SqliteDirectory(place.clone()),
            },
        };
        Self {
            platform,
            postgres,
            place,
        }
    }

    async fn service(&self) -> Revocation {
        let config = Config {
            sources: vec![Source {
                environment: Environment::Production,
                index_url: url::Url::from_directory_path(self.place.join("dropped"))
                    .unwrap()
                    .to_string(),
            }],
            ..Config::default()
        };
        Revocation::open(config, &self.platform, Arc::new(single::anchors()))
            .await
            .unwrap()
    }

    async fn rows(&self, service: &str) -> DatabaseConnection {
        match &self.postgres {
            Some(database) => database.connect(service).await,
            None => {
                let file = self.place.join(format!("{service}.sqlite"));
                let url = format!("sqlite://{}", file.display());
                Database::connect(url).await.unwrap()
            }
        }
    }

    async fn take(&self, service: &Revocation, name: &str) {
        let to = self.place.join("dropped").join(format!("{name}.crl"));
        fs::hard_link(place(&format!("{name}.crl")), to).unwrap();
        service.sync(Environment::Production).await.unwrap();
        assert!(self.place.join(format!("dropped/done/{name}.crl")).exists());
    }
}

/// Rows as the service would have written them one by one. The indexes are made when all are there, or it would take an hour.
async fn watch_all(db: &DatabaseConnection) {
    let sqlite = db.get_database_backend() == DbBackend::Sqlite;
    let listed = if sqlite {
        "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name = 'watch' AND sql IS NOT NULL"
    } else {
        "SELECT indexname::text AS name, indexdef AS sql FROM pg_indexes WHERE tablename = 'watch' AND indexname NOT LIKE '%pkey'"
    };
    let backend = db.get_database_backend();
    let indexes = db
        .query_all_raw(Statement::from_string(backend, listed))
        .await
        .unwrap();
    let indexes: Vec<(String, String)> = indexes
        .iter()
        .map(|one| {
            (
                one.try_get("", "name").unwrap(),
                one.try_get("", "sql").unwrap(),
            )
        })
        .collect();
    for (name, _) in &indexes {
        run(db, &format!("DROP INDEX {name}")).await;
    }
    let issuer = text(db, "SELECT issuer AS t FROM crl_partition").await;
    let at = if sqlite {
        "'2030-01-01T00:00:00+00:00'"
    } else {
        "'2030-01-01T00:00:00Z'::timestamptz"
    };
    let number = format!(
        "{} + k * {SPARSE} + k * 2654435761 % {SPARSE}",
        SERIES.first
    );
    let (id, tenant, serial, series) = if sqlite {
        (
            "unhex(printf('%032x', k + 1099511627776))".to_owned(),
            format!("unhex(printf('%032x', k % {TENANTS} + 1))"),
            format!("unhex(printf('%08x', {number}))"),
            "(WITH RECURSIVE s(k) AS (SELECT 0 UNION ALL SELECT k + 1 FROM s WHERE k + 1 < {n}) SELECT k FROM s) AS s",
        )
    } else {
        (
            "lpad(to_hex(k + 1099511627776), 32, '0')::uuid".to_owned(),
            format!("lpad(to_hex(k % {TENANTS} + 1), 32, '0')::uuid"),
            format!("decode(lpad(to_hex({number}), 8, '0'), 'hex')"),
            "generate_series(0::bigint, {n}::bigint - 1) AS s(k)",
        )
    };
    let handle = if sqlite {
        "randomblob(16)"
    } else {
        "gen_random_uuid()"
    };
    let series = series.replace("{n}", &scaled(WATCHES).to_string());
    run(
        db,
        &format!(
            "INSERT INTO watch (id, tenant, environment, issuer, serial, partition, kind, not_after, handle, created_at, metered_month) \
             SELECT {id}, {tenant}, 'production', '{issuer}', {serial}, 'all', 'card_signature', {at}, {handle}, {at}, '2026-11' FROM {series}"
        ),
    )
    .await;
    for (_, sql) in &indexes {
        run(db, sql).await;
    }
    run(db, "ANALYZE").await;
}

async fn run(db: &DatabaseConnection, sql: &str) {
    db.execute_unprepared(sql).await.unwrap();
}

async fn text(db: &DatabaseConnection, sql: &str) -> String {
    let statement = Statement::from_string(db.get_database_backend(), sql);
    let found = db.query_one_raw(statement).await.unwrap().unwrap();
    found.try_get("", "t").unwrap()
}

/// What a naive checker finds: every watch asked whether its certificate was newly revoked.
fn naive() -> BTreeSet<u64> {
    let newly: BTreeSet<u64> = (0..scaled(ENTRIES))
        .filter(|one| SERIES.is_named(*one, Day::Today) && !SERIES.is_named(*one, Day::Yesterday))
        .map(|one| SERIES.serial(one))
        .collect();
    (0..scaled(WATCHES))
        .map(watched)
        .filter(|serial| newly.contains(serial))
        .collect()
}

/// The serials of flagged watches.
async fn flagged(db: &DatabaseConnection) -> BTreeSet<u64> {
    let sql = "SELECT serial FROM watch WHERE flagged_at IS NOT NULL";
    let statement = Statement::from_string(db.get_database_backend(), sql);
    let rows = db.query_all_raw(statement).await.unwrap();
    rows.iter()
        .map(|one| {
            let octets: Vec<u8> = one.try_get("", "serial").unwrap();
            octets
                .iter()
                .fold(0, |sum, one| (sum << 8) | u64::from(*one))
        })
        .collect()
}

/// Events in all feeds.
async fn feed_events(db: &DatabaseConnection) -> u64 {
    of_tenants(db).await.values().sum()
}

/// How many revocations each tenant's feed tells of.
async fn of_tenants(db: &DatabaseConnection) -> BTreeMap<Uuid, u64> {
    let sql = "SELECT tenant, count(*) AS n FROM feed_event WHERE event_type = 'certificate.revoked' GROUP BY tenant";
    let statement = Statement::from_string(db.get_database_backend(), sql);
    let rows = db.query_all_raw(statement).await.unwrap();
    rows.iter()
        .map(|one| {
            let count: i64 = one.try_get("", "n").unwrap();
            (one.try_get("", "tenant").unwrap(), count as u64)
        })
        .collect()
}

/// The same, as it has to be.
fn by_tenant(serials: &BTreeSet<u64>) -> BTreeMap<Uuid, u64> {
    let mut count = BTreeMap::new();
    for number in 0..scaled(WATCHES) {
        if serials.contains(&watched(number)) {
            let tenant = Uuid::from_u128(u128::from(number % TENANTS + 1));
            *count.entry(tenant).or_default() += 1;
        }
    }
    count
}

fn main() {
    machine::tell();
    println!(
        "lists in {}, 1 in {} of everything\n",
        folder().display(),
        common::scale()
    );
    single::write();
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let house = House::new();
        let service = house.service().await;
        let feeds = Webhooks::open(warikan_webhooks::Config::default(), &house.platform)
            .await
            .unwrap();
        house.platform.bus.connect(feeds.module().consumers);
        house.take(&service, "yesterday").await;
        measured::flag(&service).await.unwrap();
        let db = house.rows("revocation").await;
        let feed = house.rows("webhooks").await;
        let began = Instant::now();
        watch_all(&db).await;
        println!(
            "{} watches written in {} s",
            scaled(WATCHES),
            memory::micros(began) / 1_000_000
        );
        row(&["".into(), "time".into()]);
        row(&["---".into(), "---".into()]);
        let began = Instant::now();
        house.take(&service, "today").await;
        say("the day's list taken over", began);
        let began = Instant::now();
        let (entries, found) = measured::find(&service).await.unwrap();
        say(
            &format!("{entries} newly named entries looked up among the watches: {found} found"),
            began,
        );
        let (entries, found) = measured::find(&service).await.unwrap();
        say(
            &format!("the same again: {entries} entries, {found} found"),
            began,
        );
        let changed = Instant::now();
        let began = Instant::now();
        let written = measured::flag(&service).await.unwrap();
        say(&format!("{written} flags and facts written"), began);
        let began = Instant::now();
        let module = service.module();
        let relay = module
            .tasks
            .iter()
            .find(|task| task.name() == "revocation.relay")
            .unwrap();
        while feed_events(&feed).await < written {
            relay.run_once().await.unwrap();
        }
        say("... published, and in the feeds of their tenants", began);
        say("from the list in force to the last feed", changed);
        let began = Instant::now();
        let expected = naive();
        assert_eq!(flagged(&db).await, expected, "as a naive checker has it");
        assert_eq!(written as usize, expected.len());
        assert_eq!(of_tenants(&feed).await, by_tenant(&expected));
        say("the naive checker agrees", began);
    });
}

fn say(what: &str, began: Instant) {
    row(&[what.into(), format!("{} ms", memory::micros(began) / 1_000)]);
}
