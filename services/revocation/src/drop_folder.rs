//! A source without a server: a folder into which somebody lays lists.
//!
//! A list is a file whose name ends in `.crl` and does not begin with a dot. Whoever brings one writes it under another name and
//! renames it, so that it appears whole; one that is shorter than its own first octets say is left alone until it is whole. What was
//! taken over moves to `done/`, what cannot be to `refused/`, with the reason in a file beside it; the oddity is shown to the operator until
//! that file is taken away. A crash between taking a list over and moving it repeats a look that finds nothing new.
//!
//! Which list a file is, only its signature and scope say: names mean nothing. Files are taken in the order in which they were last
//! written, deltas once more after everything else.

use std::{
    collections::HashSet,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use url::Url;
use uuid::Uuid;
use warikan_types::Environment;

use crate::{
    Revocation,
    accept_list::{AcceptError, Offer},
    gently::gently,
    problem::ListProblem,
    read_list::{ReadList, read_list},
    source::Validators,
    source_state::SourceState,
    store::{partition_text, sources},
    sync_crls::{SyncError, is_early},
};

const DONE: &str = "done";
const REFUSED: &str = "refused";

/// A file that may be a list.
#[derive(Debug, PartialEq, Eq)]
struct Dropped {
    written: Option<SystemTime>,
    path: PathBuf,
    name: String,
    octets: u64,
}

impl Revocation {
    /// Takes over what lies in the folder.
    pub(crate) async fn look_into(
        &self,
        source: &SourceState,
        folder: &Path,
    ) -> Result<(), SyncError> {
        let environment = source.environment;
        let troubled = sources::troubled(self.0.db.worker(), environment).await?;
        self.catch_up(self.0.db.worker()).await?;
        let files = match blocking(folder, files).await {
            Ok(files) => files,
            Err(error) => {
                let problem = ListProblem::Folder(error.to_string());
                self.note(environment, source.index.as_str(), &problem)
                    .await?;
                return Err(SyncError::Index {
                    environment,
                    why: problem.to_string(),
                });
            }
        };
        self.settle(environment, source.index.as_str(), &troubled)
            .await?;
        self.settle_removed(source, folder, &troubled).await?;
        let mut early = Vec::new();
        for file in files {
            let read = self.read_file(environment, &file).await;
            let read = match read {
                Ok(read) => Arc::new(read),
                Err(ListProblem::Incomplete) => {
                    self.note(
                        environment,
                        &address_of(&source.index, &file.name),
                        &ListProblem::Incomplete,
                    )
                    .await?;
                    continue;
                }
                Err(problem) => {
                    self.refuse(source, folder, &file, problem).await?;
                    continue;
                }
            };
            let accepted = self.take_file(source, &read).await?;
            if is_early(&accepted) {
                early.push((file, read));
            } else {
                self.put_away(source, folder, &file, accepted, &troubled)
                    .await?;
            }
        }
        for (file, read) in early {
            let accepted = self.take_file(source, &read).await?;
            self.put_away(source, folder, &file, accepted, &troubled)
                .await?;
        }
        let known = sources::known(self.0.db.worker(), environment).await?;
        let lists = known.values().filter_map(|(_, held)| held.as_ref());
        let lists: Vec<Uuid> = lists.map(|held| held.id).collect();
        self.confirm(environment, &lists).await
    }

    /// Reads and verifies a file; its octets are let go before anything else is done.
    async fn read_file(
        &self,
        environment: Environment,
        file: &Dropped,
    ) -> Result<ReadList, ListProblem> {
        let limit = self.0.config.crl_octets;
        if usize::try_from(file.octets).map_or(true, |octets| octets > limit) {
            return Err(ListProblem::TooLarge(limit));
        }
        let path = file.path.clone();
        let anchors = self.0.anchors.current();
        let at = self.time_of(environment);
        gently(move || {
            let octets = fs::read(path).map_err(|error| ListProblem::Folder(error.to_string()))?;
            if !is_whole(&octets) {
                return Err(ListProblem::Incomplete);
            }
            read_list(&octets, &anchors, environment, at)
        })
        .await
        .ok_or(ListProblem::Panicked)?
    }

    async fn take_file(
        &self,
        source: &SourceState,
        read: &Arc<ReadList>,
    ) -> Result<Result<Uuid, AcceptError>, SyncError> {
        let (environment, db) = (source.environment, self.0.db.worker());
        let mut url = source.index.clone();
        url.set_query(Some(&format!(
            "issuer={}&partition={}&form={}",
            read.key.issuer,
            partition_text(read.key.partition),
            read.form().as_str()
        )));
        let address = match sources::address(db, environment, url.as_str()).await? {
            Some(row) => row,
            None => {
                let row = self.new_address(environment, url.as_str());
                sources::add(db, std::slice::from_ref(&row)).await?;
                // Another process may have been quicker.
                sources::address(db, environment, url.as_str())
                    .await?
                    .unwrap_or(row)
            }
        };
        let offer = Offer {
            address: address.id,
            url: url.as_str(),
            list: Arc::clone(read),
            before: address.brought,
            validators: Validators::default(),
        };
        match self.accept(&offer).await {
            Err(AcceptError::Database(error)) => Err(error.into()),
            accepted => Ok(accepted),
        }
    }

    async fn put_away(
        &self,
        source: &SourceState,
        folder: &Path,
        file: &Dropped,
        accepted: Result<Uuid, AcceptError>,
        troubled: &HashSet<String>,
    ) -> Result<(), SyncError> {
        match accepted {
            Ok(_) => {
                let url = address_of(&source.index, &file.name);
                self.settle(source.environment, &url, troubled).await?;
                moved(folder, DONE, file, None).await;
                Ok(())
            }
            Err(AcceptError::Problem(problem)) => self.refuse(source, folder, file, problem).await,
            Err(AcceptError::Database(error)) => Err(error.into()),
        }
    }

    async fn refuse(
        &self,
        source: &SourceState,
        folder: &Path,
        file: &Dropped,
        problem: ListProblem,
    ) -> Result<(), SyncError> {
        let url = address_of(&source.index, &file.name);
        self.note(source.environment, &url, &problem).await?;
        let why = format!("{}: {problem}\n", problem.code());
        moved(folder, REFUSED, file, Some(why)).await;
        Ok(())
    }

    /// An oddity of a file lasts as long as the file lies there, refused or unfinished.
    async fn settle_removed(
        &self,
        source: &SourceState,
        folder: &Path,
        troubled: &HashSet<String>,
    ) -> Result<(), SyncError> {
        let base = address_of(&source.index, "");
        for url in troubled {
            let Some(name) = url.strip_prefix(&base).filter(|name| !name.is_empty()) else {
                continue;
            };
            let there = [folder.join(REFUSED).join(name), folder.join(name)];
            let there = there.into_iter().map(tokio::fs::try_exists);
            let mut lasts = false;
            for place in there {
                lasts |= place.await.unwrap_or(true);
            }
            if !lasts {
                self.settle(source.environment, url, troubled).await?;
            }
        }
        Ok(())
    }
}

/// How a file of the folder is called in the operator's list.
fn address_of(folder: &Url, name: &str) -> String {
    format!("{}/{name}", folder.as_str().trim_end_matches('/'))
}

async fn blocking<T: Send + 'static>(
    folder: &Path,
    work: fn(&Path) -> io::Result<T>,
) -> io::Result<T> {
    let folder = folder.to_owned();
    tokio::task::spawn_blocking(move || work(&folder))
        .await
        .map_err(io::Error::other)?
}

