//! The operator's first credential: made once, written to a file that only its owner reads; or taken from such a file.

use std::{
    io::Write,
    path::{Path, PathBuf},
};

use sea_orm::DatabaseConnection;
use serde::Deserialize;
use warikan_messaging::{Hold, begin_write, hold};
use warikan_runtime::{OpenError, Platform};
use warikan_types::{Client, ClientScope, Entropy, Id, Principal, Secret, Timestamp};

use crate::{
    audit::{self, Actor, Chain, Entry},
    credential,
    error::Error,
    store::clients::{self, ClientRow, Holder},
};

/// Where the operator's first credential lies.
#[derive(Clone, Debug)]
pub struct Bootstrap {
    /// A JSON file with `client_id` and `client_secret`.
    pub path: PathBuf,
    /// Whether this start made it.
    pub created: bool,
}

pub(crate) async fn first_operator(
    db: &DatabaseConnection,
    on: &Platform,
    path: PathBuf,
) -> Result<Bootstrap, OpenError> {
    let database = OpenError::database("onboarding");
    // Several processes may start at once; one of them makes the credential.
    let transaction = begin_write(db).await.map_err(&database)?;
    hold(&transaction, "first_operator", Hold::Exclusive)
        .await
        .map_err(&database)?;
    // Disabled ones count: a second first credential is never made.
    let operators = clients::count_all(&transaction, Holder::Operator);
    if operators.await.map_err(&database)? > 0 {
        return Ok(Bootstrap {
            path,
            created: false,
        });
    }
    let now = on.clock().now();
    let refused = |why| OpenError::Config {
        service: "onboarding",
        why: format!("the operator's credential {}: {why}", path.display()),
    };
    let (first, created) = match std::fs::read(&path) {
        // A mounted secret; or what a start left that was cut off before its commit.
        Ok(text) => {
            let given = FirstCredential::read(&text).ok_or_else(|| {
                refused("it was not made by `warikan operator-credential`".to_owned())
            })?;
            (given, false)
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            // The file first: a credential in the database that nobody can read would lock the operator out.
            let made = FirstCredential::new(&on.entropy, now);
            made.write(&path)
                .map_err(|error| refused(format!("it cannot be written: {error}")))?;
            (made, true)
        }
        Err(error) => return Err(refused(format!("it cannot be read: {error}"))),
    };
    let operator = Principal {
        client: first.client_id,
        tenant: None,
        scopes: [ClientScope::Operator].into(),
    };
    let row = ClientRow {
        secret_digest: credential::digest(first.client_secret.expose()),
        ..clients::row(&operator, now)
    };
    clients::insert(&transaction, row)
        .await
        .map_err(&database)?;
    let entry = Entry::new(Chain::Operator, Actor::System, "operator.bootstrapped", now);
    let entries = vec![entry.about(first.client_id)];
    match audit::append(&transaction, on, entries).await {
        Err(Error::Database(error)) => return Err(database(error)),
        Err(other) => {
            return Err(OpenError::Config {
                service: "onboarding",
                why: other.to_string(),
            });
        }
        Ok(()) => {}
    }
    transaction.commit().await.map_err(&database)?;
    Ok(Bootstrap { path, created })
}

/// A new first credential as the text of its file, for an operator who keeps it in a secret store.
#[must_use]
pub fn new_credential(entropy: &Entropy, now: Timestamp) -> String {
    FirstCredential::new(entropy, now).text()
}

/// What the file holds.
#[derive(Deserialize)]
struct FirstCredential {
    client_id: Id<Client>,
    client_secret: Secret<String>,
}

impl FirstCredential {
    fn new(entropy: &Entropy, now: Timestamp) -> Self {
        Self {
            client_id: entropy.id(now),
            client_secret: credential::new_secret(entropy),
        }
    }

    fn read(text: &[u8]) -> Option<Self> {
        let read: Self = serde_json::from_slice(text).ok()?;
        credential::is_secret(read.client_secret.expose()).then_some(read)
    }

    fn text(&self) -> String {
        let text = serde_json::json!({
            "client_id": self.client_id,
            "client_secret": self.client_secret.expose(),
            "scope": "operator",
        });
        format!("{text:#}")
    }

    fn write(&self, path: &Path) -> std::io::Result<()> {
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt;
            options.mode(0o600);
        }
        let mut file = options.open(path)?;
        writeln!(file, "{}", self.text())?;
        file.sync_all()
    }
}
