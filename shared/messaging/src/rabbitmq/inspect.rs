//! What an operator should know of the broker. Nothing is declared that is not there.

use lapin::{
    Channel, Connection,
    options::{ExchangeDeclareOptions, QueueDeclareOptions},
    types::FieldTable,
};

use super::{ConfigError, Link, RabbitMqConfig, topology::Declared};

/// A queue, as it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueState {
    /// Its name.
    pub name: String,
    /// Whether it holds dead letters.
    pub dead: bool,
    /// How it stands.
    pub found: Found,
}

/// How a queue or an exchange stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// Nobody has declared it yet; the first process that starts does.
    Missing,
    /// It is there with other properties than ours, in the broker's words.
    Different(String),
    /// As it should be.
    Right {
        /// Messages ready for delivery.
        messages: u32,
        /// Processes that take from it.
        consumers: u32,
    },
}

/// What was found at the broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerState {
    /// The exchanges.
    pub exchanges: Vec<(String, Found)>,
    /// The queues, two for each consumer of the installation.
    pub queues: Vec<QueueState>,
}

/// The broker cannot be looked at. The words hold no secret.
#[derive(Debug, thiserror::Error)]
pub enum InspectError {
    /// The configuration cannot be meant.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// It cannot be reached, or does not let us in.
    #[error("{0}")]
    Away(String),
}

/// Looks at exchanges and queues: whether they are there, and with the properties that this program declares. A declaration that
/// differs in anything is refused by the broker (406, AMQP 0-9-1 1.7.2.1) and changes nothing; one that is equal does nothing.
///
/// # Errors
/// [`InspectError`].
pub async fn inspect_broker(config: RabbitMqConfig) -> Result<BrokerState, InspectError> {
    let link = Link::new(config)?;
    let connection = link
        .open("doctor")
        .await
        .map_err(|away| InspectError::Away(away.0))?;
    let looked = look(&link, &connection).await;
    // It was only looked at; that it is closed politely is of no consequence.
    let _ = connection.close(200, "looked".into()).await;
    looked.map_err(|error| InspectError::Away(error.to_string()))
}

async fn look(link: &Link, connection: &Connection) -> Result<BrokerState, lapin::Error> {
    let mut exchanges = Vec::new();
    for (name, kind) in link.topology.exchanges() {
        let declare = |passive| {
            let (name, kind) = (name.to_owned(), kind.clone());
            let options = ExchangeDeclareOptions {
                passive,
                durable: true,
                ..ExchangeDeclareOptions::default()
            };
            async move |on: Channel| {
                on.exchange_declare(name.into(), kind, options, FieldTable::default())
                    .await
                    .map(|()| (0, 0))
            }
        };
        let found = found(connection, declare(true), declare(false)).await?;
        exchanges.push((name.to_owned(), found));
    }
    let mut queues = Vec::new();
    for Declared {
        name,
        dead,
        arguments,
    } in link.topology.queues()
    {
        let declare = |passive| {
            let (name, arguments) = (name.clone(), arguments.clone());
            let options = QueueDeclareOptions {
                passive,
                durable: true,
                ..QueueDeclareOptions::default()
            };
            async move |on: Channel| {
                let queue = on.queue_declare(name.into(), options, arguments).await?;
                Ok((queue.message_count(), queue.consumer_count()))
            }
        };
        let found = found(connection, declare(true), declare(false)).await?;
        queues.push(QueueState { name, dead, found });
    }
    Ok(BrokerState { exchanges, queues })
}

/// First whether it is there at all, then whether it is ours. A refusal ends the channel, so each question has its own.
async fn found(
    connection: &Connection,
    there: impl AsyncFnOnce(Channel) -> Result<(u32, u32), lapin::Error>,
    ours: impl AsyncFnOnce(Channel) -> Result<(u32, u32), lapin::Error>,
) -> Result<Found, lapin::Error> {
    match there(connection.create_channel().await?).await {
        Err(error) if is(&error, NOT_FOUND) => return Ok(Found::Missing),
        other => other?,
    };
    match ours(connection.create_channel().await?).await {
        Err(error) if is(&error, PRECONDITION_FAILED) => Ok(Found::Different(error.to_string())),
        other => {
            let (messages, consumers) = other?;
            Ok(Found::Right {
                messages,
                consumers,
            })
        }
    }
}

const NOT_FOUND: u16 = 404;
const PRECONDITION_FAILED: u16 = 406;

fn is(error: &lapin::Error, code: u16) -> bool {
    match error.kind() {
        lapin::ErrorKind::ProtocolError(error) => error.get_id() == code,
        _ => false,
    }
}
