//! A start on a schema that is older than the program: it waits for the migration instead of ending (F089).
//!
//! So programs may be exchanged before the schema is migrated as well as after: the new one lives and is not ready, nobody routes to it
//! (its listener is closed, so a gateway that has its address asks the next replica), the old ones beside it go on, and it serves
//! as soon as `warikan migrate` has run.

use std::{
    io::Write,
    net::{SocketAddr, TcpListener},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use actix_web::dev::ServerHandle;
use warikan_runtime::{Module, OpenError};

use crate::{
    compose::{self, ComposeError, House, Role, failed},
    config::Config,
};

/// Between two looks at the schema.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// A house on a schema that it knows, and the listener that is its own again.
pub(super) async fn open(
    config: &Config,
    role: Role,
    listener: TcpListener,
    address: SocketAddr,
    out: &mut impl Write,
) -> Result<(House, TcpListener), ComposeError> {
    let mut listener = Some(listener);
    let mut waiting: Option<Waiting> = None;
    loop {
        let opened = compose::open_role(config, role, compose::clocks(), address).await;
        let why = match opened {
            Ok(house) => {
                if let Some(waiting) = waiting {
                    waiting.end().await;
                }
                let listener = listener.map_or_else(|| bind(address), Ok)?;
                return Ok((house, listener));
            }
            Err(ComposeError::Service(lacking @ OpenError::Pending { .. })) => lacking.to_string(),
            Err(error) => return Err(error),
        };
        match &waiting {
            None => {
                listener = None;
                tracing::warn!(why, "waiting for the schema");
                writeln!(out, "warikan waits ({role}): {why}")
                    .and_then(|()| out.flush())
                    .map_err(failed("cannot write to standard output"))?;
                waiting = Some(Waiting::begin(config, role, why)?);
            }
            Some(waiting) => waiting.tell(why),
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

fn bind(address: SocketAddr) -> Result<TcpListener, ComposeError> {
    TcpListener::bind(address).map_err(failed(format!("cannot listen on {address}")))
}

/// What operators see of a process that waits.
struct Waiting {
    why: Arc<Mutex<String>>,
    ops: Option<ServerHandle>,
}

impl Waiting {
    fn begin(config: &Config, role: Role, why: String) -> Result<Self, ComposeError> {
        let why = Arc::new(Mutex::new(why));
        let Some(at) = &config.ops.listen else {
            return Ok(Self { why, ops: None });
        };
        let told = Arc::clone(&why);
        let module = Module {
            name: role.name(),
            routes: Arc::new(|_| {}),
            consumers: Vec::new(),
            tasks: Vec::new(),
            ready: Arc::new(move || {
                let why = lock(&told).clone();
                Box::pin(async move { Err(why) })
            }),
        };
        let listener = TcpListener::bind(at).map_err(failed(format!("cannot listen on {at}")))?;
        let server = warikan_gateway::serve_ops(listener, &[module], None)
            .map_err(failed("cannot serve operators"))?;
        let handle = server.handle();
        tokio::spawn(server);
        Ok(Self {
            why,
            ops: Some(handle),
        })
    }

    fn tell(&self, why: String) {
        *lock(&self.why) = why;
    }

    async fn end(self) {
        if let Some(ops) = self.ops {
            ops.stop(false).await;
        }
    }
}

fn lock(why: &Mutex<String>) -> std::sync::MutexGuard<'_, String> {
    why.lock().unwrap_or_else(PoisonError::into_inner)
}
