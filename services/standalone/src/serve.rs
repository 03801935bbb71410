//! `warikan serve`.

mod schema;

use std::{io::Write, net::TcpListener};

use tokio::signal::unix::{SignalKind, signal};
use warikan_onboarding::Bootstrap;

use crate::{
    compose::{ComposeError, Role, failed},
    config::Config,
};

/// Serves until SIGTERM or SIGINT, then drains. Where the schema is older than the program, it waits for the migration.
///
/// # Errors
/// [`ComposeError`] where it cannot start.
pub async fn run(config: &Config, role: Role, out: &mut impl Write) -> Result<(), ComposeError> {
    no_core_dumps();
    // Bound before anything is opened: a port that is taken is the commonest reason not to start.
    let listen = role.listen(config);
    let listener =
        TcpListener::bind(&listen).map_err(failed(format!("cannot listen on {listen}")))?;
    let address = listener
        .local_addr()
        .map_err(failed("cannot read the port"))?;
    let (mut house, listener) = tokio::select! {
        opened = schema::open(config, role, listener, address, out) => opened?,
        told = wait_for_signal() => return told.map_err(failed("cannot wait for signals")),
    };
    house.learn().await;
    let bootstrap = house.bootstrap.clone();
    let ops = match &config.ops.listen {
        Some(at) => Some(TcpListener::bind(at).map_err(failed(format!("cannot listen on {at}")))?),
        None => None,
    };
    let running = house.serve_observed(listener, ops)?;
    announce(out, role, address, bootstrap.as_ref(), config)
        .map_err(failed("cannot write to standard output"))?;
    wait_for_signal()
        .await
        .map_err(failed("cannot wait for signals"))?;
    tracing::info!("stopping: finishing what is under way");
    running.stop().await.map_err(failed("the server failed"))
}

/// Keys, tokens and what is being verified lie in memory; a core dump would lay them on a disk (F096).
fn no_core_dumps() {
    #[cfg(target_os = "linux")]
    if let Err(error) =
        rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)
    {
        tracing::warn!(%error, "a crash of this process may dump its memory, keys included");
    }
}

fn announce(
    out: &mut impl Write,
    role: Role,
    address: std::net::SocketAddr,
    bootstrap: Option<&Bootstrap>,
    config: &Config,
) -> std::io::Result<()> {
    match role {
        Role::All => writeln!(out, "warikan serves")?,
        role => writeln!(out, "warikan serves ({role})")?,
    }
    if let Role::All | Role::Gateway = role {
        writeln!(out, "  API            http://{address}/v1")?;
        writeln!(
            out,
            "  documentation  http://{address}/docs/   (OpenAPI: http://{address}/openapi.json)"
        )?;
        if config.sandbox.enabled {
            writeln!(out, "  sandbox        http://{address}/sandbox/persons")?;
        }
        writeln!(out, "  readiness      http://{address}/health/ready")?;
    } else {
        writeln!(
            out,
            "  inner          http://{address}   (for the platform's own processes)"
        )?;
    }
    if let Some(bootstrap) = bootstrap {
        let made = if bootstrap.created {
            "the first credential, made just now"
        } else {
            "written at the first start"
        };
        writeln!(
            out,
            "  operator       {} ({made})",
            bootstrap.path.display()
        )?;
    }
    writeln!(out, "  data           {}", config.data_dir.display())?;
    out.flush()
}

async fn wait_for_signal() -> std::io::Result<()> {
    let mut term = signal(SignalKind::terminate())?;
    let mut int = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
    }
    Ok(())
}
