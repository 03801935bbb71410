//! A part of a running RabbitMQ: names of its own, removed at the end.

#![allow(clippy::print_stderr, reason = "what is left out is said")]

use lapin::{
    Channel, Connection, ConnectionProperties,
    options::{ExchangeDeleteOptions, QueueDeleteOptions},
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

/// The configuration of every process, and the database if it is one to be dropped.
pub fn configuration(broker: &Broker) -> (String, Option<TestDatabase>) {
    let database = on_postgres().then(TestDatabase::create);
    let more = database.as_ref().map_or_else(String::new, |database| {
        let reached = database.config().url.unwrap();
        let owner = database.address();
        format!(
            "[database]\nkind = \"postgres\"\nurl = \"{reached}\"\nowner_url = \"{owner}\"\nrole_prefix = \"warikan_test\"\npassword = \"warikan-test\"\npool_size = 3\nworker_pool_size = 2\n"
        )
    });
    let broker = broker.toml();
    (
        format!("{broker}{more}[revocation]\nsync_period_seconds = 1\n"),
        database,
    )
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
