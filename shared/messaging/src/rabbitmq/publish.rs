//! Publishing: many in flight, each confirmed.

use std::{collections::HashSet, sync::Arc};

use lapin::{
    Channel, Confirmation, Connection, PublisherConfirm,
    options::{BasicPublishOptions, ConfirmSelectOptions},
};
use tokio::{
    sync::Mutex,
    time::{Instant, timeout_at},
};
use warikan_contracts::Envelope;

use crate::{Outgoing, PublishError};

use super::{
    link::{Away, Link},
    message::{LONGEST, properties},
};

type Outcome = Result<(), PublishError>;

/// Publishes over one connection, with a channel per batch under way: a returned message names its fact, but not the confirm it
/// belongs to, and must not be mistaken for another batch's.
pub(super) struct Publisher {
    link: Arc<Link>,
    open: Mutex<Option<Open>>,
}

struct Open {
    connection: Connection,
    idle: Vec<Channel>,
    /// Tells this connection from the ones before it.
    number: u64,
}

/// A channel for one batch.
struct Taken {
    channel: Channel,
    number: u64,
}

impl Publisher {
    pub(super) fn new(link: Arc<Link>) -> Self {
        Self {
            link,
            open: Mutex::default(),
        }
    }

    pub(super) async fn publish_all(&self, facts: &[Outgoing]) -> Vec<Outcome> {
        // A fact that nobody listens to is as good as delivered, as on the in-process bus.
        let wanted: Vec<usize> = (0..facts.len())
            .filter(|place| {
                self.link
                    .topology
                    .listened_to(&facts[*place].envelope.fact_type)
            })
            .collect();
        let mut outcomes: Vec<Outcome> = vec![Ok(()); facts.len()];
        if wanted.is_empty() {
            return outcomes;
        }
        let deadline = Instant::now() + self.link.timeout();
        let late = || Away(format!("no answer within {:?}", self.link.timeout()));
        let taken = match timeout_at(deadline, self.channel()).await {
            Ok(Ok(taken)) => taken,
            Ok(Err(away)) => return unavailable(outcomes, &wanted, &away),
            Err(_) => return unavailable(outcomes, &wanted, &late()),
        };
        let mut batch = Batch {
            link: &self.link,
            channel: &taken.channel,
            deadline,
            broken: None,
            returned: HashSet::new(),
        };
        let mut flying = Vec::with_capacity(wanted.len());
        for place in wanted {
            match batch.send(&facts[place].envelope).await {
                Ok(confirm) => flying.push((place, confirm)),
                Err(error) => outcomes[place] = Err(error),
            }
        }
        let mut confirmed = Vec::with_capacity(flying.len());
        for (place, confirm) in flying {
            match batch.confirmed(confirm).await {
                Ok(()) => confirmed.push(place),
                Err(error) => outcomes[place] = Err(error),
            }
        }
        // Only now all returns are known: the broker sends a message back before it confirms it.
        let (broken, returned) = (batch.broken, batch.returned);
        for place in confirmed {
            if returned.contains(facts[place].envelope.id.uuid().to_string().as_str()) {
                let why = "the broker, which has no queue for it".to_owned();
                outcomes[place] = Err(PublishError::NotTaken(vec![why]));
            }
        }
        // Someone removed a queue: a new connection declares it again.
        let usable = broken.is_none() && returned.is_empty();
        self.give_back(taken, usable).await;
        outcomes
    }

    async fn channel(&self) -> Result<Taken, Away> {
        let mut open = self.open.lock().await;
        let mut number = 0;
        if let Some(it) = open.as_mut() {
            number = it.number;
            if it.connection.status().connected() {
                while let Some(channel) = it.idle.pop() {
                    if channel.status().connected() {
                        return Ok(Taken { channel, number });
                    }
                }
                let channel = confirming(&it.connection).await?;
                return Ok(Taken { channel, number });
            }
        }
        *open = None;
        let connection = self.link.open("publisher").await?;
        let channel = confirming(&connection).await?;
        self.link.topology.declare_all(&channel).await?;
        number += 1;
        *open = Some(Open {
            connection,
            idle: Vec::new(),
            number,
        });
        tracing::info!("connected to the broker, to publish");
        Ok(Taken { channel, number })
    }

