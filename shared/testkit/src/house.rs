//! The platform of a test.

use tempfile::TempDir;
use warikan_messaging::Bus;
use warikan_runtime::{AccessToken, Clocks, Databases, Keys, Platform};
use warikan_types::{
    ClientScope, Clock, Entropy, Environment, Principal, TenantId, TenantScope, Timestamp,
};

/// A platform of its own, gone with the test.
pub struct TestHouse {
    /// What services are opened over.
    pub platform: Platform,
    directory: TempDir,
}

impl Default for TestHouse {
    fn default() -> Self {
        Self::new()
    }
}

impl TestHouse {
    /// A house at 2026-11-21T00:00:00Z (09:00 in Japan). Both clocks stand until advanced.
    ///
    /// # Panics
    /// Where no temporary directory can be made.
    #[must_use]
    pub fn new() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let start: Timestamp = "2026-11-21T00:00:00Z".parse().expect("a timestamp");
        let entropy = Entropy::seeded(0x5741_5249);
        let clock = Clock::manual(start);
        Self {
            platform: Platform {
                clocks: Clocks {
                    production: clock.clone(),
                    sandbox: clock,
                },
                keys: Keys::ephemeral(&entropy),
                entropy,
                bus: Bus::in_process(),
                databases: Databases::SqliteDirectory(directory.path().to_owned()),
            },
            directory,
        }
    }

    /// The house's directory.
    #[must_use]
    pub fn directory(&self) -> &std::path::Path {
        self.directory.path()
    }

    /// The clock.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        self.platform.clock()
    }

    /// A tenant that no service knows yet, in an environment.
    #[must_use]
    pub fn tenant(&self, environment: Environment) -> TenantScope {
        let tenant: TenantId = self.platform.entropy.id(self.clock().now());
        TenantScope::of_event(tenant, environment)
    }

    /// An access token for a tenant, as onboarding would have given it.
    ///
    /// # Panics
    /// Where the token cannot be signed.
    #[must_use]
    pub fn token(&self, tenant: TenantScope, scopes: &[ClientScope]) -> String {
        self.issue(Some(tenant), scopes)
    }

    /// An access token for the operator.
    ///
    /// # Panics
    /// Where the token cannot be signed.
    #[must_use]
    pub fn operator_token(&self) -> String {
        self.issue(None, &[ClientScope::Operator])
    }

    fn issue(&self, tenant: Option<TenantScope>, scopes: &[ClientScope]) -> String {
        let platform = &self.platform;
        let principal = Principal {
            client: platform.entropy.id(self.clock().now()),
            tenant,
            scopes: scopes.iter().copied().collect(),
        };
        AccessToken::issue(
            &principal,
            &platform.keys,
            platform.clock(),
            &platform.entropy,
        )
        .expect("the token is signed")
    }
}
