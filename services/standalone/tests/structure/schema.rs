//! A schema only grows, so that the programs of two releases can work on it at the same time: while processes are exchanged one by one,
//! those of the release before read and write what the new one has migrated, and a release can be taken back.
//!
//! `schema.txt` is the schema of the last release, written with `WARIKAN_REGENERATE=1` when a version is released. Everything
//! that stands there must still be there; what is new in an old table must not be asked of an old program's INSERT.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use sea_orm::{ConnectOptions, ConnectionTrait, Database, DbBackend, Statement};
use warikan::{compose, config::Config};

use crate::{nothing_wrong, repository::root};

const SERVICES: [&str; 6] = [
    "billing",
    "onboarding",
    "revocation",
    "sandbox",
    "verification",
    "webhooks",
];
const COLUMNS: &str = "SELECT t.name, c.name, c.type, c.\"notnull\" AND c.dflt_value IS NULL, c.\"notnull\" \
     FROM sqlite_master AS t JOIN pragma_table_info(t.name) AS c \
     WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite%' AND t.name <> 'seaql_migrations'";
const UNIQUE: &str = "SELECT t.name, group_concat(c.name, '+') \
     FROM sqlite_master AS t JOIN pragma_index_list(t.name) AS i JOIN pragma_index_info(i.name) AS c \
     WHERE t.type = 'table' AND i.\"unique\" = 1 AND t.name <> 'seaql_migrations' GROUP BY t.name, i.name";

#[derive(Debug, PartialEq, Eq, Clone)]
struct Column {
    kind: String,
    /// An INSERT that does not name it fails.
    wanted: bool,
    /// It takes no NULL.
    strict: bool,
}

/// What a schema asks of programs.
#[derive(Debug, Default, PartialEq, Eq)]
struct Schema {
    /// By `service.table` and column.
    columns: BTreeMap<(String, String), Column>,
    /// `service.table` and the columns that may not repeat.
    unique: BTreeSet<(String, String)>,
}

impl Schema {
    async fn present() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let config = Config {
            data_dir: directory.path().to_owned(),
            ..Config::default()
        };
        compose::migrate(&config, |_| {}).await.unwrap();
        let mut schema = Self::default();
        for service in SERVICES {
            let file = directory.path().join(format!("{service}.sqlite"));
            let mut options = ConnectOptions::new(format!("sqlite://{}", file.display()));
            options.max_connections(1).sqlx_logging(false);
            let db = Database::connect(options).await.unwrap();
            let ask = async |sql| {
                let statement = Statement::from_string(DbBackend::Sqlite, sql);
                db.query_all_raw(statement).await.unwrap()
            };
            for row in ask(COLUMNS).await {
                let text = |place| row.try_get_by_index::<String>(place).unwrap();
                let yes = |place| row.try_get_by_index::<i64>(place).unwrap() != 0;
                let place = (format!("{service}.{}", text(0)), text(1));
                let column = Column {
                    kind: text(2),
                    wanted: yes(3),
                    strict: yes(4),
                };
                schema.columns.insert(place, column);
            }
            for row in ask(UNIQUE).await {
                let text = |place| row.try_get_by_index::<String>(place).unwrap();
                schema
                    .unique
                    .insert((format!("{service}.{}", text(0)), text(1)));
            }
        }
        schema
    }

    fn written(&self) -> String {
        let mut lines = Vec::new();
        for ((table, column), one) in &self.columns {
            let word = |yes, word: &str| if yes { word.to_owned() } else { "-".to_owned() };
            let (wanted, strict) = (word(one.wanted, "wanted"), word(one.strict, "strict"));
            lines.push(format!(
                "{table} {column} {} {wanted} {strict}",
                one.kind.replace(' ', "~")
            ));
        }
        for (table, columns) in &self.unique {
            lines.push(format!("{table} unique {columns}"));
        }
        lines.join("\n") + "\n"
    }

    fn read(text: &str) -> Self {
        let mut schema = Self::default();
        for line in text.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            match words[..] {
                [table, "unique", columns] => {
                    schema.unique.insert((table.to_owned(), columns.to_owned()));
                }
                [table, column, kind, wanted, strict] => {
                    let column_of = Column {
                        kind: kind.replace('~', " "),
                        wanted: wanted == "wanted",
                        strict: strict == "strict",
                    };
                    schema
                        .columns
                        .insert((table.to_owned(), column.to_owned()), column_of);
                }
                _ => panic!("no line of a schema: {line}"),
            }
        }
        schema
    }

    fn tables(&self) -> BTreeSet<&str> {
        self.columns
            .keys()
            .map(|(table, _)| table.as_str())
            .collect()
    }

    /// What a program of `before` could not do here.
    fn breaks(&self, before: &Self) -> Vec<String> {
        let mut wrong = Vec::new();
        for (place, old) in &before.columns {
            let name = format!("{}.{}", place.0, place.1);
            match self.columns.get(place) {
                None => wrong.push(format!("{name} is gone")),
                Some(new) if new.kind != old.kind => {
                    wrong.push(format!("{name} was {} and is {}", old.kind, new.kind));
                }
                Some(new) if (new.strict && !old.strict) || (new.wanted && !old.wanted) => {
                    wrong.push(format!("{name} may no longer be left out or be NULL"));
                }
                Some(_) => {}
            }
        }
        let tables = before.tables();
        for (place, new) in &self.columns {
            let in_old_table = tables.contains(place.0.as_str());
            if in_old_table && new.wanted && !before.columns.contains_key(place) {
                wrong.push(format!("{}.{} is new and has no default", place.0, place.1));
            }
        }
        for (table, columns) in self.unique.difference(&before.unique) {
            let known = |column| {
                let place = (table.clone(), String::from(column));
                before.columns.contains_key(&place)
            };
            if tables.contains(table.as_str()) && columns.split('+').all(known) {
                wrong.push(format!("{table} may no longer repeat {columns}"));
            }
        }
        wrong
    }
}

fn kept() -> PathBuf {
    root().join("services/standalone/tests/structure/schema.txt")
}

#[tokio::test]
async fn f089_programs_of_the_last_release_can_work_on_the_present_schema() {
    let present = Schema::present().await;
    if std::env::var_os("WARIKAN_REGENERATE").is_some() {
        std::fs::write(kept(), present.written()).unwrap();
    }
    let before = Schema::read(&std::fs::read_to_string(kept()).unwrap());
    assert!(before.tables().len() > 30, "the schema was read");
    nothing_wrong(
        "Processes of the last release could not go on while these are migrated; make it two releases:",
        &present.breaks(&before),
    );
}

#[test]
fn what_breaks_a_program_of_the_last_release_is_found() {
    let before = Schema::read(
        "a.t id uuid_text wanted strict\na.t name text - -\na.t size bigint - strict\na.t unique id\n",
    );
    assert_eq!(Schema::read(&before.written()), before);
    let same = before.written();
    for (more, expected) in [
        ("", 0),
        (
            "a.t more text - -\na.t counted bigint - strict\na.t unique more+name\na.u id text wanted strict\n",
            0,
        ),
        ("a.t more text wanted strict\n", 1),
        ("a.t unique name\n", 1),
        ("a.t name bigint - -\n", 1),
        ("a.t name text wanted strict\n", 1),
    ] {
        let now = Schema::read(&format!("{same}{more}"));
        assert_eq!(now.breaks(&before).len(), expected, "{more}");
    }
    let gone = Schema::read("a.t id uuid_text wanted strict\na.t name text - -\na.t unique id\n");
    assert_eq!(gone.breaks(&before), ["a.t.size is gone"]);
}
