//! The key file on the disk: whole or not at all, and for its owner alone.

use std::{
    io::Write,
    path::{Path, PathBuf},
};

use serde::Serialize;

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
pub(super) fn replace_private(path: &Path, file: &impl Serialize) -> std::io::Result<()> {
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
