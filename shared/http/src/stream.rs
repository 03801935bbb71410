//! Long answers, told as they are read: what is held in memory does not follow from their length.

use std::{error::Error, future::Future, io};

use actix_web::{HttpResponse, web::Bytes};
use serde::Serialize;
use tokio::sync::mpsc;

/// Octets that are sent at once.
const CHUNK: usize = 64 * 1024;
/// Chunks that may wait for a slow reader.
const WAITING: usize = 4;

/// Nobody reads any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the reader of a long answer is gone")]
pub struct ReaderGone;

/// Where the lines of a long answer go.
pub struct Lines {
    to: mpsc::Sender<io::Result<Bytes>>,
    waiting: Vec<u8>,
}

impl Lines {
    /// Tells a line of JSON.
    ///
    /// # Errors
    /// [`ReaderGone`].
    ///
    /// # Panics
    /// Never for the plain structs that lines are.
    pub async fn tell(&mut self, line: &impl Serialize) -> Result<(), ReaderGone> {
        let text = serde_json::to_string(line).expect("what is told is plain data");
        self.text(&text).await?;
        self.text("\n").await
    }

    /// Tells text as it is.
    ///
    /// # Errors
    /// [`ReaderGone`].
    pub async fn text(&mut self, text: &str) -> Result<(), ReaderGone> {
        self.waiting.extend_from_slice(text.as_bytes());
        if self.waiting.len() >= CHUNK {
            self.flush().await?;
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), ReaderGone> {
        let chunk = Bytes::from(std::mem::take(&mut self.waiting));
        self.to.send(Ok(chunk)).await.map_err(|_| ReaderGone)
    }
}

/// An answer that `produce` tells line by line. If it fails on the way, the connection is cut: the reader sees that the answer is
/// not whole.
pub fn streamed<F, R, E>(media_type: &str, file_name: &str, produce: F) -> HttpResponse
where
    F: FnOnce(Lines) -> R,
    R: Future<Output = Result<Lines, E>> + 'static,
    E: Error + 'static,
{
    let (to, from) = mpsc::channel(WAITING);
    let lines = Lines {
        to: to.clone(),
        waiting: Vec::with_capacity(CHUNK),
    };
    let produced = produce(lines);
    actix_web::rt::spawn(async move {
        match produced.await {
            // Only fails when nobody reads any more.
            Ok(mut lines) => drop(lines.flush().await),
            Err(error) if !to.is_closed() => {
                tracing::error!(%error, "a long answer was cut off");
                let cut = io::Error::other("the answer could not be told to its end");
                drop(to.send(Err(cut)).await);
            }
            Err(_) => {}
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
