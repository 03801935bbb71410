//! The side that asks, where the service is in another process.

use std::{fmt::Display, time::Duration};

use async_trait::async_trait;
use serde::de::DeserializeOwned;
use warikan_contracts::operations::{
    GroupTally, Metered, MeteredOperation, MeteredOperations, OperationGroup, OperationKey,
    OperationsUnavailable,
};
use warikan_runtime::Peer;
use warikan_types::{BillingMonth, Timestamp};

/// The longest an answer may take: a month of millions of operations is added up in seconds.
const WITHIN: Duration = Duration::from_secs(60);

/// A service's operations, told by another process.
#[derive(Clone)]
pub struct Remote {
    peer: Peer,
    meters: &'static [Metered],
}

impl Remote {
    /// Of the service that this peer is, which may have these sorts.
    #[must_use]
    pub const fn new(peer: Peer, meters: &'static [Metered]) -> Self {
        Self { peer, meters }
    }

    async fn ask<T: DeserializeOwned>(&self, path: &str) -> Result<T, OperationsUnavailable> {
        let answer = self.answer(path).await;
        if answer.is_err() {
            self.peer.turn_elsewhere();
        }
        answer
    }

    async fn answer<T: DeserializeOwned>(&self, path: &str) -> Result<T, OperationsUnavailable> {
        let request = self
            .peer
            .get(path, WITHIN)
            .map_err(|why| self.silent(why))?;
        let answer = request.send().await.map_err(|why| self.silent(why))?;
        if !answer.status().is_success() {
            return Err(self.silent(format_args!("it answers {}", answer.status())));
        }
        answer.json().await.map_err(|why| self.silent(why))
    }

    fn silent(&self, why: impl Display) -> OperationsUnavailable {
        OperationsUnavailable {
            service: self.peer.name(),
            why: why.to_string(),
        }
    }
}

#[async_trait]
impl MeteredOperations for Remote {
    fn service(&self) -> &'static str {
        self.peer.name()
    }

    fn meters(&self) -> &'static [Metered] {
        self.meters
    }

    async fn tallies(
        &self,
        month: BillingMonth,
        until: Timestamp,
    ) -> Result<Vec<GroupTally>, OperationsUnavailable> {
        let path = format!("/inner/operations/tallies?month={month}&until={until}");
        self.ask(&path).await
    }

    async fn page(
        &self,
        month: BillingMonth,
        until: Timestamp,
        group: OperationGroup,
        after: Option<OperationKey>,
    ) -> Result<Vec<MeteredOperation>, OperationsUnavailable> {
        let after = after.map_or_else(String::new, |after| {
            format!("&after_id={}&after_place={}", after.id, after.place)
        });
        let path = format!(
            "/inner/operations?month={month}&until={until}&tenant={}&environment={}&meter={}{after}",
            group.tenant,
            group.environment.as_str(),
            group.meter.as_str(),
        );
        self.ask(&path).await
    }
}
