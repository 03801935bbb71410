//! Lines out of a body that comes in pieces. What is held in memory does not follow from the body's length.

use actix_web::web::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt};

/// Octets a line may have: a certificate in base64 has about 3,000.
pub(crate) const LINE_OCTETS: usize = 16 * 1_024;

/// The body cannot be read on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LineError {
    #[error("the body ended before it was complete")]
    Broken,
    #[error("line {0} is longer than {LINE_OCTETS} octets")]
    TooLong(u64),
}

/// Reads a body line by line.
pub(crate) struct LineReader<S> {
    body: S,
    arrived: BytesMut,
    /// Octets of `arrived` that hold no line's end.
    looked: usize,
    ended: bool,
    number: u64,
}

impl<S, E> LineReader<S>
where
    S: Stream<Item = Result<Bytes, E>> + Unpin,
{
    pub(crate) fn new(body: S) -> Self {
        Self {
            body,
            arrived: BytesMut::new(),
            looked: 0,
            ended: false,
            number: 0,
        }
    }

    /// The next line that is not empty, with its number from 1 and without its end; `None` after the last.
    pub(crate) async fn next(&mut self) -> Result<Option<(u64, Bytes)>, LineError> {
        loop {
            let Some(mut line) = self.any().await? else {
                return Ok(None);
            };
            self.number += 1;
            if self.number == 1 && line.starts_with(b"\xef\xbb\xbf") {
                // A byte order mark: spreadsheets write one.
                line = line.slice(3..);
            }
            if !line.iter().all(u8::is_ascii_whitespace) {
                return Ok(Some((self.number, line)));
            }
        }
    }

    async fn any(&mut self) -> Result<Option<Bytes>, LineError> {
        loop {
            let end = self.arrived[self.looked..]
                .iter()
                .position(|octet| *octet == b'\n');
            if let Some(end) = end {
                let mut line = self.arrived.split_to(self.looked + end + 1);
                line.truncate(line.len() - 1);
                if line.ends_with(b"\r") {
                    line.truncate(line.len() - 1);
                }
                self.looked = 0;
                return if line.len() > LINE_OCTETS {
                    Err(LineError::TooLong(self.number + 1))
                } else {
                    Ok(Some(line.freeze()))
                };
            }
            self.looked = self.arrived.len();
            if self.looked > LINE_OCTETS + 1 {
                return Err(LineError::TooLong(self.number + 1));
            }
            if self.ended {
                self.looked = 0;
                let rest = self.arrived.split().freeze();
                return Ok((!rest.is_empty()).then_some(rest));
            }
            match self.body.next().await {
                Some(Ok(chunk)) => self.arrived.extend_from_slice(&chunk),
                Some(Err(_)) => return Err(LineError::Broken),
                None => self.ended = true,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;
    use proptest::prelude::*;

    use super::*;

    async fn read(body: &[u8], cut: usize) -> Result<Vec<(u64, Vec<u8>)>, LineError> {
        let pieces: Vec<_> = body
            .chunks(cut)
            .map(|piece| Ok::<_, ()>(Bytes::copy_from_slice(piece)))
            .collect();
        let mut lines = LineReader::new(stream::iter(pieces));
        let mut all = Vec::new();
        while let Some((number, line)) = lines.next().await? {
            all.push((number, line.to_vec()));
        }
        Ok(all)
    }

    proptest! {
        #[test]
        fn lines_are_the_same_however_they_were_cut(text in "[ab\r\n\u{3042}]{0,80}", cut in 1_usize..9) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let expected: Vec<(u64, Vec<u8>)> = (1..)
                .zip(text.split('\n'))
                .map(|(number, line)| (number, line.strip_suffix('\r').unwrap_or(line)))
                .filter(|(_, line)| !line.bytes().all(|octet| octet.is_ascii_whitespace()))
                .map(|(number, line)| (number, line.as_bytes().to_vec()))
                .collect();
            let last_has_return = text.rsplit('\n').next().is_some_and(|last| last.ends_with('\r'));
            prop_assume!(!last_has_return);
            prop_assert_eq!(runtime.block_on(read(text.as_bytes(), cut)), Ok(expected));
        }
    }

    #[tokio::test]
    async fn a_line_without_end_is_refused_before_it_fills_the_memory() {
        let mut body = b"\xef\xbb\xbfref\n".to_vec();
        body.extend(vec![b'x'; LINE_OCTETS]);
        assert_eq!(read(&body, 1_000).await.unwrap()[0], (1, b"ref".to_vec()));
        body.extend(vec![b'x'; 100_000]);
        assert_eq!(read(&body, 1_000).await, Err(LineError::TooLong(2)));
        assert_eq!(read(&body, body.len()).await, Err(LineError::TooLong(2)));
    }
}
