//! The platform that is measured: a process of our own, or one that runs already.

use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};
use serde_json::Value;
use tempfile::TempDir;

use crate::caller::Caller;

/// How long a start or a stop may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often a starting process is asked whether it answers.
const LOOK: Duration = Duration::from_millis(2);

const NOT_OURS: &str = "only a process of our own is looked at";

/// The services, in the order in which they are started: those that others follow come first.
const SERVICES: [&str; 6] = [
    "sandbox",
    "revocation",
    "onboarding",
    "verification",
    "webhooks",
    "billing",
];

/// Where the platform is.
#[derive(Clone)]
pub(crate) enum Place {
    /// To be started.
    Binary(PathBuf),
    /// To be started as a gateway and six services, with this broker (`amqp://..`, an empty vhost) between them.
    Split {
        /// The binary.
        binary: PathBuf,
        /// The broker.
        broker: String,
    },
    /// Already there.
    Running {
        /// Its address.
        url: String,
        /// The operator's credential file.
        credential: PathBuf,
    },
}

/// A platform to talk to. Its own processes, if it has any, end with it.
pub(crate) struct Platform {
    pub(crate) anyone: Caller,
    credential: PathBuf,
    processes: Vec<Process>,
    /// Removed after the processes have ended.
    directory: Option<TempDir>,
}

impl Platform {
    /// Starts a process in a new directory, or takes the one that runs.
    pub(crate) async fn at(place: &Place) -> anyhow::Result<Self> {
        Self::with(place, &[]).await
    }

    /// The same; processes of our own get these `WARIKAN_..` variables on top of those of this one.
    pub(crate) async fn with(place: &Place, settings: &[(&str, &str)]) -> anyhow::Result<Self> {
        if let Place::Running { url, credential } = place {
            return Ok(Self {
                anyone: Caller::anyone(url.trim_end_matches('/'))?,
                credential: credential.clone(),
                processes: Vec::new(),
                directory: None,
            });
        }
        Self::over(place, settings, tempfile::tempdir()?).await
    }

    /// Starts processes over a directory that may hold data already.
    pub(crate) async fn over(
        place: &Place,
        settings: &[(&str, &str)],
        directory: TempDir,
    ) -> anyhow::Result<Self> {
        let data = directory.path().join("data");
        let processes = match place {
            Place::Binary(binary) => {
                let mut process = Process::start(binary, &data, settings)?;
                process.first_ok("/health/ready").await?;
                vec![process]
            }
            Place::Split { binary, broker } => apart(binary, broker, &data, settings).await?,
            Place::Running { .. } => bail!(NOT_OURS),
        };
        let front = processes.last().context("nothing was started")?;
        Ok(Self {
            anyone: front.anyone.clone(),
            credential: data.join("operator-credential.json"),
            processes,
            directory: Some(directory),
        })
    }

    /// A sandbox credential of a new tenant.
    pub(crate) async fn sandbox_credential(&self) -> anyhow::Result<Value> {
        sandbox_credential(&self.anyone, &self.credential).await
    }

    fn ours(&self) -> anyhow::Result<&[Process]> {
        ensure!(!self.processes.is_empty(), NOT_OURS);
        Ok(&self.processes)
    }

    /// The resident memory of its processes in KiB.
    pub(crate) fn resident(&self) -> anyhow::Result<u64> {
        self.ours()?.iter().map(Process::resident).sum()
    }

    /// The processor time of its processes so far.
    pub(crate) fn processor(&self) -> anyhow::Result<Duration> {
        self.ours()?.iter().map(Process::processor).sum()
    }

    /// The directory of its databases, where it is ours.
    pub(crate) fn directory(&self) -> Option<&Path> {
        self.directory.as_ref().map(TempDir::path)
    }

    /// SIGTERM to all, the front first; gives the directory back.
    pub(crate) async fn stop(self) -> anyhow::Result<TempDir> {
        for process in self.processes.into_iter().rev() {
            process.stop().await?;
        }
        self.directory.context(NOT_OURS)
    }
}

/// A gateway, which comes last, and the services.
async fn apart(
    binary: &Path,
    broker: &str,
    data: &Path,
    settings: &[(&str, &str)],
) -> anyhow::Result<Vec<Process>> {
    let mut variables = vec![("WARIKAN_RABBITMQ__URL".to_owned(), broker.to_owned())];
    let listeners = SERVICES.map(|service| (service, free()));
    let mut addresses = Vec::new();
    for (service, address) in listeners {
        let address = address?;
        let name = format!("WARIKAN_TOPOLOGY__{}", service.to_uppercase());
        variables.push((name, format!("http://{address}")));
        addresses.push((service, address));
    }
    let own = variables.iter().map(|(name, value)| (&**name, &**value));
    let all: Vec<(&str, &str)> = settings.iter().copied().chain(own).collect();
    let mut processes = Vec::new();
    for (service, address) in &addresses {
        let mut process = Process::start_at(binary, data, service, address, &all)?;
        process.listening().await?;
        processes.push(process);
    }
    let mut gateway = Process::start_role(binary, data, "gateway", &all)?;
    gateway.first_ok("/health/ready").await?;
    processes.push(gateway);
    Ok(processes)
}

