//! `warikan pki`: the validation engine on standard input and output, without state.
//!
//! One JSON object a line in, one JSON object a line out, in the same order. The time is in the request; there is no
//! configuration, no database, no network. Conformance vectors are run through it, and so can be anything that an
//! auditor wants to see judged.
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
mod tests {
    use super::*;

    fn ask(input: &[u8]) -> Vec<serde_json::Value> {
        let mut output = Vec::new();
        run(input, &mut output).unwrap();
        String::from_utf8(output)
            .unwrap()
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    #[test]
    fn f056_every_line_has_an_answer() {
        let answers = ask(b"\n{}\nnot json\n{\"operation\":\"fly\"}\n[1]\n\xff\xfe\n{\"operation\":\"parse\",\"kind\":\"any\",\"der\":\"MAA=\"}");
        assert_eq!(answers.len(), 7);
        for answer in &answers {
            assert_eq!(answer["verdict"], "refused", "{answer}");
            assert!(answer["reason"].is_string());
        }
    }

    #[test]
    fn f056_deep_nesting_is_refused() {
        let deep = format!("{}{}\n", "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(ask(deep.as_bytes())[0]["verdict"], "refused");
    }

    #[test]
    fn f056_a_line_that_is_too_long_is_skipped_and_the_next_one_answered() {
        struct Endless(u64);
        impl io::Read for Endless {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                let length = buffer.len().min(usize::try_from(self.0).unwrap());
                buffer[..length].fill(b' ');
                self.0 -= length as u64;
                Ok(length)
            }
        }
        let input = io::BufReader::new(Endless(MAX_LINE + 1).chain(&b"\n{}\n"[..]));
        let mut output = Vec::new();
        run(input, &mut output).unwrap();
        let text = String::from_utf8(output).unwrap();
        assert_eq!(text.lines().count(), 2);
        assert!(text.lines().next().unwrap().contains("too long"));
    }
}
