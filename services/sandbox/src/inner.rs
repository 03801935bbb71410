//! What other processes of the platform must know of the sandbox: its roots, and how far its clock is ahead.

use std::time::Duration;

use actix_web::{
    HttpResponse, get,
    web::{Data, Query, ServiceConfig},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};

use crate::Sandbox;

/// The longest wait that a question can ask for, in seconds.
const WAIT_LIMIT: u64 = 20;

/// The sandbox as the services that judge its certificates see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct World {
    /// Its CAs' roots, DER in base64.
    pub roots: Vec<String>,
    /// How far its clock is ahead of the machine's, in microseconds. It never goes back.
    pub clock_offset_micros: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Question {
    /// The offset that the asker knows; the answer waits until it is another.
    known: Option<u64>,
    /// Seconds to wait at most.
    #[serde(default)]
    wait: u64,
}

/// The route for other processes of the platform; the listener in front of it lets nobody else in.
pub fn inner_routes(sandbox: &Sandbox) -> impl Fn(&mut ServiceConfig) + Clone + Send + 'static {
    let state = Data::new(sandbox.clone());
    move |config| {
        config.app_data(state.clone()).service(world);
    }
}

/// The roots and the clock, as soon as the clock is not where the asker thinks it is.
#[get("/inner/sandbox")]
async fn world(question: Query<Question>, sandbox: Data<Sandbox>) -> HttpResponse {
    if let Some(known) = question.known {
        let wait = Duration::from_secs(question.wait.min(WAIT_LIMIT));
        // Over in any case: where nothing moved in time, the answer says what is known already.
        let _ = tokio::time::timeout(wait, sandbox.moved_from(known)).await;
    }
    HttpResponse::Ok().json(World {
        roots: sandbox
            .roots()
            .iter()
            .map(|root| STANDARD.encode(&root.der))
            .collect(),
        clock_offset_micros: sandbox.clock_offset_micros(),
    })
}

impl Sandbox {
    fn clock_offset_micros(&self) -> u64 {
        let offset = self.inner.on.clocks.sandbox.offset();
        u64::try_from(offset.as_micros()).unwrap_or(u64::MAX)
    }

    async fn moved_from(&self, known: u64) {
        loop {
            let moved = self.inner.moved.notified();
            tokio::pin!(moved);
            // Counts from here on, so that a move between the look and the wait is not slept through.
            moved.as_mut().enable();
            if self.clock_offset_micros() != known {
                return;
            }
            moved.await;
        }
    }
}
