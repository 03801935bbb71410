//! With whose clock a process compares its own, and that it is not ready while it is wrong (F055).

use std::sync::Arc;

use warikan_gateway::clock_of;
use warikan_runtime::{ClockGuard, LOOK_AT_CLOCKS, Module, Platform};

use super::{ComposeError, House, Role, follow::Follower, remotes};
use crate::config::Config;

/// A service's: PostgreSQL's. On SQLite there is nobody.
pub(super) fn of_database(on: &Platform, role: Role) -> ClockGuard {
    let database = match role {
        Role::Gateway => None,
        Role::All => on.databases.reference(Role::Onboarding.name()),
        service => on.databases.reference(service.name()),
    };
    ClockGuard::new(on.clock().clone(), database.into_iter().collect())
}

/// The gateway's: the services'. That the sandbox's clock can be moved does not matter: its process's cannot.
pub(super) fn of_services(config: &Config, house: &House) -> Result<ClockGuard, ComposeError> {
    let mut references = Vec::new();
    for role in Role::SERVICES {
        if remotes(config).iter().any(|one| one.name == role.name()) {
            let peer = house.peer(config, Role::Gateway, role)?;
            references.push(clock_of(role.name(), peer));
        }
    }
    Ok(ClockGuard::new(house.platform.clock().clone(), references))
}

/// Goes on comparing.
pub(super) fn follow(clock: ClockGuard) -> Follower {
    Follower::new(move |told| async move {
        loop {
            clock.look().await;
            told.yes();
            tokio::time::sleep(LOOK_AT_CLOCKS).await;
        }
    })
}

/// Services that are ready only while their clock is right.
pub(super) fn watched(modules: Vec<Module>, clock: &ClockGuard) -> Vec<Module> {
    let watch = |mut module: Module| {
        let (own, clock) = (module.ready.clone(), clock.clone());
        module.ready = Arc::new(move || match clock.doubt() {
            Some(doubt) => Box::pin(async move { Err(doubt.to_string()) }),
            None => own(),
        });
        module
    };
    modules.into_iter().map(watch).collect()
}
