//! The side that knows: what changed since, or a wait for the next change.

use std::{sync::Arc, time::Duration};

use actix_web::{
    HttpResponse, get,
    web::{Bytes, Data, Query, ServiceConfig},
};
use futures_util::stream;
use serde::Deserialize;

use super::{CHANGE, EPOCH, wire};
use crate::{
    Revocation,
    status::{ListKey, ListStatus, News, Step},
};

/// The longest wait that a question can ask for, in seconds.
const WAIT_LIMIT: u64 = 20;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Question {
    /// Whose count `after` is.
    epoch: Option<String>,
    /// The last change seen.
    #[serde(default)]
    after: u64,
    /// Seconds to wait where nothing has changed.
    #[serde(default)]
    wait: u64,
}

/// The route for other processes of the platform; the listener in front of it lets nobody else in.
pub fn inner_routes(
    revocation: &Revocation,
) -> impl Fn(&mut ServiceConfig) + Clone + Send + Sync + 'static {
    let state = Data::new(revocation.clone());
    let operations = warikan_metering::inner_routes(revocation.operations());
    move |config| {
        config.app_data(state.clone()).service(status);
        operations(config);
    }
}

/// The lists that changed after `after`, and the number of the last change.
#[get("/inner/status")]
async fn status(question: Query<Question>, revocation: Data<Revocation>) -> HttpResponse {
    let store = &revocation.0.status;
    let epoch = &revocation.0.epoch;
    let after = match &question.epoch {
        Some(theirs) if theirs == epoch => question.after,
        _ => 0,
    };
    let wait = Duration::from_secs(question.wait.min(WAIT_LIMIT));
    // Over in any case: where nothing changed in time, the answer is empty.
    let _ = tokio::time::timeout(wait, store.changed_after(after)).await;
    let (change, lists) = store.since(after);
    // One list in memory at a time, however many there are.
    let frames = lists
        .into_iter()
        .flat_map(|(key, news)| match news {
            News::Whole(list) => vec![Frame::Whole(key, list)],
            News::Steps(steps) => steps
                .into_iter()
                .map(|step| Frame::Step(key, step))
                .collect(),
        })
        .map(|frame| Ok::<_, actix_web::Error>(frame.octets()))
        .chain([Ok(Bytes::from_static(&wire::END))]);
    HttpResponse::Ok()
        .insert_header((EPOCH, epoch.as_str()))
        .insert_header((CHANGE, change))
        .content_type("application/octet-stream")
        .streaming(stream::iter(frames))
}

/// A piece of the answer, not yet in octets.
enum Frame {
    Whole(ListKey, Arc<ListStatus>),
    Step(ListKey, Step),
}

impl Frame {
    fn octets(self) -> Bytes {
        Bytes::from(match self {
            Self::Whole(key, list) => wire::encode(&key, &list),
            Self::Step(key, step) => wire::encode_step(&key, &step),
        })
    }
}
