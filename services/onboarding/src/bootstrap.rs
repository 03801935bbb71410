//! The operator's first credential: made once, written to a file that only its owner reads.

use std::{
    io::Write,
    path::{Path, PathBuf},
};

use sea_orm::DatabaseConnection;
use warikan_messaging::{Hold, begin_write, hold};
use warikan_runtime::{OpenError, Platform};
use warikan_types::{ClientScope, Principal};

use crate::{credential, store};

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
    if store::has_operator(&transaction).await.map_err(&database)? {
        return Ok(Bootstrap {
            path,
            created: false,
        });
    }
    let now = on.clock().now();
    let operator = Principal {
        client: on.entropy.id(now),
        tenant: None,
        scopes: [ClientScope::Operator].into(),
    };
    let secret = credential::new_secret(&on.entropy);
    // The file first: a credential in the database that nobody can read would lock the operator out.
    write(&path, &operator, secret.expose()).map_err(|error| OpenError::Config {
        service: "onboarding",
        why: format!(
            "cannot write the operator's credential to {}: {error}",
            path.display()
        ),
    })?;
    let digest = credential::digest(secret.expose());
    store::insert_client(&transaction, &operator, digest, now)
        .await
        .map_err(&database)?;
    transaction.commit().await.map_err(&database)?;
    Ok(Bootstrap {
        path,
        created: true,
    })
}

fn write(path: &Path, operator: &Principal, secret: &str) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    let text = serde_json::json!({
        "client_id": operator.client,
        "client_secret": secret,
        "scope": "operator",
    });
    let mut file = options.open(path)?;
    writeln!(file, "{text:#}")?;
    file.sync_all()
}