/// A loopback address that was free a moment ago: nobody else takes ports here in between.
fn free() -> anyhow::Result<String> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string())
}

pub(crate) async fn sandbox_credential(anyone: &Caller, file: &Path) -> anyhow::Result<Value> {
    let text = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    let operator = anyone.with(&serde_json::from_slice(&text)?).await?;
    operator.sandbox_credential().await
}

/// The processor time of this process so far.
pub(crate) fn processor() -> anyhow::Result<Duration> {
    processor_of("self")
}

/// User and system, as Linux tells it (`proc(5)`: fields 14 and 15 of `stat`, in ticks of 10 ms).
fn processor_of(process: &str) -> anyhow::Result<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The second field may hold spaces; what counts comes behind its bracket.
    let fields = stat.rsplit(')').next().unwrap_or_default();
    let ticks = fields.split_whitespace().skip(11).take(2);
    let ticks = ticks.map(str::parse::<u64>).sum::<Result<u64, _>>()?;
    Ok(Duration::from_millis(ticks * 10))
}

/// `warikan serve`, killed where it was not stopped.
pub(crate) struct Process {
    child: Child,
    begun: Instant,
    pub(crate) anyone: Caller,
    base: String,
}

impl Process {
    /// Starts it on a free port; does not wait for anything.
    pub(crate) fn start(
        binary: &Path,
        data: &Path,
        settings: &[(&str, &str)],
    ) -> anyhow::Result<Self> {
        Self::start_role(binary, data, "all", settings)
    }

    /// Starts one part of the platform.
    pub(crate) fn start_role(
        binary: &Path,
        data: &Path,
        role: &str,
        settings: &[(&str, &str)],
    ) -> anyhow::Result<Self> {
        Self::start_at(binary, data, role, &free()?, settings)
    }

    /// Starts one part of the platform at this address.
    fn start_at(
        binary: &Path,
        data: &Path,
        role: &str,
        listen: &str,
        settings: &[(&str, &str)],
    ) -> anyhow::Result<Self> {
        let begun = Instant::now();
        let mut command = Command::new(binary);
        // Where tests find their servers is no setting of the platform.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("WARIKAN_TEST_") {
                command.env_remove(name);
            }
        }
        let child = command
            .args(["serve", "--role", role, "--listen", listen, "--data-dir"])
            .arg(data)
            .env("WARIKAN_LOG", "error")
            .envs(settings.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::inherit())
            .spawn()
            .with_context(|| format!("cannot start {}", binary.display()))?;
        Ok(Self {
            child,
            begun,
            anyone: Caller::anyone(&format!("http://{listen}"))?,
            base: format!("http://{listen}"),
        })
    }

    /// Where it listens.
    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    /// Waits until it takes connections: an inner listener tells strangers nothing else.
    pub(crate) async fn listening(&mut self) -> anyhow::Result<()> {
        let address = self.base.trim_start_matches("http://").to_owned();
        while tokio::net::TcpStream::connect(&address).await.is_err() {
            if let Some(status) = self.child.try_wait()? {
                bail!("serve ended: {status}");
            }
            ensure!(self.begun.elapsed() < PATIENCE, "it never listened");
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }

    /// From the start to the first 200 of a path.
    pub(crate) async fn first_ok(&mut self, path: &str) -> anyhow::Result<Duration> {
        loop {
            if self.anyone.is_ok(path).await {
                return Ok(self.begun.elapsed());
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("serve ended: {status}");
            }
            ensure!(self.begun.elapsed() < PATIENCE, "{path} never answered 200");
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Resident memory in KiB, as Linux tells it (`proc(5)`: VmRSS).
    pub(crate) fn resident(&self) -> anyhow::Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .and_then(|rest| rest.trim().strip_suffix(" kB"))
            .and_then(|number| number.trim().parse().ok())
            .context("no VmRSS in /proc")
    }

    /// Its processor time so far.
    pub(crate) fn processor(&self) -> anyhow::Result<Duration> {
        processor_of(&self.child.id().to_string())
    }

    /// SIGTERM; gives how long it took to end well.
    pub(crate) async fn stop(mut self) -> anyhow::Result<Duration> {
        // The shell's own `kill`: the standard library sends no other signal than SIGKILL.
        let script = format!("kill -TERM {}", self.child.id());
        let begun = Instant::now();
        ensure!(
            Command::new("sh").args(["-c", &script]).status()?.success(),
            "the signal was not sent"
        );
        loop {
            if let Some(status) = self.child.try_wait()? {
                ensure!(status.success(), "serve ended badly: {status}");
                return Ok(begun.elapsed());
            }
            ensure!(begun.elapsed() < PATIENCE, "serve does not stop");
            tokio::time::sleep(LOOK).await;
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail where it has ended, which is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
