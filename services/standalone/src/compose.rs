//! The only composition root: which services a process holds, and what each is given.
//!
//! The shapes differ in arguments alone. In the one binary services are opened over one platform and ask each other in memory; as a
//! process of its own a service is opened by the same call, and what it would have asked in memory it follows over HTTP.

mod clock;
mod denied;
mod error;
mod follow;
mod limits;
mod locks;
mod paid_for;
mod refusals;
mod role;
mod running;
mod sandbox;

use std::{fs::File, net::SocketAddr, sync::Arc, time::Duration};

use ipnet::IpNet;
use warikan_billing::Billing;
use warikan_contracts::api::CertificateStatus;
use warikan_gateway::{
    DenyList, Drain, Gateway, InnerRoutes, InnerService, Limits, ProxySettings, Refusals,
};
use warikan_messaging::Bus;
use warikan_onboarding::{Bootstrap, Onboarding};
use warikan_pki::PinnedAnchors;
use warikan_revocation::{Revocation, StatusReplica};
use warikan_runtime::{
    ClockGuard, Clocks, DatabaseKind, Keys, Module, OpenError, Peer, Platform, RedisServer,
};
use warikan_sandbox::Sandbox;
use warikan_types::{Clock, Entropy};
use warikan_verification::Verification;
use warikan_webhooks::Webhooks;

use self::{
    follow::Followers,
    limits::limits,
    sandbox::{sandbox_responder, sandbox_source},
};
use crate::{
    anchors,
    config::{Addresses, Config},
};

pub use error::{ComposeError, failed};
pub use role::{Role, remotes};
pub use running::Running;

/// A process's services, opened, not yet serving.
pub struct House {
    /// What the services were opened over.
    pub platform: Platform,
    /// The services.
    pub modules: Vec<Module>,
    /// Where the operator's first credential is, if onboarding is among them.
    pub bootstrap: Option<Bootstrap>,
    front: Front,
    brokered: bool,
    workers: usize,
    limits: Limits,
    drain: Drain,
    trusted_proxies: Vec<IpNet>,
    /// Whose tokens the edge refuses; in processes that have the edge.
    pub denied: Option<DenyList>,
    /// What was refused to known callers, where this process is the edge.
    pub refusals: Option<Refusals>,
    clock: ClockGuard,
    followers: Followers,
    _locks: Vec<File>,
}

/// Who stands at the listener.
enum Front {
    /// The edge, over the services here.
    Edge,
    /// The edge, over services elsewhere.
    Proxy(Gateway),
    /// The platform's own door to one service.
    Inner(Option<InnerRoutes>),
}

/// The two clocks of `serve`: production's is the machine's, the sandbox's can be moved.
#[must_use]
pub fn clocks() -> Clocks {
    Clocks {
        production: Clock::system(),
        sandbox: Clock::adjustable(Duration::ZERO),
    }
}

/// What services are opened over, as the configuration says; the data directory is made where it is missing.
///
/// # Errors
/// [`ComposeError`].
pub fn platform(config: &Config, clocks: Clocks) -> Result<Platform, ComposeError> {
    platform_of(config, Role::All, clocks)
}

fn platform_of(config: &Config, role: Role, clocks: Clocks) -> Result<Platform, ComposeError> {
    let directory = &config.data_dir;
    locks::make_private(directory)?;
    let entropy = Entropy::system();
    let keys = match &config.keys_file {
        Some(file) => Keys::load(file, &entropy)?,
        None => Keys::load_or_create(&directory.join("keys.json"), &entropy)?,
    };
    Ok(Platform {
        clocks,
        keys,
        entropy,
        bus: match &config.rabbitmq {
            // The gateway tells no facts and hears none.
            Some(broker) if role != Role::Gateway => Bus::rabbitmq(broker.clone())?,
            Some(_) | None => Bus::in_process(),
        },
        databases: config.database.databases(directory)?,
    })
}

