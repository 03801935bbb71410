//! `warikan rewrap`: rotation of the keys that wrap the tenants' data keys, beside running servers or without one.
//!
//! What is sealed stays as it is: only the data keys, a row for each tenant and environment, are wrapped anew. A server that runs finds
//! a new wrapping key in the file when it first meets a data key that is wrapped under it.

use std::io::Write;

use anyhow::Context;
use warikan_runtime::{DataKeys, Keys};
use warikan_types::Entropy;

use crate::config::Config;

/// Services whose tenants have data keys.
const SERVICES: [&str; 4] = ["onboarding", "verification", "revocation", "webhooks"];

/// Does it. Run again after a failure it goes on where it was.
///
/// # Errors
/// Key file or database cannot be used; a data key is wrapped under a key that is not in the file.
pub async fn run(
    config: &Config,
    new_key: bool,
    forget_older: bool,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let entropy = Entropy::system();
    let path = match &config.keys_file {
        Some(path) => path.clone(),
        None => config.data_dir.join("keys.json"),
    };
    if new_key {
        let name = Keys::add_wrapping(&path, &entropy)?;
        writeln!(
            out,
            "{}: {name} is the wrapping key in force",
            path.display()
        )?;
    }
    let keys = Keys::load(&path, &entropy)?;
    let mut everywhere = true;
    let databases = config.database.databases(&config.data_dir)?;
    for service in SERVICES {
        let Some(db) = databases.existing(service).await? else {
            writeln!(out, "{service}: no database")?;
            everywhere = false;
            continue;
        };
        let done = DataKeys::rewrap(&db, keys.wrapping())
            .await
            .with_context(|| format!("wrapping the data keys of {service}"))?;
        writeln!(
            out,
            "{service}: {} data keys, {} wrapped anew under {}",
            done.keys,
            done.rewrapped,
            keys.wrapping().in_force()
        )?;
        db.close().await?;
    }
    if forget_older {
        anyhow::ensure!(
            everywhere,
            "not all services' databases are here, so that older keys may be needed still: none was taken out of {}",
            path.display()
        );
        for name in Keys::forget_older_wrapping(&path)? {
            writeln!(
                out,
                "{}: {name} is forgotten, and what copies of the databases hold under it",
                path.display()
            )?;
        }
    }
    Ok(())
}
