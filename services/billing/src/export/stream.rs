//! Long answers, told as they are read: what is held in memory does not follow from their length.

use std::future::Future;

use actix_web::{HttpResponse, web::Bytes};
use serde::Serialize;
use tokio::sync::mpsc;

use crate::error::BillingError;

/// Octets that are sent at once.
const CHUNK: usize = 64 * 1024;
/// Chunks that may wait for a slow reader.
const WAITING: usize = 4;

/// Where the lines of a long answer go.
pub(crate) struct Lines {
    to: mpsc::Sender<Result<Bytes, BillingError>>,
    waiting: Vec<u8>,
}

impl Lines {
    /// Tells a line of JSON.
    pub(crate) async fn tell(&mut self, line: &impl Serialize) -> Result<(), BillingError> {
        let text = serde_json::to_string(line).expect("what is told is plain data");
        self.text(&text).await?;
        self.text("\n").await
    }

    /// Tells text as it is.
    pub(crate) async fn text(&mut self, text: &str) -> Result<(), BillingError> {
        self.waiting.extend_from_slice(text.as_bytes());
        if self.waiting.len() >= CHUNK {
            self.flush().await?;
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), BillingError> {
        let chunk = Bytes::from(std::mem::take(&mut self.waiting));
        self.to
            .send(Ok(chunk))
            .await
            .map_err(|_| BillingError::ReaderGone)
    }
}

/// An answer that `produce` tells line by line. If it fails on the way, the connection is cut: the reader sees that the answer is
/// not whole.
pub(crate) fn streamed<F, R>(media_type: &str, file_name: &str, produce: F) -> HttpResponse
where
    F: FnOnce(Lines) -> R,
    R: Future<Output = Result<Lines, BillingError>> + 'static,
{
    let (to, from) = mpsc::channel(WAITING);
    let lines = Lines {
        to: to.clone(),
        waiting: Vec::with_capacity(CHUNK),
    };
    let produced = produce(lines);
    actix_web::rt::spawn(async move {
        let finished = match produced.await {
            Ok(mut lines) => lines.flush().await,
            Err(error) => Err(error),
        };
        if let Err(error) = finished
            && !matches!(error, BillingError::ReaderGone)
        {
            tracing::error!(%error, "a long answer was cut off");
            // Only fails when nobody reads any more.
            let _ = to.send(Err(error)).await;
        }
    });
    let stream = futures_util::stream::unfold(from, |mut from| async {
        from.recv().await.map(|chunk| (chunk, from))
    });
    HttpResponse::Ok()
        .content_type(media_type)
        .insert_header((
            "Content-Disposition",
            format!("attachment; filename=\"{file_name}\""),
        ))
        .insert_header(("Cache-Control", "no-store"))
        .streaming(stream)
}