/// Opens (and migrates) every service. `own_address` is where the process will listen: the sandbox's lists are fetched
/// from there, over HTTP, as J-LIS' are from elsewhere.
///
/// # Errors
/// [`ComposeError`]; nothing is left running.
pub async fn open(
    config: &Config,
    clocks: Clocks,
    own_address: SocketAddr,
) -> Result<House, ComposeError> {
    // On the heap, as the other deep ones: the compiler bounds how deeply futures may lie within each other.
    Box::pin(open_over(config, platform(config, clocks)?, own_address)).await
}

/// As [`open`], over a platform that was made before.
///
/// # Errors
/// [`ComposeError`]; nothing is left running.
pub async fn open_over(
    config: &Config,
    platform: Platform,
    own_address: SocketAddr,
) -> Result<House, ComposeError> {
    let locks = own_files(config, &Role::SERVICES.map(Role::name))?;
    let clock = clock::of_database(&platform, Role::Onboarding);
    let mut modules = Vec::new();
    let mut sandbox_roots = Vec::new();
    let mut revocation_config = config.revocation.clone();
    let mut verification_config = config.verification.clone();
    if config.sandbox.enabled {
        let sandbox = Sandbox::open(warikan_sandbox::Config::default(), &platform).await?;
        sandbox_roots.extend(sandbox.roots().iter().map(|root| root.der.clone()));
        revocation_config
            .sources
            .push(sandbox_source(&format!("http://{own_address}")));
        let responder = sandbox_responder(&format!("http://{own_address}"));
        verification_config.ocsp.responders.push(responder);
        modules.push(sandbox.module());
    }
    // Set once: whoever is asked about a card that is shown is asked about one that is watched.
    revocation_config.ocsp = verification_config.ocsp.clone();
    let anchors: PinnedAnchors =
        anchors::load(config.production.anchors.as_deref(), sandbox_roots)?.into();
    let onboarding = open_onboarding(config, &platform).await?;
    let revocation = Revocation::open(revocation_config, &platform, anchors.clone()).await?;
    let status = revocation.status();
    let verification = Verification::open(verification_config, &platform, anchors, status).await?;
    let webhooks = Webhooks::open(config.webhooks.clone(), &platform).await?;
    let paid_for = vec![verification.operations(), revocation.operations()];
    let billing = Billing::open(config.billing.clone(), &platform, paid_for).await?;
    modules.extend([
        onboarding.module(),
        verification.module(),
        revocation.module(),
        webhooks.module(),
        billing.module(),
    ]);
    let redis = config.redis.server()?;
    let mut followers = Followers::default();
    followers.add(clock::follow(clock.clone()));
    let denied = denied::of_service(&onboarding, redis.clone(), &platform);
    followers.add(denied::follow(denied.clone(), Some(onboarding.denials())));
    if let Some(redis) = redis.clone() {
        followers.add(denied::stamp(redis, onboarding.denials(), &platform));
    }
    Ok(House {
        refusals: Some(refusals::here(&onboarding, &platform, &mut followers)),
        platform,
        modules: clock::watched(modules, &clock),
        bootstrap: Some(onboarding.bootstrap().clone()),
        front: Front::Edge,
        brokered: config.rabbitmq.is_some(),
        workers: config.workers,
        limits: limits(config, redis),
        drain: Drain::default(),
        trusted_proxies: config.gateway.trusted_proxies.clone(),
        denied: Some(denied),
        clock,
        followers,
        _locks: locks,
    })
}

/// Database files are one process's; PostgreSQL takes many, and keeps their migrations apart itself.
fn own_files(config: &Config, services: &[&str]) -> Result<Vec<File>, ComposeError> {
    match config.database.kind {
        DatabaseKind::Sqlite => locks::lock(&config.data_dir, services),
        DatabaseKind::Postgres => Ok(Vec::new()),
    }
}

async fn open_onboarding(config: &Config, platform: &Platform) -> Result<Onboarding, OpenError> {
    let own = || config.data_dir.join("operator-credential.json");
    let file = config.operator_credential_file.clone().unwrap_or_else(own);
    Onboarding::open(config.onboarding.clone(), file, platform).await
}

