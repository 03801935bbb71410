//! TLS to PostgreSQL: what `sslmode` in the address says is what happens. On a server of the test's own, with certificates made here.

use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::Command,
};

use sea_orm::{ConnectionTrait, Database, DbBackend, Statement};
use warikan::{compose, config::Config};
use warikan_runtime::{DatabaseConfig, DatabaseKind};
use warikan_testkit::on_postgres;
use warikan_types::Secret;

use crate::certificates::{authority_in, certificate, run};

/// A private server that lets nobody in without TLS. Ended and removed with the value.
struct Server {
    directory: tempfile::TempDir,
    programs: PathBuf,
    port: u16,
}

/// PostgreSQL does not run as root; then it is nobody's.
fn unprivileged(program: &Path, arguments: &[&str]) {
    let root = Command::new("id").arg("-u").output().unwrap().stdout == b"0\n";
    if root {
        let mut all = vec!["-u", "nobody", "--", program.to_str().unwrap()];
        all.extend(arguments);
        run("runuser", &all);
    } else {
        run(program, arguments);
    }
}

impl Server {
    fn start() -> Self {
        let programs = fs::read_dir("/usr/lib/postgresql")
            .expect("PostgreSQL's programs, which the tests need");
        let programs = programs
            .map(|one| one.unwrap().path().join("bin"))
            .find(|bin| bin.join("initdb").exists())
            .expect("initdb");
        let directory = tempfile::tempdir().unwrap();
        let here = directory.path();
        let text = |name: &str| here.join(name).to_str().unwrap().to_owned();
        for authority in ["right", "wrong"] {
            authority_in(here, authority);
        }
        certificate(here, "right", "server");
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        // Everything here may be nobody's: it is the test's own.
        run("chmod", &["-R", "a+rwX", &text("")]);
        let data = text("data");
        unprivileged(
            &programs.join("initdb"),
            &[
                "-D",
                &data,
                "-U",
                "owner",
                "--auth=trust",
                "--no-sync",
                "-E",
                "UTF8",
                "--locale=C",
            ],
        );
        let own = |name: &str| {
            let (from, to) = (text(name), format!("{data}/{name}"));
            unprivileged(Path::new("/bin/cp"), &[&from, &to]);
            unprivileged(Path::new("/bin/chmod"), &["600", &to]);
        };
        own("server.pem");
        own("server.key");
        fs::write(
            here.join("hba"),
            "hostssl all all 127.0.0.1/32 trust\nhostssl all all ::1/128 trust\n",
        )
        .unwrap();
        run("chmod", &["a+r", &text("hba")]);
        let options = format!(
            "-p {port} -k {data} -c listen_addresses=127.0.0.1 -c fsync=off -c ssl=on -c ssl_cert_file={data}/server.pem -c ssl_key_file={data}/server.key -c hba_file={}",
            text("hba")
        );
        let server = Self {
            programs,
            port,
            directory,
        };
        unprivileged(
            &server.programs.join("pg_ctl"),
            &[
                "-D",
                &data,
                "-l",
                &format!("{data}/log"),
                "-w",
                "-o",
                &options,
                "start",
            ],
        );
        server
    }

    fn config(&self, host: &str, options: &str) -> Config {
        let place = format!("{host}:{}/postgres?{options}", self.port);
        Config {
            data_dir: self.directory.path().join("warikan-data"),
            database: DatabaseConfig {
                kind: DatabaseKind::Postgres,
                url: Some(format!("postgres://{place}")),
                owner_url: Some(Secret::new(format!("postgres://owner@{place}"))),
                ..DatabaseConfig::default()
            },
            ..Config::default()
        }
    }

    fn root(&self, authority: &str) -> String {
        format!(
            "sslrootcert={}",
            self.directory
                .path()
                .join(format!("{authority}.pem"))
                .display()
        )
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let data = self.directory.path().join("data");
        unprivileged(
            &self.programs.join("pg_ctl"),
            &[
                "-D",
                data.to_str().unwrap(),
                "-m",
                "immediate",
                "-w",
                "stop",
            ],
        );
        // What is nobody's, this user may not be able to remove.
        unprivileged(Path::new("/bin/rm"), &["-rf", data.to_str().unwrap()]);
    }
}

async fn why_not(config: &Config) -> String {
    let refused = compose::migrate(config, |_| {})
        .await
        .expect_err("it was let in");
    let mut words = refused.to_string();
    let mut under = std::error::Error::source(&refused);
    while let Some(error) = under {
        words.push_str(&format!(": {error}"));
        under = error.source();
    }
    words
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_servers_certificate_is_verified_where_the_address_says_so() {
    if !on_postgres() {
        return;
    }
    let server = Server::start();
    let (right, wrong) = (server.root("right"), server.root("wrong"));

    // Another authority's root, another name than the certificate's, and no TLS at all.
    let refused =
        why_not(&server.config("localhost", &format!("sslmode=verify-full&{wrong}"))).await;
    assert!(refused.contains("UnknownIssuer"), "{refused}");
    let refused = why_not(&server.config("localhost", &format!("sslmode=verify-ca&{wrong}"))).await;
    assert!(refused.contains("UnknownIssuer"), "{refused}");
    let refused =
        why_not(&server.config("127.0.0.1", &format!("sslmode=verify-full&{right}"))).await;
    assert!(
        refused.contains("not valid for name") || refused.contains("NotValidForName"),
        "{refused}"
    );
    let refused = why_not(&server.config("localhost", "sslmode=disable")).await;
    assert!(refused.contains("no encryption"), "{refused}");
    // The public roots have not signed this one either.
    let refused = why_not(&server.config("localhost", "sslmode=verify-full")).await;
    assert!(refused.contains("UnknownIssuer"), "{refused}");

    let mut config = server.config("localhost", &format!("sslmode=verify-full&{right}"));
    compose::migrate(&config, |_| {}).await.unwrap();
    config.database.owner_url = None;
    let nowhere = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
    let house = compose::open(&config, compose::clocks(), nowhere)
        .await
        .unwrap();
    for module in &house.modules {
        (module.ready)().await.ok();
    }
    // Every connection of the platform's roles, as the server itself sees them.
    let place = format!(
        "postgres://owner@localhost:{}/postgres?sslmode=require",
        server.port
    );
    let owner = Database::connect(place).await.unwrap();
    let ask = "SELECT count(*) FILTER (WHERE s.ssl), count(*) FROM pg_stat_activity a JOIN pg_stat_ssl s USING (pid)
                WHERE a.usename LIKE 'warikan\\_%'";
    let row = owner
        .query_one_raw(Statement::from_string(DbBackend::Postgres, ask))
        .await
        .unwrap()
        .unwrap();
    let (encrypted, all): (i64, i64) = (
        row.try_get_by_index(0).unwrap(),
        row.try_get_by_index(1).unwrap(),
    );
    assert!(
        all >= 12 && encrypted == all,
        "{encrypted} of {all} connections are encrypted"
    );
    owner.close().await.unwrap();
    drop(house);
}
