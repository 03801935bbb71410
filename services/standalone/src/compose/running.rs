//! A process that serves, and how it stops.

use std::{
    io,
    net::{SocketAddr, TcpListener},
};

use actix_web::dev::ServerHandle;
use tokio::task::JoinHandle;
use warikan_runtime::{RunningTasks, replay_task};

use super::{ComposeError, Front, House, failed};

/// A house that serves.
pub struct Running {
    server: ServerHandle,
    address: SocketAddr,
    served: JoinHandle<io::Result<()>>,
    followers: Vec<JoinHandle<()>>,
    tasks: RunningTasks,
    ops: Option<ServerHandle>,
    house: House,
}

impl House {
    /// Connects the bus, serves on the listener and starts the tasks.
    ///
    /// # Errors
    /// The listener cannot be used.
    pub fn serve(self, listener: TcpListener) -> Result<Running, ComposeError> {
        self.serve_observed(listener, None)
    }

    /// As [`House::serve`], with a listener for operators.
    ///
    /// # Errors
    /// A listener cannot be used.
    pub fn serve_observed(
        mut self,
        listener: TcpListener,
        ops: Option<TcpListener>,
    ) -> Result<Running, ComposeError> {
        self.connect_bus();
        let address = listener
            .local_addr()
            .map_err(failed("cannot read the port"))?;
        let server = match (&self.front, self.modules.first()) {
            (Front::Inner(routes), Some(module)) => {
                self.inner(module, routes.as_ref()).serve(listener)
            }
            _ => self.gateway().serve(listener),
        }
        .map_err(failed("cannot serve"))?;
        let ops = ops.map(|listener| self.serve_ops(listener)).transpose()?;
        let handle = server.handle();
        let served = tokio::spawn(server);
        let tasks = self
            .modules
            .iter()
            .flat_map(|module| module.tasks.iter().cloned());
        let replay = replay_task(self.platform.bus.clone());
        let tasks = RunningTasks::spawn(tasks.chain([replay]).collect());
        let followers = std::mem::take(&mut self.followers).spawn();
        Ok(Running {
            server: handle,
            address,
            served,
            followers,
            tasks,
            ops,
            house: self,
        })
    }
}

impl House {
    /// Waits a moment until it knows what other processes know. Nobody need be there.
    pub async fn learn(&mut self) {
        self.followers.learn().await;
    }

    fn connect_bus(&self) {
        let consumers = self
            .modules
            .iter()
            .flat_map(|module| module.consumers.iter().cloned());
        match (&self.front, self.brokered) {
            (Front::Proxy(_), _) => {}
            (Front::Edge, _) | (Front::Inner(_), true) => {
                self.platform.bus.connect(consumers.collect());
            }
            // The other consumers are in other processes. Nothing is lost, and nothing moves.
            (Front::Inner(_), false) => tracing::warn!(
                "no rabbitmq.url is set: what this service has to tell the others waits in its outbox"
            ),
        }
    }

    fn serve_ops(&self, listener: TcpListener) -> Result<ServerHandle, ComposeError> {
        let edge = match &self.front {
            Front::Proxy(gateway) => Some(gateway),
            Front::Edge | Front::Inner(_) => None,
        };
        let server = warikan_gateway::serve_ops(listener, &self.modules, edge)
            .map_err(failed("cannot serve operators"))?;
        let handle = server.handle();
        tokio::spawn(server);
        Ok(handle)
    }
}

impl Running {
    /// Finishes what was sent to it and stops: requests first, then tasks, then the bus, over which their facts go.
    ///
    /// # Errors
    /// The server had failed.
    pub async fn stop(self) -> io::Result<()> {
        self.house.drain.begin();
        self.house.drain.come_round(self.address).await;
        self.server.stop(true).await;
        // They only read; what they were asking is asked again by the next process.
        self.followers.iter().for_each(JoinHandle::abort);
        self.tasks.stop().await;
        self.house.platform.bus.close().await;
        if let Some(ops) = self.ops {
            ops.stop(false).await;
        }
        self.served.await.map_err(io::Error::other)?
    }
}
