//! What `warikan doctor` says of PostgreSQL, one broken installation after the other.

use std::{net::SocketAddr, time::Duration};

use sea_orm::ConnectionTrait;
use warikan::{
    compose::{self, Role},
    config::Config,
    doctor::{self, Level},
};
use warikan_testkit::{TestDatabase, on_postgres};
use warikan_types::Clock;

/// An installation with roles of its own, because roles are the whole server's.
struct Scene {
    database: TestDatabase,
    config: Config,
    prefix: String,
    _directory: tempfile::TempDir,
}

impl Scene {
    fn new() -> Self {
        let database = TestDatabase::create();
        let directory = tempfile::tempdir().unwrap();
        let prefix = format!("warikan_doctor_{}", std::process::id());
        let mut config = Config {
            data_dir: directory.path().to_owned(),
            database: database.config(),
            ..Config::default()
        };
        config.database.role_prefix = prefix.clone();
        Self {
            database,
            config,
            prefix,
            _directory: directory,
        }
    }

    /// What is wrong with onboarding by this clock.
    async fn wrong(&self, clock: &Clock) -> Vec<String> {
        let report = doctor::examine(&self.config, Role::Onboarding, clock).await;
        let mut said = Vec::new();
        report.write(false, &mut said).unwrap();
        let said = String::from_utf8(said).unwrap();
        assert!(!said.contains("warikan-test"), "a password: {said}");
        let wrong = report
            .findings()
            .iter()
            .filter(|one| one.level == Level::Wrong);
        // A process of its own wants a broker, and here is none.
        let wrong = wrong.filter(|one| one.about != "broker");
        wrong
            .map(|one| {
                format!(
                    "{}: {} -> {}",
                    one.about,
                    one.found,
                    one.advice.as_ref().unwrap()
                )
            })
            .collect()
    }

    /// Breaks it, looks, mends it, and sees that nothing is wrong again.
    async fn broken(&self, how: &str, mended: &str, said: &[&str]) {
        let owner = self.database.connect("onboarding").await;
        let clock = Clock::system();
        let prefix = |sql: &str| sql.replace("ROLE_OF", &self.prefix);
        owner.execute_unprepared(&prefix(how)).await.unwrap();
        let wrong = self.wrong(&clock).await;
        assert_eq!(wrong.len(), 1, "{how}: {wrong:?}");
        for words in said {
            assert!(wrong[0].contains(words), "{how}: {wrong:?}");
        }
        owner.execute_unprepared(&prefix(mended)).await.unwrap();
        assert_eq!(self.wrong(&clock).await, Vec::<String>::new(), "{mended}");
        owner.close().await.unwrap();
    }

    async fn drop_roles(&self) {
        let owner = self.database.connect("onboarding").await;
        for service in Role::SERVICES.map(Role::name) {
            for end in ["", "_worker"] {
                let role = format!("{}_{service}{end}", self.prefix);
                let sql = format!("DROP OWNED BY {role}; DROP ROLE {role}");
                owner.execute_unprepared(&sql).await.unwrap();
            }
        }
        owner.close().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_doctor_tells_what_is_wrong_with_a_database_and_its_walls() {
    if !on_postgres() {
        return;
    }
    let scene = Scene::new();
    let clock = Clock::system();
    // Nothing was migrated, so the roles do not exist: nobody lets us in.
    let wrong = scene.wrong(&clock).await;
    assert_eq!(wrong.len(), 1, "{wrong:?}");
    assert!(
        wrong[0].starts_with("database of onboarding: ") && wrong[0].contains("database.url"),
        "{wrong:?}"
    );

    compose::migrate(&scene.config, |_| {}).await.unwrap();
    assert_eq!(scene.wrong(&clock).await, Vec::<String>::new());

    scene
        .broken(
            "ALTER TABLE tenant NO FORCE ROW LEVEL SECURITY",
            "ALTER TABLE tenant FORCE ROW LEVEL SECURITY",
            &["without row-level security: tenant", "warikan migrate"],
        )
        .await;
    scene
        .broken(
            "GRANT USAGE ON SCHEMA billing TO ROLE_OF_onboarding",
            "REVOKE USAGE ON SCHEMA billing FROM ROLE_OF_onboarding",
            &[
                "ROLE_OF_onboarding may look into billing"
                    .replace("ROLE_OF", &scene.prefix)
                    .as_str(),
                "revoke USAGE",
            ],
        )
        .await;
    scene
        .broken(
            "ALTER ROLE ROLE_OF_onboarding_worker BYPASSRLS",
            "ALTER ROLE ROLE_OF_onboarding_worker NOBYPASSRLS",
            &[
                "_onboarding_worker stands above row-level security",
                "take SUPERUSER and BYPASSRLS",
            ],
        )
        .await;
    scene
        .broken(
            "GRANT CREATE ON SCHEMA onboarding TO ROLE_OF_onboarding; ALTER TABLE inbox OWNER TO ROLE_OF_onboarding",
            "ALTER TABLE inbox OWNER TO CURRENT_USER; REVOKE CREATE ON SCHEMA onboarding FROM ROLE_OF_onboarding;
             GRANT SELECT, INSERT, UPDATE, DELETE ON inbox TO ROLE_OF_onboarding_worker",
            &["_onboarding owns 1 tables", "no process has at run time"],
        )
        .await;
    scene
        .broken(
            "CREATE TABLE kept AS SELECT * FROM seaql_migrations ORDER BY version DESC LIMIT 1;
             DELETE FROM seaql_migrations WHERE version IN (SELECT version FROM kept)",
            "INSERT INTO seaql_migrations SELECT * FROM kept; DROP TABLE kept",
            &["lacks migrations: ", "warikan migrate"],
        )
        .await;

    f055_clocks_apart(&scene).await;

    // With the owner's address a process that serves could do all of this itself; that is said, and it is no failure.
    let report = doctor::examine(&scene.config, Role::Onboarding, &clock).await;
    let note = report
        .findings()
        .iter()
        .find(|one| one.about == "database.owner_url")
        .unwrap();
    assert_eq!(note.level, Level::Note);
    scene.drop_roles().await;
}

/// Of two clocks a second apart none is wrong, of two a day apart one is.
async fn f055_clocks_apart(scene: &Scene) {
    for (days, wanted) in [(0, 0), (1, 1)] {
        let ours = Clock::manual(
            Clock::system()
                .now()
                .plus(Duration::from_secs(days * 86_400)),
        );
        let wrong = scene.wrong(&ours).await;
        assert_eq!(wrong.len(), wanted, "{wrong:?}");
        assert!(
            wrong
                .iter()
                .all(|one| one.contains("ms ahead of this machine's") && one.contains("NTP")),
            "{wrong:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_away_is_told_with_what_to_do() {
    if !on_postgres() {
        return;
    }
    let mut scene = Scene::new();
    scene.config.database.url = Some("postgres://127.0.0.1:9/warikan".to_owned());
    scene.config.database.owner_url = None;
    let wrong = scene.wrong(&Clock::system()).await;
    assert_eq!(wrong.len(), 1, "{wrong:?}");
    assert!(wrong[0].contains("pg_hba.conf"), "{wrong:?}");
    let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
    let opened = compose::open(&scene.config, compose::clocks(), nowhere).await;
    assert!(opened.is_err());
}
