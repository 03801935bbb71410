//! The key file on the disk: whole or not at all, and for its owner alone.

use std::{
    io::Write,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use warikan_types::Entropy;

use super::{KeyError, bytes, derived};
use crate::data_keys::NamedKey;

/// The name of the wrapping key that follows from `seal`.
const FIRST_WRAPPING: &str = "seal";

/// The file's content: hexadecimal, 32 octets each.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KeyFile {
    pub(super) token: String,
    pub(super) receipt: String,
    pub(super) seal: String,
    pub(super) pseudonym: String,
    pub(super) cursor: String,
    /// The keys that wrap the tenants' data keys, the one in force first. Without any the one is that follows from `seal`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) wrapping: Vec<WrappingKey>,
}

/// A key that wraps data keys.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrappingKey {
    /// Its name, which data keys remember.
    pub(super) name: String,
    /// Hexadecimal, 32 octets.
    pub(super) key: String,
}

impl KeyFile {
    pub(super) fn generate(entropy: &Entropy) -> Self {
        let key = || hex::encode(entropy.bytes::<32>());
        Self {
            token: key(),
            receipt: key(),
            seal: key(),
            pseudonym: key(),
            cursor: key(),
            wrapping: Vec::new(),
        }
    }

    /// Keys to be kept. The wrapping key follows from no other, so that it can be forgotten one day, and backups with it.
    pub(super) fn lasting(entropy: &Entropy) -> Self {
        let mut file = Self::generate(entropy);
        file.wrapping.push(WrappingKey::generate(entropy));
        file
    }

    pub(super) fn read(path: &Path) -> Result<Self, KeyError> {
        let text = std::fs::read(path).map_err(|source| KeyError::File {
            path: path.to_owned(),
            source,
        })?;
        serde_json::from_slice(&text).map_err(|_| KeyError::Content {
            path: path.to_owned(),
        })
    }

    pub(super) fn replace(&self, path: &Path) -> Result<(), KeyError> {
        replace_private(path, self).map_err(|source| KeyError::File {
            path: path.to_owned(),
            source,
        })
    }
}

impl WrappingKey {
    pub(super) fn generate(entropy: &Entropy) -> Self {
        Self {
            name: format!("wrapping-{}", hex::encode(entropy.bytes::<4>())),
            key: hex::encode(entropy.bytes::<32>()),
        }
    }
}

impl KeyFile {
    /// The keys that wrap data keys, the one in force first.
    pub(super) fn wrapping(&self) -> Option<Vec<NamedKey>> {
        let mut keys = Vec::with_capacity(self.wrapping.len() + 1);
        for one in &self.wrapping {
            keys.push(NamedKey {
                name: one.name.clone(),
                key: bytes(&one.key)?,
            });
        }
        keys.push(NamedKey {
            name: FIRST_WRAPPING.to_owned(),
            key: derived(&bytes(&self.seal)?, b"warikan wrapping key\x01"),
        });
        Some(keys)
    }
}

/// Writes the file whole or not at all, and never readable by others.
pub(super) fn write_private(path: &Path, file: &impl Serialize) -> std::io::Result<()> {
    let part = write_part(path, file)?;
    // A link and no rename: of several processes that start at once over no keys, one makes them and the others load those.
    let placed = std::fs::hard_link(&part, path);
    std::fs::remove_file(&part)?;
    match placed {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

/// The same in the place of the one that is there.
fn replace_private(path: &Path, file: &impl Serialize) -> std::io::Result<()> {
    let part = write_part(path, file)?;
    std::fs::rename(&part, path)?;
    // The rename itself is on the disk before anything is wrapped under the new key.
    path.parent()
        .map_or(Ok(()), |folder| std::fs::File::open(folder)?.sync_all())
}

fn write_part(path: &Path, file: &impl Serialize) -> std::io::Result<PathBuf> {
    let part = path.with_extension(format!("{}.part", std::process::id()));
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    let mut out = options.open(&part)?;
    out.write_all(&serde_json::to_vec_pretty(file)?)?;
    out.sync_all()?;
    Ok(part)
}
