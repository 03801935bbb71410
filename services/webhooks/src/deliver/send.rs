//! One attempt: signed now, sent once, and told in the words of the log.

use std::{sync::Arc, time::Duration};

use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use tokio::time::Instant;
use uuid::Uuid;
use warikan_types::Timestamp;

use super::lane::{Addressee, Job};
use crate::{
    Webhooks,
    egress::Sent,
    schedule::{Ending, retry_after},
    signature,
};

/// How one attempt ended.
#[derive(Clone)]
pub(crate) struct Outcome {
    pub delivery: Uuid,
    pub endpoint: Uuid,
    /// Which attempt, from 1.
    pub number: i32,
    pub at: Timestamp,
    pub to: Arc<Addressee>,
    /// `webhook-signature`; empty where it could not be signed.
    pub signature: String,
    pub ending: Ending,
    /// A stable word, where no answer came.
    pub error: Option<&'static str>,
    /// The beginning of the answer's body, where one came.
    pub answer: Option<String>,
    pub answer_cut: bool,
    pub duration: Duration,
}

impl Webhooks {
    pub(super) async fn send(&self, job: Job) -> Outcome {
        let begun = Instant::now();
        let at = self.now();
        let egress = &self.0.egress;
        let mut signed = String::new();
        // Judged anew each time: what was acceptable at registration may not be so by today's rules.
        let admitted = egress.admits(job.to.environment, &job.to.url);
        let sent = match (&job.to.secrets, admitted) {
            (Err(error), _) => {
                tracing::error!(endpoint = %job.to.endpoint, %error, "an endpoint's secret cannot be opened");
                Sent::Failed("secret_unreadable")
            }
            (Ok(_), Err(_)) => Sent::Failed("url_refused"),
            (Ok(secrets), Ok(target)) => {
                let id = job.event.to_string();
                signed = signature::header(secrets, &id, at.unix(), job.body.as_bytes());
                let headers = headers(id, at, &signed);
                egress.post(target, headers, job.body).await
            }
        };
        let mut outcome = Outcome {
            delivery: job.delivery,
            endpoint: job.to.endpoint,
            number: job.number,
            at,
            to: job.to,
            signature: signed,
            ending: Ending {
                status: None,
                retry_after: None,
            },
            error: None,
            answer: None,
            answer_cut: false,
            duration: begun.elapsed(),
        };
        match sent {
            Sent::Answered {
                status,
                retry_after: asked,
                answer,
                cut,
            } => {
                outcome.ending = Ending {
                    status: Some(status),
                    retry_after: asked.and_then(|text| retry_after(&text, self.now())),
                };
                outcome.answer = Some(as_text(&answer));
                outcome.answer_cut = cut;
            }
            Sent::Failed(word) => outcome.error = Some(word),
        }
        outcome
    }
}

/// Octets of a stranger as text that every database takes.
fn as_text(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets).replace('\0', "\u{fffd}")
}

/// The headers of Standard Webhooks; the timestamp is the attempt's.
fn headers(id: String, at: Timestamp, signature: &str) -> HeaderMap {
    let value = |text: String| {
        HeaderValue::try_from(text).expect("ids, numbers and base64 are visible ASCII")
    };
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert("webhook-id", value(id));
    headers.insert("webhook-timestamp", value(at.unix().to_string()));
    headers.insert("webhook-signature", value(signature.to_owned()));
    headers
}
