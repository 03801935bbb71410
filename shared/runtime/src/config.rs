//! Configuration: a TOML file, then the environment on top; unknown keys are refused by the target's type.

use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use toml::{Table, Value};

/// The configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is no TOML.
    #[error("{path} is not TOML: {source}")]
    Syntax {
        /// Which file.
        path: PathBuf,
        /// Where.
        source: toml::de::Error,
    },
    /// A key is unknown, missing or of another type.
    #[error("the configuration is not acceptable: {0}")]
    Content(toml::de::Error),
}

/// Loads a `T` (whose type should `deny_unknown_fields`) from `file`, if any, with variables named
/// `<prefix>_SECTION__KEY` laid over it: `WARIKAN_WEBHOOKS__ALLOW_LOOPBACK=true` sets `webhooks.allow_loopback`.
///
/// # Errors
/// [`ConfigError`], naming the key.
pub fn load<T: DeserializeOwned>(
    file: Option<&Path>,
    prefix: &str,
    environment: impl IntoIterator<Item = (String, String)>,
) -> Result<T, ConfigError> {
    let mut table = match file {
        None => Table::new(),
        Some(path) => std::fs::read_to_string(path)
            .map_err(|source| ConfigError::Read {
                path: path.to_owned(),
                source,
            })?
            .parse()
            .map_err(|source| ConfigError::Syntax {
                path: path.to_owned(),
                source,
            })?,
    };
    for (name, text) in environment {
        let Some(key) = name
            .strip_prefix(prefix)
            .and_then(|rest| rest.strip_prefix('_'))
        else {
            continue;
        };
        let path: Vec<String> = key.split("__").map(str::to_ascii_lowercase).collect();
        set(&mut table, &path, &text);
    }
    T::deserialize(Value::Table(table)).map_err(ConfigError::Content)
}

/// A value that reads as TOML (`true`, `3`, `["a"]`) is that; any other is text.
fn set(table: &mut Table, path: &[String], text: &str) {
    let Some((first, rest)) = path.split_first() else {
        return;
    };
    if rest.is_empty() {
        let value = format!("value = {text}")
            .parse::<Table>()
            .ok()
            .and_then(|mut parsed| parsed.remove("value"))
            .unwrap_or_else(|| Value::String(text.to_owned()));
        table.insert(first.clone(), value);
    } else if let Value::Table(inner) = table
        .entry(first.clone())
        .or_insert_with(|| Value::Table(Table::new()))
    {
        set(inner, rest, text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(serde::Deserialize, Debug, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        listen: String,
        inner: Inner,
    }
    #[derive(serde::Deserialize, Debug, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        on: bool,
    }

    fn variables(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn the_environment_lies_over_the_file_and_unknown_keys_are_refused() {
        let read = |pairs| load::<Sample>(None, "WARIKAN", variables(pairs));
        let good = read(&[
            ("WARIKAN_LISTEN", "127.0.0.1:1"),
            ("WARIKAN_INNER__ON", "true"),
            ("PATH", "/bin"),
        ]);
        assert_eq!(
            good.unwrap(),
            Sample {
                listen: "127.0.0.1:1".to_owned(),
                inner: Inner { on: true }
            }
        );
        let error = read(&[
            ("WARIKAN_LISTEN", "x"),
            ("WARIKAN_INNER__ON", "true"),
            ("WARIKAN_INNER__OF", "1"),
        ]);
        assert!(error.unwrap_err().to_string().contains("of"));
    }
}
