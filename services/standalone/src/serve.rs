//! `warikan serve`.

use std::{io::Write, net::TcpListener, path::Path};

use tokio::signal::unix::{SignalKind, signal};

use crate::{
    compose::{self, ComposeError, failed},
    config::Config,
};

/// Serves until SIGTERM or SIGINT, then drains.
///
/// # Errors
/// [`ComposeError`] where it cannot start.
pub async fn run(config: &Config, out: &mut impl Write) -> Result<(), ComposeError> {
    // Bound before anything is opened: a port that is taken is the commonest reason not to start.
    let listener = TcpListener::bind(&config.listen)
        .map_err(failed(format!("cannot listen on {}", config.listen)))?;
    let address = listener
        .local_addr()
        .map_err(failed("cannot read the port"))?;
    let house = compose::open(config, compose::clocks(), address).await?;
    let bootstrap = house.bootstrap.clone();
    let running = house.serve(listener)?;
    announce(out, address, &bootstrap.path, bootstrap.created, config)
        .map_err(failed("cannot write to standard output"))?;
    wait_for_signal()
        .await
        .map_err(failed("cannot wait for signals"))?;
    tracing::info!("stopping: finishing what is under way");
    running.stop().await.map_err(failed("the server failed"))
}

fn announce(
    out: &mut impl Write,
    address: std::net::SocketAddr,
    credential: &Path,
    created: bool,
    config: &Config,
) -> std::io::Result<()> {
    writeln!(out, "warikan serves")?;
    writeln!(out, "  API            http://{address}/v1")?;
    writeln!(
        out,
        "  documentation  http://{address}/docs/   (OpenAPI: http://{address}/openapi.json)"
    )?;
    if config.sandbox.enabled {
        writeln!(out, "  sandbox        http://{address}/sandbox/persons")?;
    }
    writeln!(out, "  readiness      http://{address}/health/ready")?;
    writeln!(
        out,
        "  operator       {} ({})",
        credential.display(),
        if created {
            "the first credential, made just now"
        } else {
            "written at the first start"
        }
    )?;
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
