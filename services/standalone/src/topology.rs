//! `warikan topology`: which service is where, and which paths it serves, as the gateway sees it.

use std::io::Write;

use crate::{compose, config::Config};

/// Prints it.
///
/// # Errors
/// It cannot be written.
pub fn print(config: &Config, out: &mut impl Write) -> std::io::Result<()> {
    for remote in compose::remotes(config) {
        writeln!(out, "{:<14}{}", remote.name, remote.addresses.join(", "))?;
        for path in remote.paths() {
            writeln!(out, "              {path}")?;
        }
    }
    Ok(())
}
