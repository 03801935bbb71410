//! The trust anchors: what the operator pins, and nothing that a request brings along.

use std::path::{Path, PathBuf};

use warikan_pki::{AnchorError, AnchorSet};
use warikan_types::Environment;

const PRODUCTION: [&[u8]; 6] = [
    include_bytes!("../anchors/production/signca01.cer"),
    include_bytes!("../anchors/production/signca02.cer"),
    include_bytes!("../anchors/production/signca03.cer"),
    include_bytes!("../anchors/production/authca01.cer"),
    include_bytes!("../anchors/production/authca02.cer"),
    include_bytes!("../anchors/production/authca03.cer"),
];
const SANDBOX: [&[u8]; 4] = [
    include_bytes!("../anchors/sandbox/signca-test-2019.cer"),
    include_bytes!("../anchors/sandbox/signca-test-2024.cer"),
    include_bytes!("../anchors/sandbox/authca-test-2019.cer"),
    include_bytes!("../anchors/sandbox/authca-test-2023.cer"),
];

/// The anchors cannot be used; the process does not start.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A file or directory cannot be read.
    #[error("cannot read the trust anchors in {path}: {source}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A certificate is no anchor for its environment: a test root in production, for instance (F033).
    #[error(transparent)]
    Anchor(#[from] AnchorError),
}

/// Collects the anchors: those compiled in or, for production, those of `production_directory` (DER files) instead; and
/// the sandbox's own roots.
///
/// # Errors
/// [`LoadError`].
pub fn load(
    production_directory: Option<&Path>,
    sandbox_roots: impl IntoIterator<Item = Vec<u8>>,
) -> Result<AnchorSet, LoadError> {
    let production = match production_directory {
        Some(directory) => read_directory(directory)?,
        None => PRODUCTION.iter().map(|der| der.to_vec()).collect(),
    };
    let sandbox = SANDBOX.iter().map(|der| der.to_vec()).chain(sandbox_roots);
    let all: Vec<(Environment, Vec<u8>)> = production
        .into_iter()
        .map(|der| (Environment::Production, der))
        .chain(sandbox.map(|der| (Environment::Sandbox, der)))
        .collect();
    Ok(AnchorSet::new(all)?)
}

fn read_directory(directory: &Path) -> Result<Vec<Vec<u8>>, LoadError> {
    let failed = |source| LoadError::Read {
        path: directory.to_owned(),
        source,
    };
    let mut files: Vec<PathBuf> = std::fs::read_dir(directory)
        .map_err(failed)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()
        .map_err(failed)?;
    files.retain(|path| {
        path.extension()
            .is_some_and(|extension| extension == "cer" || extension == "der")
    });
    files.sort();
    files
        .iter()
        .map(|path| std::fs::read(path).map_err(failed))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_compiled_in_roots_are_those_of_the_table() {
        let table = include_str!("../anchors/README.md");
        for (name, der) in [
            "signca01", "signca02", "signca03", "authca01", "authca02", "authca03",
        ]
        .iter()
        .zip(PRODUCTION)
        {
            let digest = hex::encode(warikan_pki::sha256(der));
            assert!(table.contains(&format!("| {name} | {digest} |")), "{name}");
        }
        assert_eq!(load(None, []).unwrap().iter().count(), 10);
    }

    #[test]
    fn f033_a_test_root_in_the_production_bundle_stops_the_start() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("root.cer"), SANDBOX[0]).unwrap();
        assert!(matches!(
            load(Some(directory.path()), []),
            Err(LoadError::Anchor(_))
        ));
    }
}
