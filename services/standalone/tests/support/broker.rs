//! A part of a running RabbitMQ: names of its own, removed at the end.

#![allow(clippy::print_stderr, reason = "what is left out is said")]

use lapin::{
    Channel, Connection, ConnectionProperties,
    options::{
        BasicAckOptions, BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions,
        ExchangeDeleteOptions, QueueDeclareOptions, QueueDeleteOptions, QueuePurgeOptions,
    },
    types::FieldTable,
};
use warikan_contracts::SUBSCRIPTIONS;
use warikan_testkit::{TestDatabase, on_postgres};

const USUAL: &str = "amqp://guest:guest@127.0.0.1:5672";

/// The broker that `WARIKAN_TEST_AMQP` names, or the machine's.
pub struct Broker {
    url: String,
    prefix: String,
    connection: Connection,
}

/// The configuration of every process, each of which may migrate, and the database if it is one to be dropped.
pub fn configuration(broker: &Broker) -> (String, Option<TestDatabase>) {
    let database = on_postgres().then(TestDatabase::create);
    let owner = database
        .as_ref()
        .map(|database| format!("owner_url = \"{}\"\n", database.address()));
    let config = configured(broker, database.as_ref(), &owner.unwrap_or_default());
    (config, database)
}

/// The same where no process may migrate.
pub fn configuration_without_owner(broker: &Broker, database: &TestDatabase) -> String {
    configured(broker, Some(database), "")
}

fn configured(broker: &Broker, database: Option<&TestDatabase>, owner: &str) -> String {
    let more = database.map_or_else(String::new, |database| {
        let reached = database.config().url.unwrap();
        format!(
            "[database]\nkind = \"postgres\"\nurl = \"{reached}\"\n{owner}role_prefix = \"warikan_test\"\npassword = \"warikan-test\"\npool_size = 2\nworker_pool_size = 2\nacquire_timeout_ms = 10000\n"
        )
    });
    let broker = broker.toml();
    format!("{broker}{more}[revocation]\nsync_period_seconds = 1\n")
}

impl Broker {
    /// `None`, said aloud, where nobody asked for a broker and there is none.
    pub async fn find(test: &str) -> Option<Self> {
        let named = std::env::var("WARIKAN_TEST_AMQP").ok();
        let mut url = named.clone().unwrap_or_else(|| USUAL.to_owned());
        if url.matches('/').count() < 3 {
            url.push_str("/%2f");
        }
        match Connection::connect(&url, ConnectionProperties::default()).await {
            Ok(connection) => Some(Self {
                url,
                prefix: format!("warikan-{test}-{}", std::process::id()),
                connection,
            }),
            Err(error) if named.is_none() => {
                eprintln!("left out: no RabbitMQ on this machine: {error}");
                None
            }
            Err(error) => panic!("no RabbitMQ where WARIKAN_TEST_AMQP says: {error}"),
        }
    }

    /// The configuration of every process.
    pub fn toml(&self) -> String {
        format!(
            "[rabbitmq]\nurl = \"{}\"\nprefix = \"{}\"\n",
            self.url, self.prefix
        )
    }

    /// The broker's address, host and port.
    pub fn address(&self) -> &str {
        let place = self.url.split("://").nth(1).unwrap();
        let place = place.rsplit_once('@').map_or(place, |(_, place)| place);
        place.split('/').next().unwrap()
    }

    /// The same broker as it is reached at another address.
    pub fn url_at(&self, address: &str) -> String {
        self.url.replacen(self.address(), address, 1)
    }

    /// A consumer's queue.
    pub fn queue(&self, consumer: &str) -> String {
        format!("{}.{consumer}", self.prefix)
    }

    /// Messages that lie in a consumer's queue and are held by nobody.
    pub async fn waiting(&self, consumer: &str) -> u32 {
        let looking = QueueDeclareOptions {
            passive: true,
            ..QueueDeclareOptions::default()
        };
        let queue = self.queue(consumer).into();
        let channel = self.channel().await;
        let found = channel
            .queue_declare(queue, looking, FieldTable::default())
            .await;
        let count = found.map_or(0, |queue| queue.message_count());
        // A question about a queue that is not there yet ends the channel.
        let _ = channel.close(200, "OK".into()).await;
        count
    }

    /// Takes every message of a queue and puts it back so many times, as it is.
    pub async fn multiply(&self, consumer: &str, times: usize) {
        let channel = self.channel().await;
        let confirmed = ConfirmSelectOptions::default();
        channel.confirm_select(confirmed).await.unwrap();
        for _ in 0..self.waiting(consumer).await {
            let queue = self.queue(consumer);
            let options = BasicGetOptions { no_ack: false };
            let got = channel.basic_get(queue.as_str().into(), options).await;
            let message = got.unwrap().unwrap().delivery;
            for _ in 0..times {
                let publishing = channel.basic_publish(
                    "".into(),
                    queue.as_str().into(),
                    BasicPublishOptions::default(),
                    &message.data,
                    message.properties.clone(),
                );
                publishing.await.unwrap().await.unwrap();
            }
            message.ack(BasicAckOptions::default()).await.unwrap();
        }
        channel.close(200, "OK".into()).await.unwrap();
    }

    /// Throws a queue's messages away, as somebody may by hand.
    pub async fn purge(&self, consumer: &str) {
        let channel = self.channel().await;
        let queue = self.queue(consumer).into();
        let purged = channel
            .queue_purge(queue, QueuePurgeOptions::default())
            .await;
        purged.unwrap();
        channel.close(200, "OK".into()).await.unwrap();
    }

    async fn channel(&self) -> Channel {
        self.connection.create_channel().await.unwrap()
    }

    /// Removes everything that was declared.
    pub async fn clear(self) {
        let channel = self.channel().await;
        for subscription in SUBSCRIPTIONS {
            for end in ["", ".dead"] {
                let queue = format!("{}.{}{end}", self.prefix, subscription.consumer);
                let removed = channel
                    .queue_delete(queue.into(), QueueDeleteOptions::default())
                    .await;
                removed.unwrap();
            }
        }
        for exchange in ["facts", "dead"] {
            let name = format!("{}.{exchange}", self.prefix);
            let removed = channel
                .exchange_delete(name.into(), ExchangeDeleteOptions::default())
                .await;
            removed.unwrap();
        }
    }
}
