//! What a process is: everything, the edge, or one service.

use std::fmt;

use warikan_gateway::Remote;

use crate::config::{Addresses, Config, DEFAULT_LISTEN, Topology};

/// What a process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Role {
    /// Every service and the edge in one process.
    All,
    /// The edge over services in other processes.
    Gateway,
    /// Tenants, credentials, tokens.
    Onboarding,
    /// Challenges, verifications, subjects.
    Verification,
    /// Watches, lists, status.
    Revocation,
    /// Feed, endpoints, deliveries.
    Webhooks,
    /// Usage, invoices.
    Billing,
    /// The stand-in for J-LIS.
    Sandbox,
}

impl Role {
    /// The services, in the order in which the public document names them.
    pub const SERVICES: [Self; 6] = [
        Self::Sandbox,
        Self::Onboarding,
        Self::Verification,
        Self::Revocation,
        Self::Webhooks,
        Self::Billing,
    ];

    /// Its name, which is also that of its database.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Gateway => "gateway",
            Self::Onboarding => "onboarding",
            Self::Verification => "verification",
            Self::Revocation => "revocation",
            Self::Webhooks => "webhooks",
            Self::Billing => "billing",
            Self::Sandbox => "sandbox",
        }
    }

    /// The program that is this and nothing else.
    #[must_use]
    pub const fn program(self) -> &'static str {
        match self {
            Self::All => "warikan",
            Self::Gateway => "warikan-gateway",
            Self::Onboarding => "warikan-onboarding",
            Self::Verification => "warikan-verification",
            Self::Revocation => "warikan-revocation",
            Self::Webhooks => "warikan-webhooks",
            Self::Billing => "warikan-billing",
            Self::Sandbox => "warikan-sandbox",
        }
    }

    /// Where a service's inner listeners are reached; `None` for what is no single service.
    #[must_use]
    pub const fn addresses(self, topology: &Topology) -> Option<&Addresses> {
        Some(match self {
            Self::All | Self::Gateway => return None,
            Self::Onboarding => &topology.onboarding,
            Self::Verification => &topology.verification,
            Self::Revocation => &topology.revocation,
            Self::Webhooks => &topology.webhooks,
            Self::Billing => &topology.billing,
            Self::Sandbox => &topology.sandbox,
        })
    }

    /// Where the process listens; a replica that is not the first of the topology is told by `listen`.
    #[must_use]
    pub fn listen(self, config: &Config) -> String {
        if let Some(listen) = &config.listen {
            return listen.clone();
        }
        let own = self.addresses(&config.topology).map(Addresses::first);
        own.and_then(|address| address.strip_prefix("http://"))
            .unwrap_or(DEFAULT_LISTEN)
            .to_owned()
    }

    /// Whether the configuration has this service at all.
    #[must_use]
    pub fn is_wanted(self, config: &Config) -> bool {
        self != Self::Sandbox || config.sandbox.enabled
    }

    /// A service as the gateway sees it.
    fn remote(self, topology: &Topology) -> Option<Remote> {
        Some(Remote {
            name: self.name(),
            routes: match self {
                Self::All | Self::Gateway => return None,
                Self::Onboarding => warikan_onboarding::routes,
                Self::Verification => warikan_verification::routes,
                Self::Revocation => warikan_revocation::routes,
                Self::Webhooks => warikan_webhooks::routes,
                Self::Billing => warikan_billing::routes,
                Self::Sandbox => warikan_sandbox::routes,
            },
            addresses: self.addresses(topology)?.all(),
        })
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The services that the configuration has, as the gateway sees them.
#[must_use]
pub fn remotes(config: &Config) -> Vec<Remote> {
    Role::SERVICES
        .into_iter()
        .filter(|role| role.is_wanted(config))
        .filter_map(|role| role.remote(&config.topology))
        .collect()
}
