//! What a process hands to the services it opens.

use warikan_messaging::{Bus, Relay, ServiceDatabase};
use warikan_types::{Clock, Entropy, Environment};

use crate::{Databases, Keys};

/// The two times: production's is the machine's, the sandbox's can be moved by a tester.
#[derive(Clone, Debug)]
pub struct Clocks {
    /// For everything real: tokens, retries, billing, production certificates.
    pub production: Clock,
    /// For what is judged about sandbox certificates.
    pub sandbox: Clock,
}

impl Clocks {
    /// The clock by which an environment's certificates are judged.
    #[must_use]
    pub const fn of(&self, environment: Environment) -> &Clock {
        match environment {
            Environment::Production => &self.production,
            Environment::Sandbox => &self.sandbox,
        }
    }
}

/// Everything outside a service that it may use. Clones share it all.
#[derive(Clone)]
pub struct Platform {
    /// Times.
    pub clocks: Clocks,
    /// Randomness.
    pub entropy: Entropy,
    /// Where facts go.
    pub bus: Bus,
    /// The platform's keys.
    pub keys: Keys,
    /// Where databases lie.
    pub databases: Databases,
}

impl Platform {
    /// The time of everything that is not a sandbox certificate.
    #[must_use]
    pub const fn clock(&self) -> &Clock {
        &self.clocks.production
    }

    /// A relay for a service's outbox.
    #[must_use]
    pub fn relay(&self, db: &ServiceDatabase) -> Relay {
        Relay::new(db.worker().clone(), self.bus.clone(), self.clock().clone())
    }
}
