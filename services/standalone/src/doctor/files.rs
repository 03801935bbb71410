//! What lies on disk: the data directory and its room, the key file, the operator's credential.

use std::{
    fs::Metadata,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::Path,
};

use warikan_runtime::Keys;
use warikan_types::Entropy;

use super::{Level, Report};
use crate::{compose::Role, config::Config};

const MIB: u64 = 1 << 20;
/// Below this a revocation list of full size may no longer fit.
const LITTLE: u64 = 1_024 * MIB;
/// Below this the next hour's facts may not fit; SQLite then refuses every write.
const TOO_LITTLE: u64 = 64 * MIB;

impl Report {
    pub(super) fn files(&mut self, config: &Config, role: Role) {
        self.data_directory(&config.data_dir);
        self.room(&config.data_dir);
        let own = config.data_dir.join("keys.json");
        match &config.keys_file {
            Some(file) => self.keys(file, true),
            None => self.keys(&own, false),
        }
        if let Some(file) = &config.operator_credential_file
            && matches!(role, Role::All | Role::Onboarding)
        {
            self.credential(file);
        }
    }

    fn data_directory(&mut self, directory: &Path) {
        let shown = directory.display();
        if !directory.exists() {
            let found = format!("{shown} does not exist yet; serve makes it");
            return self.add(Level::Note, "data directory", found, None);
        }
        match tempfile::tempfile_in(directory) {
            Ok(_) => self.good("data directory", format!("{shown} can be written")),
            Err(error) => self.wrong(
                "data directory",
                format!("{shown} cannot be written: {error}"),
                "give it to the user that the process runs as, on a file system that is mounted for writing",
            ),
        }
    }

    fn room(&mut self, directory: &Path) {
        // What does not exist yet will lie in the nearest folder that does.
        let there = directory
            .ancestors()
            .find(|folder| folder.exists())
            .unwrap_or(Path::new("."));
        let Ok(state) = rustix::fs::statvfs(there) else {
            return;
        };
        if state.f_blocks == 0 {
            // Not a file system that holds anything.
            return;
        }
        let free = state.f_bavail.saturating_mul(state.f_frsize);
        let (level, advice) = room(free);
        let found = format!("{} MiB free at {}", free / MIB, there.display());
        self.add(level, "disk space", found, advice);
    }

    fn keys(&mut self, path: &Path, configured: bool) {
        let shown = path.display();
        let Ok(metadata) = std::fs::metadata(path) else {
            if configured {
                return self.wrong(
                    "keys",
                    format!("{shown} is not there, or not for this user to see"),
                    "put the key file of this installation there (keys_file); `warikan keys` makes a new one, which opens nothing that is sealed already",
                );
            }
            let found = "none yet; serve makes them. Keep a backup: sealed data cannot be read without them";
            return self.add(Level::Note, "keys", found, None);
        };
        if let Some(who) = readers(&metadata) {
            return self.wrong(
                "keys",
                format!("{shown} can be read by {who} (mode {:o})", metadata.mode() & 0o777),
                "chmod 600 it, and consider its keys known: whoever read them can make tokens and open evidence",
            );
        }
        match Keys::load(path, &Entropy::system()) {
            Ok(_) => self.good("keys", "there, and private"),
            Err(error) => self.wrong("keys", error.to_string(), "restore it from the backup"),
        }
    }

    fn credential(&mut self, path: &Path) {
        let shown = path.display();
        match std::fs::metadata(path).map(|metadata| readers(&metadata)) {
            Ok(None) => self.good("operator's credential", "there, and private"),
            Ok(Some(who)) => self.wrong(
                "operator's credential",
                format!("{shown} can be read by {who}"),
                "chmod 600 it, and replace the credential",
            ),
            Err(error) => self.wrong(
                "operator's credential",
                format!("{shown}: {error}"),
                "mount what `warikan operator-credential` printed there, or leave operator_credential_file out",
            ),
        }
    }
}

/// Who else can read a file. A Secret that the kubelet mounts belongs to root and is readable to the pod's own group: that is as private as
/// it gets there; a file of this user's own has no reason to be.
fn readers(metadata: &Metadata) -> Option<&'static str> {
    let mode = metadata.permissions().mode();
    let ours = metadata.uid() == rustix::process::geteuid().as_raw();
    if mode & 0o007 != 0 {
        Some("everyone")
    } else if mode & 0o070 != 0 && ours {
        Some("its group")
    } else {
        None
    }
}

/// What so many free octets mean.
const fn room(free: u64) -> (Level, Option<&'static str>) {
    if free < TOO_LITTLE {
        (
            Level::Wrong,
            Some(
                "make room: where the disk is full every write is refused, and the platform answers 503",
            ),
        )
    } else if free < LITTLE {
        (
            Level::Note,
            Some("make room soon: a revocation list of full size needs some hundred MiB"),
        )
    } else {
        (Level::Good, None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f088_little_room_is_said_before_there_is_none() {
        assert_eq!(room(LITTLE).0, Level::Good);
        assert_eq!(room(LITTLE - 1).0, Level::Note);
        assert_eq!(room(TOO_LITTLE).0, Level::Note);
        let (level, advice) = room(TOO_LITTLE - 1);
        assert_eq!(level, Level::Wrong);
        assert!(advice.unwrap().contains("make room"));
    }
}
