//! The binary as a child process.

use std::{
    io::{BufRead, BufReader},
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;
use tokio::sync::mpsc;
use warikan::config::Config;
use warikan_runtime::load_config;

use super::{Caller, PATIENCE, until};

/// The last line that `serve` says before it waits.
const LAST_LINE: &str = "  data ";
/// What it says where the schema is older than the program.
const WAITS: &str = "warikan waits ";

/// The binary with an environment in which nobody's settings lie around.
fn warikan() -> Command {
    program(env!("CARGO_BIN_EXE_warikan"))
}

/// A program in the same environment.
pub fn program(path: &str) -> Command {
    let mut command = Command::new(path);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("WARIKAN_") {
            command.env_remove(name);
        }
    }
    command.stdin(Stdio::null());
    command
}

/// Runs a command that ends by itself.
pub fn run(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    warikan()
        .args(arguments)
        .envs(environment.iter().copied())
        .output()
        .unwrap()
}

/// Both outputs of a command.
pub fn text(output: &Output) -> (String, String) {
    (
        String::from_utf8(output.stdout.clone()).unwrap(),
        String::from_utf8(output.stderr.clone()).unwrap(),
    )
}

/// A data directory and a configuration, which outlive the processes that use them.
pub struct Installation {
    directory: TempDir,
    config: Option<PathBuf>,
    environment: Vec<(String, String)>,
}

impl Installation {
    pub fn new() -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
            config: None,
            environment: Vec::new(),
        }
    }

    /// With a configuration file.
    pub fn configured(toml: &str) -> Self {
        let mut installation = Self::new();
        let path = installation.directory.path().join("warikan.toml");
        std::fs::write(&path, toml).unwrap();
        installation.config = Some(path);
        installation
    }

    /// With a variable for every process.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// A path beside the data directory.
    pub fn beside(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn data_text(&self) -> String {
        self.data().to_str().unwrap().to_owned()
    }

    /// `serve` on a free port.
    pub async fn serve(&self) -> Server {
        self.serve_at("127.0.0.1:0").await
    }

    /// `serve` on this address: a restarted platform is found where it was.
    pub async fn serve_at(&self, listen: &str) -> Server {
        self.spawn("serve.log", &["--listen", listen]).await
    }

    /// One process of the split shape, where the configuration says that it is.
    pub async fn serve_role(&self, role: &str) -> Server {
        self.spawn(&format!("{role}.log"), &["--role", role]).await
    }

    pub async fn spawn(&self, log: &str, arguments: &[&str]) -> Server {
        self.spawn_with(log, arguments, &[]).await
    }

    /// `serve` with variables of its own.
    pub async fn spawn_with(
        &self,
        log: &str,
        arguments: &[&str],
        variables: &[(&str, &str)],
    ) -> Server {
        let mut command = warikan();
        command.arg("serve").args(arguments);
        command.envs(variables.iter().copied());
        self.spawn_command(command, log, LAST_LINE).await
    }

    /// The same on an older schema: it lives, and waits for the migration.
    pub async fn spawn_waiting(&self, log: &str, arguments: &[&str]) -> Server {
        let mut command = warikan();
        command.arg("serve").args(arguments);
        self.spawn_command(command, log, WAITS).await
    }

    /// The configuration as a process of this installation reads it.
    pub fn config(&self) -> Config {
        let mut config: Config =
            load_config(self.config.as_deref(), "WARIKAN", Vec::new()).unwrap();
        config.data_dir = self.data();
        config
    }

    /// `migrate`, as the schemas' owner.
    pub fn migrate(&self, owner_url: &str) {
        let mut command = warikan();
        command.arg("migrate").arg("--data-dir").arg(self.data());
        command.arg("--config").arg(self.config.as_ref().unwrap());
        command.env("WARIKAN_DATABASE__OWNER_URL", owner_url);
        let done = command.output().unwrap();
        assert!(done.status.success(), "{:?}", text(&done));
    }

    /// Another program of this installation than `warikan`, which takes no command.
    pub async fn spawn_program(
        &self,
        path: &str,
        log: &str,
        arguments: &[&str],
        variables: &[(&str, &str)],
    ) -> Server {
        let mut command = program(path);
        command.args(arguments).envs(variables.iter().copied());
        self.spawn_command(command, log, LAST_LINE).await
    }

    async fn spawn_command(&self, mut command: Command, log: &str, line: &str) -> Server {
        let log = self.beside(log);
        let file = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&log)
            .unwrap();
        command.arg("--data-dir").arg(self.data());
        if let Some(config) = &self.config {
            command.arg("--config").arg(config);
        }
        command.envs(self.environment.iter().cloned());
        command.stdout(Stdio::piped()).stderr(file);
        Server::spawn(command, &log, line).await
    }
}