/// The lists that lie ready, in the order in which they were written.
fn files(folder: &Path) -> io::Result<Vec<Dropped>> {
    fs::create_dir_all(folder.join(DONE))?;
    fs::create_dir_all(folder.join(REFUSED))?;
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        // Of the entry itself: a link out of the folder is no list.
        let about = entry.metadata()?;
        if name.ends_with(".crl") && !name.starts_with('.') && about.is_file() {
            found.push(Dropped {
                written: about.modified().ok(),
                path: entry.path(),
                name,
                octets: about.len(),
            });
        }
    }
    found.sort_by(|a, b| (a.written, &a.name).cmp(&(b.written, &b.name)));
    Ok(found)
}

/// Whether there is as much as the first octets promise. What promises nothing is whole: a reader will say what it is.
fn is_whole(octets: &[u8]) -> bool {
    let [_, first, rest @ ..] = octets else {
        return false;
    };
    let count = usize::from(first & 0x7f);
    if *first < 0x80 {
        return rest.len() >= count;
    }
    match rest.split_at_checked(count) {
        Some((length, content)) if count <= 8 => {
            let length = length
                .iter()
                .fold(0_u64, |sum, octet| (sum << 8) | u64::from(*octet));
            content.len() as u64 >= length
        }
        Some(_) => true,
        None => false,
    }
}

/// Moves a file out of the way. That it cannot be moved harms nothing: it is looked at again.
async fn moved(folder: &Path, to: &str, file: &Dropped, why: Option<String>) {
    let place = folder.join(to).join(&file.name);
    if let Some(why) = why {
        let beside = folder.join(to).join(format!("{}.reason", file.name));
        if let Err(error) = tokio::fs::write(beside, why).await {
            tracing::warn!(file = %file.name, %error, "the reason cannot be written beside a refused list");
        }
    }
    match tokio::fs::rename(&file.path, place).await {
        // Another process was quicker.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => {
            tracing::warn!(file = %file.name, %error, "a list cannot be moved out of the drop folder");
        }
        Ok(()) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f044_a_file_that_is_not_whole_is_told_from_one_that_is() {
        for whole in [
            &[0x30, 0][..],
            &[0x30, 2, 5, 0],
            &[0x30, 0x81, 1, 0],
            &[0x30, 0x80],
            &[0x30, 0x89, 1, 1, 1, 1, 1, 1, 1, 1, 1],
        ] {
            assert!(is_whole(whole), "{whole:?}");
        }
        for part in [
            &[][..],
            &[0x30],
            &[0x30, 2, 5],
            &[0x30, 0x82, 1],
            &[0x30, 0x82, 0, 3, 1, 2],
        ] {
            assert!(!is_whole(part), "{part:?}");
        }
    }
}