/// Brings every service's schema up to date, and does nothing else. `told` hears of each service that is done.
///
/// # Errors
/// [`ComposeError`]; what was migrated until then stays.
pub async fn migrate(
    config: &Config,
    mut told: impl FnMut(&'static str),
) -> Result<(), ComposeError> {
    let directory = &config.data_dir;
    locks::make_private(directory)?;
    let _locks = own_files(config, &Role::SERVICES.map(Role::name))?;
    let databases = config.database.databases(directory)?;
    if config.sandbox.enabled {
        Sandbox::migrate(&databases).await?;
        told("sandbox");
    }
    Onboarding::migrate(&databases).await?;
    told("onboarding");
    Verification::migrate(&databases).await?;
    told("verification");
    Revocation::migrate(&databases).await?;
    told("revocation");
    Webhooks::migrate(&databases).await?;
    told("webhooks");
    Billing::migrate(&databases).await?;
    told("billing");
    Ok(())
}

/// Opens what a process of this role holds. No other process needs to run for it.
///
/// # Errors
/// [`ComposeError`]; nothing is left running.
pub async fn open_role(
    config: &Config,
    role: Role,
    clocks: Clocks,
    own_address: SocketAddr,
) -> Result<House, ComposeError> {
    if role == Role::All {
        return open(config, clocks, own_address).await;
    }
    if !role.is_wanted(config) {
        return Err(ComposeError::NoSandbox);
    }
    let platform = platform_of(config, role, clocks)?;
    let redis = config.redis.server()?;
    let mut house = House {
        front: Front::Inner(None),
        brokered: config.rabbitmq.is_some(),
        modules: Vec::new(),
        bootstrap: None,
        workers: config.workers,
        limits: limits(config, redis.clone()),
        drain: Drain::default(),
        trusted_proxies: config.gateway.trusted_proxies.clone(),
        denied: None,
        refusals: None,
        clock: clock::of_database(&platform, role),
        followers: Followers::default(),
        _locks: Vec::new(),
        platform,
    };
    if role == Role::Gateway {
        let settings = ProxySettings {
            timeout: Duration::from_secs(config.gateway.timeout_seconds),
        };
        let gateway = Gateway::proxy(
            house.platform.clone(),
            remotes(config),
            settings,
            redis.clone(),
            config.workers,
        );
        house.front = Front::Proxy(gateway.map_err(failed("no HTTP client can be made"))?);
        let onboarding = house.peer(config, role, Role::Onboarding)?;
        house.refusals = Some(refusals::elsewhere(onboarding.clone(), &mut house));
        let denied = denied::of_peer(onboarding, redis, &house.platform);
        house.followers.add(denied::follow(denied.clone(), None));
        house.denied = Some(denied);
        house.clock = clock::of_services(config, &house)?;
        house.followers.add(clock::follow(house.clock.clone()));
        return Ok(house);
    }
    house._locks = own_files(config, &[role.name()])?;
    Box::pin(house.open_service(config, role, redis)).await?;
    house.modules = clock::watched(house.modules, &house.clock);
    house.followers.add(clock::follow(house.clock.clone()));
    Ok(house)
}

impl House {
    async fn open_service(
        &mut self,
        config: &Config,
        role: Role,
        redis: Option<RedisServer>,
    ) -> Result<(), ComposeError> {
        let on = self.platform.clone();
        let module = match role {
            Role::All | Role::Gateway => return Ok(()),
            Role::Onboarding => {
                let onboarding = open_onboarding(config, &on).await?;
                self.bootstrap = Some(onboarding.bootstrap().clone());
                self.front = Front::Inner(Some(Arc::new(warikan_onboarding::inner_routes(
                    &onboarding,
                ))));
                if let Some(redis) = redis {
                    self.followers
                        .add(denied::stamp(redis, onboarding.denials(), &on));
                }
                onboarding.module()
            }
            Role::Verification => {
                let anchors = self.anchors(config, role)?;
                let peer = self.peer(config, role, Role::Revocation)?;
                let replica = StatusReplica::new(peer);
                self.followers.add(follow::status(replica.clone()));
                let status: Arc<dyn CertificateStatus> = Arc::new(replica.clone());
                let mut own = config.verification.clone();
                if config.sandbox.enabled {
                    let base = config.topology.sandbox.first();
                    own.ocsp.responders.push(sandbox_responder(base));
                }
                let opened = Verification::open(own, &on, anchors, status).await?;
                self.front =
                    Front::Inner(Some(Arc::new(warikan_verification::inner_routes(&opened))));
                follow::ready_once_told(opened.module(), replica)
            }
            Role::Revocation => {
                let anchors = self.anchors(config, role)?;
                let mut own = config.revocation.clone();
                own.ocsp = config.verification.ocsp.clone();
                if config.sandbox.enabled {
                    let base = config.topology.sandbox.first();
                    own.sources.push(sandbox_source(base));
                    own.ocsp.responders.push(sandbox_responder(base));
                }
                let opened = Revocation::open(own, &on, anchors).await?;
                self.front =
                    Front::Inner(Some(Arc::new(warikan_revocation::inner_routes(&opened))));
                opened.module()
            }
            Role::Webhooks => Webhooks::open(config.webhooks.clone(), &on).await?.module(),
            Role::Billing => {
                let paid_for = self.paid_for(config, role)?;
                let opened = Billing::open(config.billing.clone(), &on, paid_for).await?;
                opened.module()
            }
            Role::Sandbox => {
                let opened = Sandbox::open(warikan_sandbox::Config::default(), &on).await?;
                self.front = Front::Inner(Some(Arc::new(warikan_sandbox::inner_routes(&opened))));
                opened.module()
            }
        };
        self.modules.push(module);
        Ok(())
    }

    fn peer(&self, config: &Config, from: Role, to: Role) -> Result<Peer, ComposeError> {
        let addresses = to.addresses(&config.topology);
        let bases = addresses.map_or_else(Vec::new, Addresses::all);
        Ok(Peer::new(from.name(), to.name(), bases, &self.platform)?)
    }

    /// The operator's anchors at once, the sandbox's as soon as it tells them.
    fn anchors(&mut self, config: &Config, role: Role) -> Result<PinnedAnchors, ComposeError> {
        let production = config.production.anchors.clone();
        let pinned: PinnedAnchors = anchors::load(production.as_deref(), [])?.into();
        if config.sandbox.enabled {
            let peer = self.peer(config, role, Role::Sandbox)?;
            let clocks = self.platform.clocks.clone();
            self.followers
                .add(follow::sandbox(peer, production, pinned.clone(), clocks));
        }
        Ok(pinned)
    }

    /// The edge over these services.
    #[must_use]
    pub fn gateway(&self) -> Gateway {
        let gateway = match &self.front {
            Front::Proxy(gateway) => gateway.clone(),
            Front::Edge | Front::Inner(_) => {
                Gateway::new(self.platform.clone(), self.modules.clone(), self.workers)
            }
        };
        let gateway = gateway
            .with_limits(self.limits.clone())
            .with_drain(self.drain.clone())
            .with_clock(self.clock.clone())
            .with_trusted_proxies(self.trusted_proxies.clone());
        let gateway = match &self.refusals {
            Some(refusals) => gateway.with_refusals(refusals.clone()),
            None => gateway,
        };
        match &self.denied {
            Some(denied) => gateway.with_denied(denied.clone()),
            None => gateway,
        }
    }

    /// The door to the only service.
    fn inner(&self, module: &Module, routes: Option<&InnerRoutes>) -> InnerService {
        let mut inner = InnerService::new(self.platform.clone(), module.clone(), self.workers)
            .with_drain(self.drain.clone())
            .with_clock(self.clock.clone());
        if let Some(routes) = routes {
            inner = inner.with_routes(Arc::clone(routes));
        }
        if module.name == Role::Sandbox.name() {
            inner = inner.with_open_prefix("/jlis/");
        }
        inner
    }
}
