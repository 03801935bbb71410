//! A stand-in for J-LIS that plays the production hierarchy, in the test's own process: it lives on while the platform is
//! killed, as J-LIS would.

use std::{net::TcpListener, path::PathBuf};

use actix_web::dev::ServerHandle;
use tempfile::TempDir;
use warikan_gateway::Gateway;
use warikan_messaging::Bus;
use warikan_runtime::{Clocks, Databases, Keys, Platform, RunningTasks};
use warikan_sandbox::{Config, Played, Sandbox};
use warikan_types::{Clock, Entropy};

use super::Caller;

pub struct ProductionJlis {
    base: String,
    directory: TempDir,
    server: ServerHandle,
    tasks: RunningTasks,
}

impl ProductionJlis {
    pub async fn start(clock: &Clock) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let entropy = Entropy::system();
        let platform = Platform {
            clocks: Clocks {
                production: clock.clone(),
                sandbox: clock.clone(),
            },
            keys: Keys::ephemeral(&entropy),
            entropy,
            bus: Bus::in_process(),
            databases: Databases::SqliteDirectory(directory.path().to_owned()),
        };
        let config = Config {
            hierarchy: Played::Production,
            fixed_keys: true,
        };
        let sandbox = Sandbox::open(config, &platform).await.unwrap();
        let anchors = directory.path().join("anchors");
        std::fs::create_dir(&anchors).unwrap();
        for (number, root) in sandbox.roots().iter().enumerate() {
            std::fs::write(anchors.join(format!("root-{number}.cer")), &root.der).unwrap();
        }
        let module = sandbox.module();
        platform.bus.connect(Vec::new());
        let tasks = RunningTasks::spawn(module.tasks.clone());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let server = Gateway::new(platform, vec![module], 1)
            .serve(listener)
            .unwrap();
        let handle = server.handle();
        tokio::spawn(server);
        Self {
            base,
            directory,
            server: handle,
            tasks,
        }
    }

    /// Citizens and their cards.
    pub fn caller(&self) -> Caller {
        Caller::anyone(&self.base)
    }

    /// Where the roots lie, for `production.anchors`.
    pub fn anchors(&self) -> PathBuf {
        self.directory.path().join("anchors")
    }

    /// For `revocation.sources`.
    pub fn index_url(&self) -> String {
        format!("{}/jlis/crl/index.json", self.base)
    }

    pub async fn stop(self) {
        self.server.stop(false).await;
        self.tasks.stop().await;
    }
}
