//! The service as a process: started, stopped, and torn off in the midst of its work.

use std::{
    future::{Future, poll_fn},
    net::TcpListener,
    pin::pin,
    sync::Arc,
    task::Poll,
};

use actix_web::{HttpServer, dev::ServerHandle};
use warikan_messaging::Bus;
use warikan_pki::AnchorSet;
use warikan_revocation::{Config, Revocation, Source, inner_routes};
use warikan_runtime::Platform;
use warikan_testkit::{App, TestHouse};

use crate::world::HERE;

/// A running service: for tenants, and for processes that follow it.
pub struct Process {
    pub service: Revocation,
    pub app: App,
    inner: ServerHandle,
}

impl Process {
    pub async fn start(house: &TestHouse, anchors: &Arc<AnchorSet>, inner: &TcpListener) -> Self {
        let service = open(house, anchors, "dropped").await;
        let platform = Platform {
            bus: Bus::in_process(),
            ..house.platform.clone()
        };
        let app = App::serve(&platform, vec![service.module()]).await;
        let routes = inner_routes(&service);
        let server = HttpServer::new(move || actix_web::App::new().configure(routes.clone()))
            .workers(1)
            .disable_signals()
            .listen(inner.try_clone().unwrap())
            .unwrap()
            .run();
        let handle = server.handle();
        tokio::spawn(server);
        Self {
            service,
            app,
            inner: handle,
        }
    }

    pub async fn stop(self) {
        self.inner.stop(false).await;
        self.app.stop().await;
    }
}

/// The service over the house's database, with a folder as its source.
pub async fn open(house: &TestHouse, anchors: &Arc<AnchorSet>, folder: &str) -> Revocation {
    let folder = house.directory().join(folder);
    let config = Config {
        sources: vec![Source {
            environment: HERE,
            index_url: url::Url::from_directory_path(folder).unwrap().to_string(),
        }],
        ..Config::default()
    };
    Revocation::open(config, &house.platform, Arc::clone(anchors))
        .await
        .unwrap()
}

/// Works on something until it has been asked so often how it goes on, and lets it fall there.
pub async fn torn<T>(work: impl Future<Output = T>, polls: u16) {
    let mut work = pin!(work);
    let mut left = polls;
    poll_fn(|context| {
        let over = left == 0 || work.as_mut().poll(context).is_ready();
        left = left.saturating_sub(1);
        if over { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}
