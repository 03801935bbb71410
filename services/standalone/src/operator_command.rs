//! `warikan operator`: what the operator does on the machine itself, because no credential can.

use std::io::Write;

use anyhow::Context;
use serde_json::json;
use warikan_messaging::Bus;
use warikan_onboarding::{Lost, recover_operator};
use warikan_runtime::{Keys, Platform};
use warikan_types::{Client, Entropy, Id};

use crate::{
    cli::Options,
    compose::{self, Role},
};

/// What to do with the operator's accounts.
#[derive(clap::Subcommand)]
pub(crate) enum OperatorCommand {
    /// Make a new account that may do everything in the place of one whose secret is lost, and print its credential once. The lost one is
    /// disabled; both stand in the audit trail. Needs the database and the key file, beside a running server or without one.
    Recover {
        /// The account whose secret is lost, where several may do everything.
        #[arg(long, conflicts_with = "all")]
        account: Option<Id<Client>>,
        /// Disable every account that may do everything.
        #[arg(long)]
        all: bool,
        /// Where the database and the keys are.
        #[command(flatten)]
        options: Options,
    },
}

/// Does it.
///
/// # Errors
/// Keys or database cannot be used, or it is not clear which account is meant; then nothing has changed.
pub(crate) async fn run(command: OperatorCommand, out: &mut impl Write) -> anyhow::Result<()> {
    let OperatorCommand::Recover {
        account,
        all,
        options,
    } = command;
    let lost = match account {
        Some(account) => Lost::Account(account),
        None if all => Lost::All,
        None => Lost::TheOnly,
    };
    let config = options.load()?;
    let entropy = Entropy::system();
    let databases = config.database.databases(&config.data_dir)?;
    let db = databases.existing(Role::Onboarding.name()).await?;
    let db =
        db.context("there is no database of onboarding here; name it by --data-dir or --config")?;
    let own = || config.data_dir.join("keys.json");
    let path = config.keys_file.clone().unwrap_or_else(own);
    let platform = Platform {
        clocks: compose::clocks(),
        keys: Keys::load(&path, &entropy)?,
        entropy,
        // Facts lie in the outbox until a server of onboarding tells them.
        bus: Bus::in_process(),
        databases,
    };
    let recovered = recover_operator(&db, &platform, &lost).await?;
    let shown = json!({
        "client_id": recovered.client,
        "client_secret": recovered.secret.expose(),
        "scope": "operator",
        "disabled": recovered.replaces,
    });
    writeln!(out, "{shown:#}")?;
    db.close().await?;
    Ok(())
}
