//! The only composition root: which services a process holds, and what each is given.

use std::{
    fs::File,
    io,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    sync::Arc,
};

use actix_web::dev::ServerHandle;
use tokio::task::JoinHandle;
use warikan_billing::Billing;
use warikan_gateway::Gateway;
use warikan_messaging::Bus;
use warikan_onboarding::{Bootstrap, Onboarding};
use warikan_revocation::{Revocation, Source};
use warikan_runtime::{
    Clocks, Databases, KeyError, Keys, Module, OpenError, Platform, RunningTasks,
};
use warikan_sandbox::Sandbox;
use warikan_types::{Clock, Entropy, Environment};
use warikan_verification::Verification;
use warikan_webhooks::Webhooks;

use crate::{
    anchors::{self, LoadError},
    config::Config,
};

/// The house cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum ComposeError {
    /// A directory or port cannot be used.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// Why it failed.
        source: io::Error,
    },
    /// Another process uses the same data directory.
    #[error("{} is in use by another warikan process; two on one directory would tear its databases", .0.display())]
    InUse(PathBuf),
    /// The key file.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// A service.
    #[error(transparent)]
    Service(#[from] OpenError),
    /// The trust anchors.
    #[error(transparent)]
    Anchors(#[from] LoadError),
}

/// Wraps an IO error with what was tried.
pub fn failed(what: impl Into<String>) -> impl FnOnce(io::Error) -> ComposeError {
    let what = what.into();
    move |source| ComposeError::Io { what, source }
}

/// Every service, opened, not yet serving.
pub struct House {
    /// What the services were opened over.
    pub platform: Platform,
    /// The services.
    pub modules: Vec<Module>,
    /// Where the operator's first credential is.
    pub bootstrap: Bootstrap,
    workers: usize,
    _lock: File,
}

/// The two clocks of `serve`: production's is the machine's, the sandbox's can be moved.
#[must_use]
pub fn clocks() -> Clocks {
    Clocks {
        production: Clock::system(),
        sandbox: Clock::adjustable(std::time::Duration::ZERO),
    }
}

/// Opens (and migrates) every service. `own_address` is where the process will listen: the sandbox's lists are fetched
/// from there, over HTTP, as J-LIS' are from elsewhere.
///
/// # Errors
/// [`ComposeError`]; nothing is left running.
pub async fn open(
    config: &Config,
    clocks: Clocks,
    own_address: SocketAddr,
) -> Result<House, ComposeError> {
    let directory = &config.data_dir;
    make_private(directory).map_err(failed(format!(
        "cannot make the data directory {}",
        directory.display()
    )))?;
    let lock = lock(directory)?;
    let entropy = Entropy::system();
    let platform = Platform {
        clocks,
        keys: Keys::load_or_create(&directory.join("keys.json"), &entropy)?,
        entropy,
        bus: Bus::in_process(),
        databases: Databases::SqliteDirectory(directory.clone()),
    };

    let mut modules = Vec::new();
    let mut sandbox_roots = Vec::new();
    let mut revocation_config = config.revocation.clone();
    if config.sandbox.enabled {
        let sandbox = Sandbox::open(warikan_sandbox::Config::default(), &platform).await?;
        sandbox_roots.extend(sandbox.roots().iter().map(|root| root.der.clone()));
        revocation_config.sources.push(Source {
            environment: Environment::Sandbox,
            index_url: format!("http://{own_address}/jlis/crl/index.json"),
        });
        modules.push(sandbox.module());
    }
    let anchors = Arc::new(anchors::load(
        config.production.anchors.as_deref(),
        sandbox_roots,
    )?);
    let onboarding =
        Onboarding::open(directory.join("operator-credential.json"), &platform).await?;
    let revocation = Revocation::open(revocation_config, &platform, Arc::clone(&anchors)).await?;
    let verification = Verification::open(
        config.verification.clone(),
        &platform,
        anchors,
        revocation.status(),
    )
    .await?;
    let webhooks = Webhooks::open(config.webhooks.clone(), &platform).await?;
    let billing = Billing::open(config.billing.clone(), &platform).await?;
    modules.extend([
        onboarding.module(),
        verification.module(),
        revocation.module(),
        webhooks.module(),
        billing.module(),
    ]);
    Ok(House {
        platform,
        modules,
        bootstrap: onboarding.bootstrap().clone(),
        workers: config.workers,
        _lock: lock,
    })
}

/// A new data directory is its owner's alone; one that exists keeps the mode its operator gave it.
fn make_private(directory: &Path) -> io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt;
        builder.mode(0o700);
    }
    builder.create(directory)
}

/// Held as long as the process lives; the system releases it however the process ends.
fn lock(directory: &Path) -> Result<File, ComposeError> {
    let path = directory.join("lock");
    let file = File::create(&path).map_err(failed(format!("cannot make {}", path.display())))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(ComposeError::InUse(directory.to_owned())),
        Err(std::fs::TryLockError::Error(source)) => {
            Err(failed(format!("cannot lock {}", path.display()))(source))
        }
    }
}

/// A house that serves.
pub struct Running {
    server: ServerHandle,
    served: JoinHandle<io::Result<()>>,
    tasks: RunningTasks,
    _house: House,
}

impl House {
    /// The edge over these services.
    #[must_use]
    pub fn gateway(&self) -> Gateway {
        Gateway::new(self.platform.clone(), self.modules.clone(), self.workers)
    }

    /// Connects the bus, serves on the listener and starts the tasks.
    ///
    /// # Errors
    /// The listener cannot be used.
    pub fn serve(self, listener: TcpListener) -> Result<Running, ComposeError> {
        let consumers = self
            .modules
            .iter()
            .flat_map(|module| module.consumers.iter().cloned());
        self.platform.bus.connect(consumers.collect());
        let server = self
            .gateway()
            .serve(listener)
            .map_err(failed("cannot serve"))?;
        let handle = server.handle();
        let served = tokio::spawn(server);
        let tasks = self
            .modules
            .iter()
            .flat_map(|module| module.tasks.iter().cloned());
        Ok(Running {
            server: handle,
            served,
            tasks: RunningTasks::spawn(tasks.collect()),
            _house: self,
        })
    }
}

impl Running {
    /// Finishes what is under way and stops: requests first, then tasks.
    ///
    /// # Errors
    /// The server had failed.
    pub async fn stop(self) -> io::Result<()> {
        self.server.stop(true).await;
        self.tasks.stop().await;
        self.served.await.map_err(io::Error::other)?
    }
}
