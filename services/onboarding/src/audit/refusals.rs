//! Requests that the edge refused to callers that are known, as it tells them.

use warikan_contracts::api::Refusal;
use warikan_messaging::begin_write;

use super::{Actor, Chain, Entry};
use crate::{Onboarding, error::Error, store::clients};

impl Onboarding {
    /// Writes them into the trail. Of a token that nobody signed, only where the credential that it names is there and is whose it says.
    ///
    /// # Errors
    /// The database cannot be used: nothing is written, and the edge tells them again.
    pub async fn record_refusals(&self, refusals: Vec<Refusal>) -> Result<(), String> {
        let written = self.write_refusals(refusals).await;
        written.map_err(|error| error.to_string())
    }

    pub(crate) async fn write_refusals(&self, refusals: Vec<Refusal>) -> Result<(), Error> {
        let mut entries = Vec::with_capacity(refusals.len());
        for refusal in refusals {
            if refusal.why.is_proved() || self.is_known(&refusal).await? {
                entries.push(entry(refusal));
            }
        }
        if entries.is_empty() {
            return Ok(());
        }
        let transaction = begin_write(self.0.db.worker()).await?;
        self.record(&transaction, entries).await?;
        transaction.commit().await?;
        Ok(())
    }

    async fn is_known(&self, refusal: &Refusal) -> Result<bool, Error> {
        let row = clients::find(self.0.db.worker(), refusal.client).await?;
        Ok(row.is_some_and(|row| clients::chain(&row) == chain(refusal)))
    }
}

fn chain(refusal: &Refusal) -> Chain {
    match refusal.tenant {
        None => Chain::Operator,
        Some(tenant) => Chain::Tenant(tenant, refusal.environment),
    }
}

fn entry(refusal: Refusal) -> Entry {
    let actor = match (refusal.why.is_proved(), refusal.tenant) {
        // Whoever it was, it need not have been the one that is named.
        (false, _) => Actor::System,
        (true, None) => Actor::Operator(refusal.client),
        (true, Some(_)) => Actor::Client(refusal.client),
    };
    let mut entry = Entry::new(chain(&refusal), actor, "request.made", refusal.last_at)
        .about(refusal.client)
        .with("reason", refusal.why.as_str())
        .with("times", refusal.times)
        .with_some("address", refusal.address)
        .with_some("scope", refusal.wanted);
    if refusal.times > 1 {
        entry = entry.with("first_at", refusal.first_at);
    }
    entry.refused = true;
    entry.request_id = refusal.request_id;
    entry
}
