//! The broker: reachable, with the queues that this program declares, and nothing dead in them.

use warikan_messaging::{BrokerState, Found, inspect_broker};

use super::{Level, Report};
use crate::{compose::Role, config::Config};

const ABOUT: &str = "broker";

impl Report {
    pub(super) async fn broker(&mut self, config: &Config, role: Role) {
        let Some(broker) = &config.rabbitmq else {
            if role != Role::All {
                self.wrong(
                    ABOUT,
                    "none is configured: what this service has to tell the others waits in its outbox",
                    "set rabbitmq.url",
                );
            }
            return;
        };
        match inspect_broker(broker.clone()).await {
            Err(error) => self.wrong(
                ABOUT,
                error.to_string(),
                "see that RabbitMQ runs at rabbitmq.url, and that the user may enter the vhost; facts wait in the outboxes meanwhile",
            ),
            Ok(state) => self.queues(&state),
        }
    }

    fn queues(&mut self, state: &BrokerState) {
        let queues = state.queues.iter().map(|queue| (&queue.name, &queue.found));
        let exchanges = state.exchanges.iter().map(|(name, found)| (name, found));
        let mut missing = Vec::new();
        let mut right = 0;
        for (name, found) in exchanges.chain(queues) {
            match found {
                Found::Missing => missing.push(name.as_str()),
                Found::Right { .. } => right += 1,
                Found::Different(words) => self.wrong(
                    &format!("queue {name}"),
                    format!("was declared otherwise than by this program: {words}"),
                    "stop the platform, see that it is empty, delete it and start again: it is declared anew",
                ),
            }
        }
        for queue in &state.queues {
            let Found::Right {
                messages,
                consumers,
            } = queue.found
            else {
                continue;
            };
            if queue.dead && messages > 0 {
                self.wrong(
                    &format!("queue {}", queue.name),
                    format!("{messages} dead letters wait for their consumer"),
                    "they killed their consumer again and again; start it, it parks them (`warikan bus parked`)",
                );
            } else if !queue.dead && consumers == 0 && messages > 0 {
                self.wrong(
                    &format!("queue {}", queue.name),
                    format!("{messages} messages, and nobody takes them"),
                    "start the service that this consumer belongs to",
                );
            }
        }
        if missing.is_empty() {
            self.good(
                ABOUT,
                format!("{right} exchanges and queues, each as this program declares it"),
            );
        } else {
            let found = format!(
                "not declared yet: {}; the first process that starts does it",
                missing.join(", ")
            );
            self.add(Level::Note, ABOUT, found, None);
        }
    }
}
