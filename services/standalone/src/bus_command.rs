//! `warikan bus`: the messages that consumers put aside, over each service's database; beside a running server or without one.

use std::io::Write;

use anyhow::Context;
use uuid::Uuid;
use warikan_messaging::parked;
use warikan_types::{Event, Id};

use crate::{compose::Role, config::Config};

/// What to do with parked messages.
#[derive(Debug, clap::Subcommand)]
pub enum BusCommand {
    /// List them: consumer, event, type, when it happened, why it was parked.
    Parked {
        /// Of this consumer only, `billing.meter` for instance.
        #[arg(long)]
        consumer: Option<String>,
    },
    /// Ask for their delivery once more. The server that has the consumer does it within seconds, or when it next starts.
    Replay {
        /// One event, as `bus parked` names it.
        #[arg(required_unless_present = "all")]
        event: Option<String>,
        /// Every parked message.
        #[arg(long, conflicts_with = "event")]
        all: bool,
        /// Of this consumer only.
        #[arg(long)]
        consumer: Option<String>,
    },
}

/// Does it; false where there was nothing to replay.
///
/// # Errors
/// A database cannot be asked, or the event is no id.
pub async fn run(
    config: &Config,
    command: &BusCommand,
    out: &mut impl Write,
) -> anyhow::Result<bool> {
    let databases = config.database.databases(&config.data_dir)?;
    let mut found = 0;
    for service in Role::SERVICES.map(Role::name) {
        let Some(db) = databases.existing(service).await? else {
            continue;
        };
        let asked = format!("asking the database of {service}");
        match command {
            BusCommand::Parked { consumer } => {
                for message in parked::list(&db, consumer.as_deref())
                    .await
                    .context(asked)?
                {
                    found += 1;
                    show(&message, out)?;
                }
            }
            BusCommand::Replay {
                event, consumer, ..
            } => {
                let event = event.as_deref().map(read_event).transpose()?;
                found += parked::request_replay(&db, consumer.as_deref(), event)
                    .await
                    .context(asked)?;
            }
        }
        db.close().await?;
    }
    match command {
        BusCommand::Parked { .. } => {
            writeln!(out, "{found} parked")?;
            Ok(true)
        }
        BusCommand::Replay { .. } => {
            writeln!(out, "{found} to be replayed")?;
            Ok(found > 0)
        }
    }
}

fn show(message: &parked::Parked, out: &mut impl Write) -> std::io::Result<()> {
    let waiting = if message.replay_requested {
        " (replay requested)"
    } else {
        ""
    };
    let (consumer, reason) = (&message.consumer, &message.reason);
    match message.envelope() {
        Ok(fact) => writeln!(
            out,
            "{consumer}  {}  {} v{}  {}  {reason}{waiting}",
            fact.id, fact.fact_type, fact.version, fact.occurred_at
        ),
        Err(_) => writeln!(
            out,
            "{consumer}  {}  no envelope, {} octets  {reason}{waiting}",
            message.event,
            message.message.len()
        ),
    }
}

/// As the list names it: an event's id, or the UUID of what is no event.
fn read_event(text: &str) -> anyhow::Result<Uuid> {
    if let Ok(id) = text.parse::<Id<Event>>() {
        return Ok(id.uuid());
    }
    text.parse()
        .with_context(|| format!("{text} is no event's id; `warikan bus parked` lists them"))
}
