//! One part of the platform as a program of its own: it serves its role and knows no other command.
//!
//! The same composition as `warikan serve --role`, so a part is the same under either name.

use std::{io::stdout, process::ExitCode};

use clap::{CommandFactory, FromArgMatches, Parser};

use crate::{
    cli::{self, Options},
    compose::Role,
};

/// Serves one part of the platform until SIGTERM.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(flatten)]
    options: Options,
}

/// The program `warikan-<role>`; the exit code is 0 only where it was told to stop and did.
#[must_use]
pub fn main(role: Role) -> ExitCode {
    let command = Arguments::command().name(role.program());
    let arguments = match Arguments::from_arg_matches(&command.get_matches()) {
        Ok(arguments) => arguments,
        Err(error) => error.exit(),
    };
    cli::on_runtime(async {
        let config = arguments.options.load()?;
        cli::serve(&config, role, &mut stdout()).await?;
        Ok(true)
    })
}
