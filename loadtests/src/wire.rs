//! A client that costs next to nothing: it runs on the platform's own cores, so what it takes the platform does not get.
//!
//! Requests are octets before the clock starts; an answer is read up to its `Content-Length`, which every answer of the platform
//! to these requests has. One request is under way on a connection at a time.

use std::net::SocketAddr;

use anyhow::{Context, bail, ensure};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// No answer here is nearly as long.
const LONGEST: usize = 1 << 20;
const HEADERS: usize = 32;

/// An answer.
pub(crate) struct Answered {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
    /// Whether the server ends the connection after it: what was refused before its body was read does.
    pub(crate) closes: bool,
}

/// A connection that is kept open.
pub(crate) struct Connection {
    stream: TcpStream,
    read: Vec<u8>,
}

/// The octets of a `POST` (RFC 9112).
pub(crate) fn post(host: &str, token: &str, path: &str, key: &str, body: &str) -> Vec<u8> {
    format!(
        "POST {path} HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {token}\r\nidempotency-key: {key}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// The octets of a `GET` by anyone.
pub(crate) fn get(host: &str, path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nhost: {host}\r\n\r\n").into_bytes()
}

impl Connection {
    pub(crate) async fn open(to: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(to).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            read: Vec::with_capacity(8 << 10),
        })
    }

    pub(crate) async fn exchange(&mut self, request: &[u8]) -> anyhow::Result<Answered> {
        self.stream.write_all(request).await?;
        self.read.clear();
        loop {
            ensure!(self.read.len() < LONGEST, "an answer without end");
            let come = self.stream.read_buf(&mut self.read).await?;
            ensure!(come > 0, "the connection was closed before the answer");
            if let Some((status, head, length)) = head(&self.read)?
                && self.read.len() >= head + length
            {
                ensure!(
                    self.read.len() == head + length,
                    "more came than was asked for"
                );
                let body = self.read.split_off(head);
                let closes = String::from_utf8_lossy(&self.read).to_ascii_lowercase();
                return Ok(Answered {
                    status,
                    body,
                    closes: closes.contains("\r\nconnection: close\r\n"),
                });
            }
        }
    }
}

/// Status, octets of the head, octets of the body; `None` where the head is not whole yet.
fn head(octets: &[u8]) -> anyhow::Result<Option<(u16, usize, usize)>> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(end) = response.parse(octets)? else {
        return Ok(None);
    };
    let length = response
        .headers
        .iter()
        .find(|header| header.name.eq_ignore_ascii_case("content-length"));
    let Some(length) = length else {
        bail!("an answer without Content-Length");
    };
    let length = std::str::from_utf8(length.value)?.trim().parse()?;
    Ok(Some((response.code.context("no status")?, end, length)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answers_head_is_read_when_it_is_whole() {
        let answer = b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\nx: y\r\n\r\n{}";
        assert_eq!(head(answer).unwrap(), Some((201, answer.len() - 2, 2)));
        for end in 0..answer.len() - 2 {
            assert_eq!(head(&answer[..end]).unwrap(), None);
        }
        assert!(head(b"HTTP/1.1 204 No Content\r\n\r\n").is_err());
        assert!(head(b"nothing of the kind\r\n\r\n").is_err());
    }
}
