//! No float anywhere in billing: neither a type nor a figure with a fraction.

#![allow(
    clippy::unwrap_used,
    reason = "the lint knows test functions, not what they share"
)]

use std::path::{Path, PathBuf};

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Whether code (not a comment, not a text) holds a float: one of the types, or digits around a point.
fn has_float(line: &str) -> bool {
    let code: String = line
        .split("//")
        .next()
        .unwrap_or_default()
        .split('"')
        .step_by(2)
        .flat_map(str::chars)
        .map(|character| if character.is_ascii() { character } else { ' ' })
        .collect();
    let words = code.split(|c: char| !c.is_alphanumeric() && c != '_');
    let typed = words
        .into_iter()
        .any(|word| word.ends_with("f32") || word.ends_with("f64"));
    let octets = code.as_bytes();
    let pointed = octets.windows(3).enumerate().any(|(place, three)| {
        let number = code[..=place]
            .rsplit(|c: char| !c.is_ascii_digit() && c != '_')
            .next()
            .unwrap_or_default();
        // `pair.0.1` is a field of a field, no figure.
        let before = code[..=place].strip_suffix(number).unwrap_or_default();
        three[0].is_ascii_digit()
            && three[1] == b'.'
            && three[2].is_ascii_digit()
            && !before.ends_with('.')
    });
    typed || pointed
}

#[test]
fn f077_no_float_occurs_in_billing() {
    for (line, float) in [
        ("let a = 0.5;", true),
        ("let a: f64 = x;", true),
        ("let a = 1f32;", true),
        ("a.0.1", false),
        ("\"0.5\" // 0.5", false),
        ("(1..2)", false),
    ] {
        assert_eq!(has_float(line), float, "{line}");
    }
    let mut found = Vec::new();
    sources(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("src"),
        &mut found,
    );
    assert!(found.len() > 30, "{} files", found.len());
    let mut floats = Vec::new();
    for path in found {
        let text = std::fs::read_to_string(&path).unwrap();
        for (number, line) in (1..).zip(text.lines()) {
            if has_float(line) {
                floats.push(format!("{}:{number}: {line}", path.display()));
            }
        }
    }
    assert_eq!(floats, Vec::<String>::new());
}
