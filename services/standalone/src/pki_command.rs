//! `warikan pki`: the validation engine on standard input and output, without state.
//!
//! One JSON object a line in, one JSON object a line out, in the same order. The time is in the request; there is no
//! configuration, no database, no network. Conformance vectors are run through it, and so can be anything that an
//! auditor wants to see judged.
//!
//! A `path` request that says no more than the inputs of RFC 5280 6.1.1 is judged with the defaults of [`policy`]: an anchor counts within its
//! own validity and as far as it may issue; SHA-1 and RSA from 1024 bits count unless `forbid_sha1` is set, and so they do in `crl`
//! and `ocsp`. `signature` takes RSA from 2048 bits with any odd exponent from 3, PKCS#1 v1.5 with SHA-2 alone, and ECDSA and Ed25519. None of this
//! touches what the platform says of JPKI's certificates: `validate` has limits of its own.
//!
//! Whatever comes in, a line comes out: a request that is no JSON, has an unknown operation, lacks a field or is
//! longer than [`MAX_LINE`] is answered with `{"verdict":"refused","reason":..}`, and the next line is read.

mod answer;
mod operations;
mod policy;
mod request;

use std::io::{self, BufRead, Read, Write};

use answer::Answer;
use request::Request;

/// Longest request line in octets. The longest vector of the public suites has about a million.
const MAX_LINE: u64 = 32 * 1024 * 1024;

/// Answers line after line until the input ends.
///
/// # Errors
/// Only those of reading and writing.
pub fn run(mut input: impl BufRead, mut output: impl Write) -> io::Result<()> {
    let mut line = Vec::new();
    loop {
        line.clear();
        if input.by_ref().take(MAX_LINE).read_until(b'\n', &mut line)? == 0 {
            return output.flush();
        }
        let whole = line.last() == Some(&b'\n') || (line.len() as u64) < MAX_LINE;
        let answer = if whole {
            answer(&line)
        } else {
            skip_line(&mut input)?;
            Answer::refused("the line is too long")
        };
        serde_json::to_writer(&mut output, &answer)?;
        output.write_all(b"\n")?;
    }
}

/// Reads to the end of the line without keeping it.
fn skip_line(input: &mut impl BufRead) -> io::Result<()> {
    loop {
        let buffer = input.fill_buf()?;
        if buffer.is_empty() {
            return Ok(());
        }
        let end = buffer.iter().position(|octet| *octet == b'\n');
        let used = end.map_or(buffer.len(), |end| end + 1);
        input.consume(used);
        if end.is_some() {
            return Ok(());
        }
    }
}

fn answer(line: &[u8]) -> Answer {
    match serde_json::from_slice::<Request>(line) {
        Ok(request) => operations::answer(&request),
        Err(error) => Answer::refused(&format!("not a request: {error}")),
    }
}

#[cfg(test)]
mod tests;
