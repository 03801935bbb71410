//! How what the edge refuses comes into the audit trail: to onboarding beside it or in another process.

use warikan_gateway::{Refusals, TELL_REFUSALS};
use warikan_onboarding::Onboarding;
use warikan_runtime::{Peer, Platform};

use super::{
    House,
    follow::{Follower, Followers},
};

/// Told to onboarding in this process.
pub(super) fn here(onboarding: &Onboarding, on: &Platform, followers: &mut Followers) -> Refusals {
    let onboarding = onboarding.clone();
    let refusals = Refusals::new(on.clock().clone(), move |refusals| {
        let onboarding = onboarding.clone();
        Box::pin(async move { onboarding.record_refusals(refusals).await })
    });
    followers.add(follow(refusals.clone()));
    refusals
}

/// Told to onboarding in another process.
pub(super) fn elsewhere(onboarding: Peer, house: &mut House) -> Refusals {
    let refusals = Refusals::to_peer(onboarding, house.platform.clock().clone());
    house.followers.add(follow(refusals.clone()));
    refusals
}

/// Tells them every few seconds. Nobody waits for it at the start.
fn follow(refusals: Refusals) -> Follower {
    Follower::new(move |told| async move {
        told.yes();
        let mut silent = false;
        loop {
            tokio::time::sleep(TELL_REFUSALS).await;
            match refusals.tell().await {
                Ok(()) => silent = false,
                Err(error) => {
                    if !silent {
                        tracing::warn!(
                            error,
                            "what was refused is not in the audit trail yet; it is told again"
                        );
                    }
                    silent = true;
                }
            }
        }
    })
}