    async fn give_back(&self, taken: Taken, usable: bool) {
        let mut open = self.open.lock().await;
        let Some(it) = open.as_mut().filter(|it| it.number == taken.number) else {
            return;
        };
        if usable {
            it.idle.push(taken.channel);
        } else {
            *open = None;
        }
    }

    pub(super) async fn close(&self) {
        if let Some(open) = self.open.lock().await.take() {
            let closing = open.connection.close(200, "OK".into());
            // Nothing waits for an answer any more; a broker that is away needs no goodbye.
            let _ = tokio::time::timeout(self.link.timeout(), closing).await;
        }
    }
}

async fn confirming(connection: &Connection) -> Result<Channel, Away> {
    let channel = connection.create_channel().await?;
    channel
        .confirm_select(ConfirmSelectOptions::default())
        .await?;
    Ok(channel)
}

fn unavailable(mut outcomes: Vec<Outcome>, places: &[usize], away: &Away) -> Vec<Outcome> {
    for place in places {
        outcomes[*place] = Err(PublishError::Unavailable(away.to_string()));
    }
    outcomes
}

struct Batch<'a> {
    link: &'a Link,
    channel: &'a Channel,
    deadline: Instant,
    /// Once set, nothing more is expected of the channel.
    broken: Option<Away>,
    /// Message ids that the broker sent back.
    returned: HashSet<String>,
}

impl Batch<'_> {
    async fn send(&mut self, envelope: &Envelope) -> Result<PublisherConfirm, PublishError> {
        let refused = |why: String| PublishError::NotTaken(vec![why]);
        let payload = serde_json::to_vec(envelope).map_err(|error| refused(error.to_string()))?;
        if payload.len() > LONGEST {
            let octets = payload.len();
            return Err(refused(format!(
                "the bus: the fact has {octets} octets, and {LONGEST} is the most"
            )));
        }
        let mandatory = BasicPublishOptions {
            mandatory: true,
            ..BasicPublishOptions::default()
        };
        let sending = self.channel.basic_publish(
            self.link.topology.facts.as_str().into(),
            envelope.fact_type.as_str().into(),
            mandatory,
            &payload,
            properties(envelope),
        );
        if let Some(away) = &self.broken {
            return Err(PublishError::Unavailable(away.to_string()));
        }
        let sent = timeout_at(self.deadline, sending).await;
        self.answer(sent)
    }

    /// Waits for the broker's word on one message.
    async fn confirmed(&mut self, confirm: PublisherConfirm) -> Result<(), PublishError> {
        let answer = timeout_at(self.deadline, confirm).await;
        let (returned, nacked) = match self.answer(answer)? {
            Confirmation::Ack(returned) => (returned, false),
            Confirmation::Nack(returned) => (returned, true),
            Confirmation::NotRequested => {
                let away = Away("the channel does not confirm".to_owned());
                return Err(self.break_off(away));
            }
        };
        if let Some(message) = returned {
            let id = message.delivery.properties.message_id().as_ref();
            self.returned.extend(id.map(ToString::to_string));
        }
        if nacked {
            let why = "the broker, which could not keep it".to_owned();
            return Err(PublishError::NotTaken(vec![why]));
        }
        Ok(())
    }

    fn answer<T>(
        &mut self,
        answer: Result<Result<T, lapin::Error>, tokio::time::error::Elapsed>,
    ) -> Result<T, PublishError> {
        match answer {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(self.break_off(error.into())),
            Err(_) => {
                let away = Away(format!("no answer within {:?}", self.link.timeout()));
                Err(self.break_off(away))
            }
        }
    }

    fn break_off(&mut self, away: Away) -> PublishError {
        PublishError::Unavailable(self.broken.get_or_insert(away).to_string())
    }
}
