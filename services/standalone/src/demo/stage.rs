//! The stage: a J-LIS with citizens, the platform, and the firm's receiver, each on a port of its own.

use std::{io::Write, net::TcpListener, path::Path, time::Duration};

use actix_web::dev::ServerHandle;
use anyhow::Context;
use tempfile::TempDir;
use warikan_gateway::Gateway;
use warikan_messaging::Bus;
use warikan_revocation::Source;
use warikan_runtime::{Clocks, Databases, Keys, Platform, RunningTasks};
use warikan_sandbox::{Played, Sandbox};
use warikan_types::{Clock, Entropy, Environment};

use super::{
    receiver::Receiver,
    setting::{Setting, Time},
};
use crate::{
    compose::{self, Running},
    config::{Config, SandboxConfig},
};

/// Everything that runs during the demo.
pub(super) struct Stage {
    pub(super) setting: Setting,
    running: Running,
    jlis_server: ServerHandle,
    jlis_tasks: RunningTasks,
    _directory: TempDir,
}

impl Stage {
    pub(super) async fn set() -> anyhow::Result<Self> {
        let directory = tempfile::tempdir().context("cannot make a temporary directory")?;
        // One clock for everybody on this stage; the J-LIS stand-in's /sandbox/clock moves it.
        let clock = Clock::adjustable(Duration::ZERO);
        let clocks = Clocks {
            production: clock.clone(),
            sandbox: clock,
        };
        let jlis_listener = TcpListener::bind("127.0.0.1:0")?;
        let jlis = jlis_listener.local_addr()?;
        let anchors = directory.path().join("anchors");
        let (jlis_server, jlis_tasks) = play_jlis(
            &directory.path().join("jlis"),
            &anchors,
            &clocks,
            jlis_listener,
        )
        .await?;

        let listener = TcpListener::bind("127.0.0.1:0")?;
        let platform = listener.local_addr()?;
        let mut config = Config {
            data_dir: directory.path().join("platform"),
            // Its citizens come from the stand-in; a second set would only take time.
            sandbox: SandboxConfig { enabled: false },
            ..Config::default()
        };
        config.production.anchors = Some(anchors);
        config.revocation.sources.push(Source {
            environment: Environment::Production,
            index_url: format!("http://{jlis}/jlis/crl/index.json"),
        });
        config.revocation.sync_period_seconds = 1;
        config.webhooks.allow_loopback_http = true;
        config.webhooks.jitter_percent = 0;
        let house = compose::open(&config, clocks, platform).await?;
        let credential = house
            .bootstrap
            .as_ref()
            .map(|it| it.path.clone())
            .context("onboarding is in this process")?;
        let running = house.serve(listener)?;
        Ok(Self {
            setting: Setting {
                platform: format!("http://{platform}"),
                jlis: format!("http://{jlis}"),
                receiver: Receiver::start()?,
                credential,
                time: Time::TheStorys,
            },
            running,
            jlis_server,
            jlis_tasks,
            _directory: directory,
        })
    }

    pub(super) fn describe(&self, out: &mut impl Write) -> std::io::Result<()> {
        writeln!(
            out,
            "  platform            {}  (every service, SQLite, in-process bus)",
            self.setting.platform
        )?;
        writeln!(
            out,
            "  J-LIS stand-in      {}  (two CAs, cards, revocation lists; plays production here)",
            self.setting.jlis
        )?;
        writeln!(out, "  the firm's receiver {}", self.setting.receiver.url)
    }

    pub(super) async fn clear(self) -> anyhow::Result<()> {
        self.setting.receiver.stop().await;
        self.running.stop().await?;
        self.jlis_server.stop(false).await;
        self.jlis_tasks.stop().await;
        Ok(())
    }
}

/// A sandbox that plays the production hierarchy, with its roots written where the platform pins its anchors.
async fn play_jlis(
    data: &Path,
    anchors: &Path,
    clocks: &Clocks,
    listener: TcpListener,
) -> anyhow::Result<(ServerHandle, RunningTasks)> {
    std::fs::create_dir_all(data)?;
    std::fs::create_dir_all(anchors)?;
    let entropy = Entropy::system();
    let platform = Platform {
        clocks: clocks.clone(),
        keys: Keys::ephemeral(&entropy),
        entropy,
        bus: Bus::in_process(),
        databases: Databases::SqliteDirectory(data.to_owned()),
    };
    let config = warikan_sandbox::Config {
        hierarchy: Played::Production,
        ..warikan_sandbox::Config::default()
    };
    let sandbox = Sandbox::open(config, &platform).await?;
    for (number, root) in sandbox.roots().iter().enumerate() {
        std::fs::write(anchors.join(format!("root-{number}.cer")), &root.der)?;
    }
    let module = sandbox.module();
    platform.bus.connect(Vec::new());
    let tasks = module.tasks.clone();
    let server = Gateway::new(platform, vec![module], 1).serve(listener)?;
    let handle = server.handle();
    tokio::spawn(server);
    Ok((handle, RunningTasks::spawn(tasks)))
}
