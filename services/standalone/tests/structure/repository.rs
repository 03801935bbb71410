//! The working copy: where it is, and what is tracked in it.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// The repository's top.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .expect("the crate lies two folders below the top")
}

/// Every file that is tracked, or new and not ignored, relative to the top. Without a git repository (a source archive): every
/// file but build output.
pub(crate) fn files() -> Vec<PathBuf> {
    let root = root();
    let listed = Command::new("git")
        .args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ])
        .current_dir(&root)
        .output();
    let mut files = match listed {
        Ok(output) if output.status.success() => String::from_utf8(output.stdout)
            .expect("paths are UTF-8")
            .split_terminator('\0')
            .map(PathBuf::from)
            .collect(),
        _ => walked(&root),
    };
    // A file may be deleted and not yet committed so.
    files.retain(|path| root.join(path).is_file());
    files.sort();
    files.dedup();
    assert!(files.len() > 100, "only {} files were found", files.len());
    files
}

fn walked(root: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let ignored = path
                .file_name()
                .is_some_and(|name| name == "target" || name == ".git" || name == "warikan-data");
            if path.is_dir() && !ignored {
                folders.push(path);
            } else if path.is_file() {
                files.push(path.strip_prefix(root).unwrap().to_owned());
            }
        }
    }
    files
}

/// The Rust files, with their text.
pub(crate) fn rust_files() -> Vec<(PathBuf, String)> {
    let root = root();
    files()
        .into_iter()
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .map(|path| {
            let text = std::fs::read_to_string(root.join(&path)).unwrap();
            (path, text)
        })
        .collect()
}

/// A TOML file of the repository.
pub(crate) fn toml_file(path: impl AsRef<Path>) -> toml::Table {
    let path = root().join(path);
    let text = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()));
    text.parse()
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Whether a file belongs to a crate's tests (and not to what is shipped).
pub(crate) fn is_test(path: &Path) -> bool {
    path.components()
        .any(|part| part.as_os_str() == "tests" || part.as_os_str() == "benches")
}
