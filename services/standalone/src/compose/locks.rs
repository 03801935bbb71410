//! Who may use which database files.

use std::{fs::File, io, path::Path};

use super::{ComposeError, failed};

/// A new data directory is its owner's alone; one that exists keeps the mode its operator gave it.
pub(super) fn make_private(directory: &Path) -> Result<(), ComposeError> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt;
        builder.mode(0o700);
    }
    builder.create(directory).map_err(failed(format!(
        "cannot make the data directory {}",
        directory.display()
    )))
}

/// Locks the services' files, each for itself, so that processes of different services may share a directory. Held as long as
/// the process lives; the system releases it however the process ends.
pub(super) fn lock(directory: &Path, services: &[&str]) -> Result<Vec<File>, ComposeError> {
    services
        .iter()
        .map(|service| lock_one(directory, service))
        .collect()
}

fn lock_one(directory: &Path, service: &str) -> Result<File, ComposeError> {
    let path = directory.join(format!("{service}.lock"));
    let file = File::create(&path).map_err(failed(format!("cannot make {}", path.display())))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(ComposeError::InUse(directory.to_owned())),
        Err(std::fs::TryLockError::Error(source)) => Err(io_error(&path)(source)),
    }
}

fn io_error(path: &Path) -> impl FnOnce(io::Error) -> ComposeError {
    failed(format!("cannot lock {}", path.display()))
}
