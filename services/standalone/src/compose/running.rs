//! A process that serves, and how it stops.

use std::{io, net::TcpListener};

use actix_web::dev::ServerHandle;
use tokio::task::JoinHandle;
use warikan_runtime::RunningTasks;

use super::{ComposeError, Front, House, failed};

/// A house that serves.
pub struct Running {
    server: ServerHandle,
    served: JoinHandle<io::Result<()>>,
    followers: Vec<JoinHandle<()>>,
    tasks: RunningTasks,
    _house: House,
}

impl House {
    /// Connects the bus, serves on the listener and starts the tasks.
    ///
    /// # Errors
    /// The listener cannot be used.
    pub fn serve(mut self, listener: TcpListener) -> Result<Running, ComposeError> {
        let consumers = self
            .modules
            .iter()
            .flat_map(|module| module.consumers.iter().cloned());
        // In a process of one service the other consumers are elsewhere: facts wait in the outbox for a bus that reaches them.
        if matches!(self.front, Front::Edge) {
            self.platform.bus.connect(consumers.collect());
        }
        let server = match (&self.front, self.modules.first()) {
            (Front::Inner(routes), Some(module)) => {
                self.inner(module, routes.as_ref()).serve(listener)
            }
            _ => self.gateway().serve(listener),
        }
        .map_err(failed("cannot serve"))?;
        let handle = server.handle();
        let served = tokio::spawn(server);
        let tasks = self
            .modules
            .iter()
            .flat_map(|module| module.tasks.iter().cloned());
        let tasks = RunningTasks::spawn(tasks.collect());
        let followers = self.followers.drain(..).map(tokio::spawn).collect();
        Ok(Running {
            server: handle,
            served,
            followers,
            tasks,
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
        // They only read; what they were asking is asked again by the next process.
        self.followers.iter().for_each(JoinHandle::abort);
        self.tasks.stop().await;
        self.served.await.map_err(io::Error::other)?
    }
}
