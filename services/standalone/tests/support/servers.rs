//! PostgreSQL, RabbitMQ and Redis of a test's own, on free ports and with data of their own, so that they can be killed.

#![allow(clippy::print_stderr, reason = "what is left out is said")]

use std::{
    fs::{self, File},
    io,
    os::unix::{
        fs::{MetadataExt, PermissionsExt, chown},
        process::{CommandExt, ExitStatusExt},
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{split::free, until};

/// What can be started, killed and started again.
pub enum Server {
    /// Durable: a kill loses what was not committed.
    Postgres(Postgres),
    /// Durable: a kill loses what was not confirmed.
    RabbitMq(RabbitMq),
    /// Keeps nothing: a kill loses everything.
    Redis(Redis),
}

impl Server {
    /// Starts it, and returns when its port is open.
    pub async fn start(&mut self) {
        let (name, port) = match self {
            Self::Postgres(server) => {
                server.start();
                ("PostgreSQL", server.port)
            }
            Self::RabbitMq(server) => {
                server.start();
                ("RabbitMQ", server.port)
            }
            Self::Redis(server) => {
                server.start();
                ("Redis", server.port)
            }
        };
        until(name, async || {
            TcpStream::connect(("127.0.0.1", port)).await.ok()
        })
        .await;
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        match self {
            Self::Postgres(server) => server.running.kill(),
            Self::RabbitMq(server) => server.running.kill(),
            Self::Redis(server) => server.running.kill(),
        }
    }
}

/// A process that may run.
#[derive(Default)]
struct Running(Option<Child>);

impl Running {
    fn spawn(&mut self, command: &mut Command, log: &Path) {
        let log = File::options().create(true).append(true).open(log).unwrap();
        let errors = log.try_clone().unwrap();
        command
            .stdin(Stdio::null())
            .stdout(Stdio::from(log))
            .stderr(Stdio::from(errors));
        self.0 = Some(command.spawn().unwrap());
    }

    fn kill(&mut self) {
        if let Some(mut child) = self.0.take() {
            child.kill().unwrap();
            let status = child.wait().unwrap();
            assert_eq!(status.signal(), Some(9), "it had ended by itself: {status}");
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            // Both fail where the process has ended already, which is as good.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn port() -> u16 {
    free().rsplit_once(':').unwrap().1.parse().unwrap()
}

fn left_out<T>(what: &str) -> Option<T> {
    eprintln!("left out: {what} is not installed on this machine");
    None
}

/// A folder that another user may enter.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

pub struct Postgres {
    programs: PathBuf,
    folder: TempDir,
    port: u16,
    /// PostgreSQL does not run as root.
    user: Option<(u32, u32)>,
    running: Running,
}

impl Postgres {
    /// With a new cluster; `None`, said aloud, where it is not installed.
    pub fn find() -> Option<Self> {
        let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
        let programs = versions
            .filter_map(|one| Some(one.ok()?.path().join("bin")))
            .find(|bin| bin.join("initdb").exists());
        let Some(programs) = programs else {
            return left_out("PostgreSQL");
        };
        let folder = folder();
        let root = fs::metadata(folder.path()).unwrap().uid() == 0;
        let server = Self {
            programs,
            user: root.then(nobody),
            port: port(),
            folder,
            running: Running::default(),
        };
        fs::create_dir(server.data()).unwrap();
        if let Some((user, group)) = server.user {
            chown(server.data(), Some(user), Some(group)).unwrap();
        }
        let made = server
            .command("initdb")
            .arg("--pgdata")
            .arg(server.data())
            .args(["-U", "root", "--auth=trust", "--no-sync", "-E", "UTF8"])
            .arg("--locale=C")
            .output()
            .unwrap();
        assert!(
            made.status.success(),
            "{}",
            String::from_utf8_lossy(&made.stderr)
        );
        Some(server)
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.programs.join(program));
        command.current_dir(self.folder.path());
        if let Some((user, group)) = self.user {
            command.uid(user).gid(group);
        }
        command
    }

    fn start(&mut self) {
        let mut command = self.command("postgres");
        command.arg("-D").arg(self.data());
        command.args(["-p", &self.port.to_string(), "-k", ""]);
        // What a killed process has written the system still has; what it has not written is lost, and that is the point.
        command.args(["-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"]);
        command.args(["-c", "synchronous_commit=on", "-c", "max_connections=200"]);
        self.running
            .spawn(&mut command, &self.folder.path().join("log"));
    }

    /// The owner's address.
    pub fn owner(&self) -> String {
        format!("postgres://root@{}", self.place())
    }

    /// Host, port and database.
    pub fn place(&self) -> String {
        format!("127.0.0.1:{}/postgres", self.port)
    }
}

/// User and group of nobody.
fn nobody() -> (u32, u32) {
    let users = fs::read_to_string("/etc/passwd").unwrap();
    let line = users
        .lines()
        .find(|line| line.starts_with("nobody:"))
        .unwrap();
    let field = |place| line.split(':').nth(place).unwrap().parse().unwrap();
    (field(2), field(3))
}

pub struct RabbitMq {
    folder: TempDir,
    port: u16,
    distribution: u16,
    /// Where `server.pem`, `server.key` and `right.pem` lie, if it speaks TLS alone.
    certificates: Option<PathBuf>,
    running: Running,
}

impl RabbitMq {
    const PROGRAM: &str = "/usr/lib/rabbitmq/bin/rabbitmq-server";

    /// A node of its own; `None`, said aloud, where it is not installed.
    pub fn find() -> Option<Self> {
        if !Path::new(Self::PROGRAM).exists() {
            return left_out("RabbitMQ");
        }
        Some(Self {
            folder: folder(),
            port: port(),
            distribution: port(),
            certificates: None,
            running: Running::default(),
        })
    }

    /// The same, which lets nobody in without TLS.
    #[must_use]
    pub fn over_tls(mut self, certificates: &Path) -> Self {
        let file = |name: &str| certificates.join(name).display().to_string();
        let settings = format!(
            "listeners.tcp = none\nlisteners.ssl.1 = 127.0.0.1:{}\nssl_options.cacertfile = {}\nssl_options.certfile = {}\n\
             ssl_options.keyfile = {}\nssl_options.verify = verify_none\nssl_options.fail_if_no_peer_cert = false\n",
            self.port,
            file("right.pem"),
            file("server.pem"),
            file("server.key"),
        );
        fs::write(self.folder.path().join("tls.conf"), settings).unwrap();
        self.certificates = Some(certificates.to_owned());
        self
    }

    /// Its port.
    pub const fn port(&self) -> u16 {
        self.port
    }

    fn start(&mut self) {
        let folder = self.folder.path();
        let mut command = Command::new(Self::PROGRAM);
        command
            .env("HOME", folder)
            .env("RABBITMQ_CONF_ENV_FILE", "/dev/null")
            .env(
                "RABBITMQ_CONFIG_FILE",
                folder.join(self.certificates.as_ref().map_or("none", |_| "tls.conf")),
            )
            .env(
                "RABBITMQ_NODENAME",
                format!("warikan{}@localhost", self.port),
            )
            .env("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1")
            .envs(
                // Else there would be a listener without TLS on it.
                self.certificates
                    .is_none()
                    .then(|| ("RABBITMQ_NODE_PORT", self.port.to_string())),
            )
            .env("RABBITMQ_DIST_PORT", self.distribution.to_string())
            .env("RABBITMQ_MNESIA_BASE", folder.join("data"))
            .env("RABBITMQ_LOG_BASE", folder.join("logs"))
            .env("RABBITMQ_PID_FILE", folder.join("pid"))
            // The script then becomes the broker's process instead of a parent that would outlive its kill.
            .env("RUNNING_UNDER_SYSTEMD", "true")
            .env("RABBITMQ_ENABLED_PLUGINS_FILE", folder.join("plugins"))
            // Its schedulers do not spin while they wait: the machine is the platform's too.
            .env(
                "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS",
                "+sbwt none +sbwtdcpu none +sbwtdio none",
            )
            .process_group(0);
        self.running.spawn(&mut command, &folder.join("log"));
    }

    /// `amqp://..`
    pub fn url(&self) -> String {
        format!("amqp://guest:guest@127.0.0.1:{}/%2f", self.port)
    }
}

pub struct Redis {
    folder: TempDir,
    port: u16,
    certificates: Option<PathBuf>,
    running: Running,
}

impl Redis {
    /// Empty at each start; `None`, said aloud, where it is not installed.
    pub fn find() -> Option<Self> {
        let there = Command::new("redis-server").arg("--version").output();
        match there {
            Err(error) if error.kind() == io::ErrorKind::NotFound => left_out("Redis"),
            found => {
                found.unwrap();
                Some(Self {
                    folder: folder(),
                    port: port(),
                    certificates: None,
                    running: Running::default(),
                })
            }
        }
    }

    /// The same, which lets nobody in without TLS. Where `server.pem`, `server.key` and `right.pem` lie.
    #[must_use]
    pub fn over_tls(mut self, certificates: &Path) -> Self {
        self.certificates = Some(certificates.to_owned());
        self
    }

    /// Its port.
    pub const fn port(&self) -> u16 {
        self.port
    }

    fn start(&mut self) {
        let mut command = Command::new("redis-server");
        command.args(["--bind", "127.0.0.1"]);
        let port = self.port.to_string();
        match &self.certificates {
            None => command.args(["--port", &port]),
            Some(folder) => command
                .args([
                    "--port",
                    "0",
                    "--tls-port",
                    &port,
                    "--tls-auth-clients",
                    "no",
                ])
                .arg("--tls-cert-file")
                .arg(folder.join("server.pem"))
                .arg("--tls-key-file")
                .arg(folder.join("server.key"))
                .arg("--tls-ca-cert-file")
                .arg(folder.join("right.pem")),
        };
        command.args(["--save", "", "--appendonly", "no", "--dir"]);
        command.arg(self.folder.path());
        self.running
            .spawn(&mut command, &self.folder.path().join("log"));
    }

    /// `redis://..`
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }
}

/// Asks a Redis one thing in its inline form, and gives what it says as text.
pub async fn redis_says(url: &str, command: &str) -> String {
    let mut stream = TcpStream::connect(url.trim_start_matches("redis://"))
        .await
        .unwrap();
    let asked = format!("{command}\r\nQUIT\r\n");
    stream.write_all(asked.as_bytes()).await.unwrap();
    let mut said = Vec::new();
    stream.read_to_end(&mut said).await.unwrap();
    let said = String::from_utf8_lossy(&said).into_owned();
    said.trim_end_matches("+OK\r\n").to_owned()
}

/// Empties a Redis.
pub async fn flush(url: &str) {
    redis_says(url, "FLUSHALL").await;
}
