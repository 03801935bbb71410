//! Thirty million entries through the service itself: taken over from a drop folder, and known again after a restart.
//!
//! SQLite, or with `WARIKAN_TEST_DATABASE=postgres` PostgreSQL.

use std::{fs, path::PathBuf, sync::Arc, time::Instant};

use warikan_messaging::Bus;
use warikan_revocation::{Config, Revocation, Source};
use warikan_runtime::{Clocks, Databases, Keys, Platform};
use warikan_testkit::{TestDatabase, on_postgres};
use warikan_types::{Clock, Entropy, Environment};

use crate::{
    folder, memory,
    national::{self, LISTS, place},
    row, scaled,
    write::{self, Day},
};

fn dropped() -> PathBuf {
    folder().join("dropped")
}

fn on_sqlite() -> Databases {
    Databases::SqliteDirectory(folder().join("data"))
}

/// The service over this database, as the one binary opens it.
async fn open(databases: Databases) -> Revocation {
    let entropy = Entropy::seeded(1);
    let clock = Clock::manual(write::now());
    let platform = Platform {
        clocks: Clocks {
            production: clock.clone(),
            sandbox: clock,
        },
        keys: Keys::ephemeral(&entropy),
        entropy,
        bus: Bus::in_process(),
        databases,
    };
    let config = Config {
        sources: vec![Source {
            environment: Environment::Production,
            index_url: url::Url::from_directory_path(dropped())
                .unwrap()
                .to_string(),
        }],
        ..Config::default()
    };
    Revocation::open(config, &platform, Arc::new(national::roots()))
        .await
        .unwrap()
}

async fn ready(service: &Revocation) {
    (service.module().ready)().await.unwrap();
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Runtime::new().unwrap()
}

/// Lays a day's lists into the folder and has them taken over; microseconds.
async fn take_day(service: &Revocation, day: Day) -> u64 {
    let _ = fs::remove_dir_all(dropped());
    fs::create_dir_all(dropped()).unwrap();
    for number in 0..LISTS {
        let name = format!("{number}.crl");
        fs::hard_link(place(day).join(&name), dropped().join(&name)).unwrap();
    }
    let began = Instant::now();
    service.sync(Environment::Production).await.unwrap();
    let took = memory::micros(began);
    let done = fs::read_dir(dropped().join("done")).unwrap().count();
    assert_eq!(done, LISTS, "all were taken over");
    took
}

async fn take_both(databases: Databases) -> Revocation {
    fs::create_dir_all(dropped()).unwrap();
    let service = open(databases).await;
    for (name, day) in [
        ("the first version of each list", Day::Yesterday),
        ("the day's version of each list", Day::Today),
    ] {
        let took = take_day(&service, day).await;
        row(&[name.into(), format!("{} ms", took / 1_000)]);
    }
    service
}

/// From a folder into the database.
pub fn take() {
    national::write();
    println!("{LISTS} lists, {} entries\n", scaled(30_000_000));
    row(&[
        "taken over from a folder, written to the database".into(),
        "time".into(),
    ]);
    row(&["---".into(), "---".into()]);
    runtime().block_on(async {
        if on_postgres() {
            let database = TestDatabase::create();
            let service = take_both(database.databases()).await;
            drop(service);
            let began = Instant::now();
            ready(&open(database.databases()).await).await;
            row(&[
                "opened again, to readiness".into(),
                format!("{} ms", memory::micros(began) / 1_000),
            ]);
        } else {
            let _ = fs::remove_dir_all(folder().join("data"));
            fs::create_dir_all(folder().join("data")).unwrap();
            take_both(on_sqlite()).await;
        }
    });
}

pub fn child() -> (u64, u64) {
    let began = Instant::now();
    let took = runtime().block_on(async {
        let service = open(on_sqlite()).await;
        ready(&service).await;
        memory::micros(began)
    });
    (took, memory::peak())
}

/// What `take` wrote, read by new processes.
pub fn measure() {
    if on_postgres() {
        return println!("`take` opens again over PostgreSQL");
    }
    if !folder().join("data").exists() {
        take();
    }
    row(&[
        "a new process, from its start to readiness".into(),
        "time".into(),
        "peak memory".into(),
    ]);
    row(&["---".into(), "---".into(), "---".into()]);
    for _ in 0..3 {
        let (took, peak) = memory::child(&["restart"]);
        row(&[
            String::new(),
            format!("{} ms", took / 1_000),
            format!("{} MB", peak / 1_000_000),
        ]);
    }
}
