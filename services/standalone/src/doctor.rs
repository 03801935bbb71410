//! `warikan doctor`: what is wrong with this installation, in words that say what to do.

use std::{io::Write, net::TcpListener, path::Path, time::Duration};

use warikan_types::Clock;

use crate::{anchors, compose::Role, config::Config};

/// Looks at everything that `serve` will need, without changing anything. True when nothing is wrong.
///
/// # Errors
/// The findings cannot be written.
pub async fn run(config: &Config, out: &mut impl Write) -> std::io::Result<bool> {
    let mut report = Report { out, sound: true };
    report.data_directory(&config.data_dir)?;
    report.keys(&config.data_dir)?;
    match anchors::load(config.production.anchors.as_deref(), []) {
        Ok(set) => report.good(
            "trust anchors",
            &format!(
                "{} roots, each self-signed and of its environment",
                set.iter().count()
            ),
        )?,
        Err(error) => report.bad("trust anchors", &error.to_string())?,
    }
    let production = config
        .revocation
        .sources
        .iter()
        .any(|source| source.environment == warikan_types::Environment::Production);
    if production {
        report.good("production lists", "a source is configured")?;
    } else {
        report.note(
            "production lists",
            "no source is configured: production verifications will answer status_unavailable (set revocation.sources)",
        )?;
    }
    report.clock()?;
    report.server(config).await?;
    Ok(report.sound)
}

struct Report<'a, W: Write> {
    out: &'a mut W,
    sound: bool,
}

impl<W: Write> Report<'_, W> {
    fn good(&mut self, what: &str, words: &str) -> std::io::Result<()> {
        writeln!(self.out, "good   {what}: {words}")
    }

    fn note(&mut self, what: &str, words: &str) -> std::io::Result<()> {
        writeln!(self.out, "note   {what}: {words}")
    }

    fn bad(&mut self, what: &str, words: &str) -> std::io::Result<()> {
        self.sound = false;
        writeln!(self.out, "WRONG  {what}: {words}")
    }

    fn data_directory(&mut self, directory: &Path) -> std::io::Result<()> {
        let shown = directory.display();
        if !directory.exists() {
            return self.note(
                "data directory",
                &format!("{shown} does not exist yet; serve makes it"),
            );
        }
        match tempfile::tempfile_in(directory) {
            Ok(_) => self.good("data directory", &format!("{shown} can be written")),
            Err(error) => self.bad(
                "data directory",
                &format!("{shown} cannot be written: {error}"),
            ),
        }
    }

    fn keys(&mut self, directory: &Path) -> std::io::Result<()> {
        let path = directory.join("keys.json");
        let Ok(metadata) = std::fs::metadata(&path) else {
            return self.note("keys", "none yet; serve makes them. Keep a backup: sealed data cannot be read without them");
        };
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            if metadata.permissions().mode() & 0o077 != 0 {
                return self.bad(
                    "keys",
                    &format!("{} can be read by others; chmod 600 it", path.display()),
                );
            }
        }
        self.good("keys", "there, and private")
    }

    /// A clock far off is the commonest reason for verdicts that nobody understands.
    fn clock(&mut self) -> std::io::Result<()> {
        let now = Clock::system().now();
        let built: Option<warikan_types::Timestamp> = "2026-11-01T00:00:00Z".parse().ok();
        match built {
            Some(built) if now < built => self.bad(
                "clock",
                &format!("the machine says {now}, which is before this program was made"),
            ),
            _ => self.good("clock", &format!("{now}")),
        }
    }

    /// Either the port is free, or a server answers on it: then its readiness tells the rest.
    async fn server(&mut self, config: &Config) -> std::io::Result<()> {
        let listen = Role::All.listen(config);
        if TcpListener::bind(&listen).is_ok() {
            return self.good("port", &format!("{listen} is free"));
        }
        let url = format!("http://{listen}/health/ready");
        let client = reqwest::Client::builder()
            .no_proxy()
            .timeout(Duration::from_secs(5))
            .build();
        let answer = match client {
            Ok(client) => client.get(&url).send().await,
            Err(error) => return self.bad("server", &error.to_string()),
        };
        match answer {
            Ok(answer) if answer.status().is_success() => {
                self.good("server", &format!("answers at {url}: ready"))
            }
            Ok(answer) => {
                let status = answer.status();
                let body = answer.text().await.unwrap_or_default();
                self.bad("server", &format!("{url} answers {status}: {body}"))
            }
            Err(error) => self.bad(
                "server",
                &format!("something holds {listen} but does not answer: {error}"),
            ),
        }
    }
}
