//! How the edge hears whose access tokens are denied: from onboarding beside it or in another process, and through Redis that there is
//! something to hear.

use futures_util::future::BoxFuture;
use tokio::sync::watch;
use warikan_gateway::{DenyList, LOOK_FOR_DENIED, stamp_denied_tokens};
use warikan_onboarding::Onboarding;
use warikan_runtime::{Peer, Platform, RedisServer};

use super::follow::Follower;

/// The list of onboarding in this process.
pub(super) fn of_service(
    onboarding: &Onboarding,
    redis: Option<RedisServer>,
    on: &Platform,
) -> DenyList {
    let onboarding = onboarding.clone();
    let ask = move || {
        let onboarding = onboarding.clone();
        Box::pin(async move { onboarding.denied_tokens().await }) as BoxFuture<'static, _>
    };
    DenyList::new(ask, redis, on.clock().clone(), on.entropy.clone())
}

/// The list of onboarding elsewhere.
pub(super) fn of_peer(onboarding: Peer, redis: Option<RedisServer>, on: &Platform) -> DenyList {
    let list = DenyList::of_peer(onboarding, redis, on.clock().clone(), on.entropy.clone());
    list.with_keys(on.keys.clone())
}

/// Keeps the list; what this process itself denies is heard at once.
pub(super) fn follow(list: DenyList, mut denials: Option<watch::Receiver<u64>>) -> Follower {
    Follower::new(move |told| async move {
        let mut silent = false;
        loop {
            match list.look().await {
                Ok(()) => {
                    silent = false;
                    told.yes();
                }
                Err(error) => {
                    if !silent {
                        tracing::warn!(
                            error,
                            "whose tokens are denied is not told; what is known stays, and tokens expire"
                        );
                    }
                    silent = true;
                }
            }
            let Some(changed) = &mut denials else {
                tokio::time::sleep(LOOK_FOR_DENIED).await;
                continue;
            };
            tokio::select! {
                () = tokio::time::sleep(LOOK_FOR_DENIED) => {}
                Ok(()) = changed.changed() => {
                    // Where it fails, the next look asks again.
                    let _ = list.look_now().await;
                }
            }
        }
    })
}

/// Leaves a stamp in Redis for the edges in other processes, whenever this process has denied somebody's tokens. Where Redis does not take it, they
/// ask for the list without one.
pub(super) fn stamp(
    redis: RedisServer,
    mut denials: watch::Receiver<u64>,
    on: &Platform,
) -> Follower {
    let (clock, entropy) = (on.clock().clone(), on.entropy.clone());
    Follower::new(move |told| async move {
        told.yes();
        while denials.changed().await.is_ok() {
            while !stamp_denied_tokens(&redis, &entropy, clock.now()).await {
                tokio::time::sleep(LOOK_FOR_DENIED).await;
            }
        }
    })
}
