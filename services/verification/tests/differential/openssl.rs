//! The `openssl` program as the other judge.

use std::{
    collections::HashMap,
    fs,
    path::PathBuf,
    process::{Command, Output},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use tempfile::TempDir;

/// What it says about one certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Word {
    Accepted,
    /// It read no certificate out of the file.
    Unreadable,
    /// The first `error N` of `X509_V_ERR_..`.
    Refused(u32),
}

/// A directory of files to show it.
pub struct Bench(TempDir);

/// Whether there is such a program, in a line of its own if not.
pub fn is_there() -> bool {
    let there = Command::new("openssl")
        .arg("version")
        .output()
        .is_ok_and(|output| output.status.success());
    if !there {
        println!("skipped: no openssl on the path");
    }
    there
}

impl Bench {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn write(&self, name: &str, label: &str, ders: &[&[u8]]) {
        let text: String = ders.iter().map(|der| pem(label, der)).collect();
        fs::write(self.path(name), text).unwrap();
    }

    pub fn run(&self, arguments: &[&str], files: &[String]) -> Output {
        Command::new("openssl")
            .args(arguments)
            .args(files)
            .current_dir(self.0.path())
            .env("LC_ALL", "C")
            .output()
            .unwrap()
    }

    /// `openssl verify` over all of them, hundreds per process; `roots.pem` must have been written.
    pub fn verify(&self, options: &[&str], leaves: &[&[u8]]) -> Vec<Word> {
        let names: Vec<String> = (0..leaves.len()).map(|n| format!("c{n}.pem")).collect();
        for (name, der) in names.iter().zip(leaves) {
            self.write(name, "CERTIFICATE", &[der]);
        }
        let fixed = [
            "verify",
            "-CAfile",
            "roots.pem",
            "-no-CApath",
            "-no-CAstore",
        ];
        let arguments: Vec<&str> = fixed.iter().chain(options).copied().collect();
        let mut words = HashMap::new();
        for batch in names.chunks(300) {
            read_words(&self.run(&arguments, batch), &mut words);
        }
        names
            .iter()
            .map(|name| words.remove(name).unwrap_or(Word::Unreadable))
            .collect()
    }
}

fn read_words(output: &Output, words: &mut HashMap<String, Word>) {
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        if let Some(name) = line.strip_suffix(": OK") {
            words.insert(name.to_owned(), Word::Accepted);
        }
    }
    let mut code = None;
    for line in String::from_utf8_lossy(&output.stderr).lines() {
        let Some(rest) = line.strip_prefix("error ") else {
            continue;
        };
        if let Some(name) = rest.strip_suffix(": verification failed") {
            words.insert(name.to_owned(), Word::Refused(code.take().unwrap_or(0)));
        } else if let Some((number, _)) = rest.split_once(" at ") {
            code = code.or(number.parse().ok());
        }
    }
}

pub fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let mut out = format!("-----BEGIN {label}-----\n");
    for line in text.as_bytes().chunks(64) {
        out.push_str(std::str::from_utf8(line).unwrap());
        out.push('\n');
    }
    out.push_str(&format!("-----END {label}-----\n"));
    out
}