/// A running `serve`. Killed where a test ends without stopping it.
pub struct Server {
    child: Child,
    /// `http://127.0.0.1:<port>`
    pub base: String,
    /// What it said about itself.
    pub announced: Vec<String>,
    log: PathBuf,
}

impl Server {
    async fn spawn(mut command: Command, log: &Path, line: &str) -> Self {
        let mut child = command.spawn().unwrap();
        let stdout = child.stdout.take().unwrap();
        let (said, mut lines) = mpsc::unbounded_channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                // Read on after the test lost interest: a full pipe would stop the process.
                let _ = said.send(line);
            }
        });
        let mut server = Self {
            child,
            base: String::new(),
            announced: Vec::new(),
            log: log.to_owned(),
        };
        while !server.says(line) {
            match tokio::time::timeout(PATIENCE, lines.recv()).await {
                Ok(Some(line)) => server.announced.push(line),
                Ok(None) | Err(_) => panic!("serve did not start:\n{}", server.log()),
            }
        }
        if line == WAITS {
            return server;
        }
        let front = if server.says("  API ") {
            server.line("  API ").trim_start_matches("  API").trim()
        } else {
            server.line("  inner ").trim_start_matches("  inner").trim()
        };
        let base = front.split(' ').next().unwrap().trim_end_matches("/v1");
        server.base = base.to_owned();
        server
    }

    fn says(&self, beginning: &str) -> bool {
        self.announced
            .iter()
            .any(|line| line.starts_with(beginning))
    }

    /// The announced line that begins so.
    #[track_caller]
    pub fn line(&self, beginning: &str) -> &str {
        self.announced
            .iter()
            .find(|line| line.starts_with(beginning))
            .unwrap_or_else(|| panic!("no line {beginning:?} in {:?}", self.announced))
    }

    /// Host and port.
    pub fn address(&self) -> &str {
        self.base.trim_start_matches("http://")
    }

    /// The process's id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Someone without a token.
    pub fn anyone(&self) -> Caller {
        Caller::anyone(&self.base)
    }

    /// The operator, with the first credential.
    pub async fn operator(&self) -> Caller {
        self.anyone().with(&self.credential()).await
    }

    /// The operator's first credential, where this process has written it.
    pub fn credential(&self) -> serde_json::Value {
        let path = self.line("  operator ").trim_start_matches("  operator");
        let path = path.rsplit_once(" (").unwrap().0.trim();
        serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
    }

    /// Waits for the readiness probe.
    pub async fn ready(&self) {
        let anyone = self.anyone();
        until("the platform to be ready", async || {
            let reply = anyone.get("/health/ready").await;
            (reply.status == 200).then_some(())
        })
        .await;
    }

    /// SIGKILL: nothing is finished, nothing is flushed.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        let status = self.child.wait().unwrap();
        assert_eq!(status.signal(), Some(9), "it had ended by itself: {status}");
    }

    /// SIGTERM, without waiting.
    pub fn terminate(&self) {
        // The shell's own `kill`: there is no signal in the standard library, and no unsafe code in this project.
        let script = format!("kill -TERM {}", self.child.id());
        let status = Command::new("sh").args(["-c", &script]).status().unwrap();
        assert!(status.success());
    }

    /// Waits for its end; gives the exit status and how long it took.
    pub async fn ended(mut self) -> (ExitStatus, Duration) {
        let begun = Instant::now();
        let child = &mut self.child;
        loop {
            if let Some(status) = child.try_wait().unwrap() {
                return (status, begun.elapsed());
            }
            assert!(begun.elapsed() < PATIENCE, "serve does not end");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// SIGTERM, and it must end well.
    pub async fn stop(self) {
        self.terminate();
        let log = self.log.clone();
        let (status, _) = self.ended().await;
        let log = std::fs::read_to_string(log).unwrap_or_default();
        assert_eq!(status.code(), Some(0), "{status}\n{log}");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail where the process has ended already, which is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
