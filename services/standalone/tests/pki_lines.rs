//! `warikan pki` over the fuzz targets' corpus of lines and mutations of it: whatever comes in, a line goes out, and the
//! same one again.
#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "test code: a panic is how a test fails"
)]

use std::{fs, path::Path};

use serde_json::Value;

const MUTANTS: u64 = 400;

/// Numbers that look random and are the same in every run (xorshift64).
struct Rng(u64);

impl Rng {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }
}

fn ask(input: &[u8]) -> Vec<Value> {
    let mut output = Vec::new();
    warikan::pki_command::run(input, &mut output).unwrap();
    let lines: Vec<&[u8]> = output.split_inclusive(|octet| *octet == b'\n').collect();
    lines
        .iter()
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect()
}

fn mutant(line: &[u8], rng: &mut Rng) -> Vec<u8> {
    // What JSON is made of, what base64 is made of, and what neither is.
    const OCTETS: &[u8] = b"\"{}[]:,\\\n0-9eE.nulltrueABCD/+=\0\x7f\x80\xff";
    let mut out = line.to_vec();
    for _ in 0..=rng.below(4) {
        let place = rng.below(out.len().max(1)).min(out.len());
        match rng.below(5) {
            0 => out.truncate(place),
            1 if place < out.len() => drop(out.remove(place)),
            2 if place < out.len() => out[place] ^= 1 << rng.below(8),
            _ => out.insert(place, OCTETS[rng.below(OCTETS.len())]),
        }
    }
    out
}

#[test]
fn f056_every_line_of_any_octets_has_its_answer() {
    let folder =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/pki/fuzz/corpus/line_json");
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    assert!(files.len() >= 7);
    let mut rng = Rng(0x57_41_52_49);
    let mut said = std::collections::BTreeMap::<String, usize>::new();
    for file in files {
        let lines = fs::read(file).unwrap();
        for round in 0..MUTANTS {
            let input = if round == 0 {
                lines.clone()
            } else {
                mutant(&lines, &mut rng)
            };
            let expected = input.split_inclusive(|octet| *octet == b'\n').count();
            let answers = ask(&input);
            assert_eq!(answers.len(), expected, "an answer a line");
            assert_eq!(answers, ask(&input), "the same again");
            for answer in answers {
                let words = [&answer["verdict"], &answer["status"]];
                let word = words.into_iter().find_map(Value::as_str).unwrap();
                *said.entry(word.to_owned()).or_default() += 1;
            }
        }
    }
    // Mutations that reach the operations, and not only the reader of JSON.
    for word in ["refused", "invalid", "unknown", "good"] {
        assert!(said.get(word).is_some_and(|count| *count > 4), "{said:?}");
    }
}
