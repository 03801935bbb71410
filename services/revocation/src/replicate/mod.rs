//! The status versions in another process's memory.
//!
//! Whoever verifies must not pay a network hop for each look-up, nor stop knowing when this service stops: it keeps a
//! [`StatusReplica`], which follows `GET /inner/status` of this service. A question names the last change it has seen, and waits
//! if there is none after it; the answer is what changed, list by list ([`wire`]): the changes alone where they are still at hand, the
//! whole version otherwise. Each is swapped in as it was here.
//! What a replica says carries thisUpdate and nextUpdate like everything else, so one that is cut off grows stale
//! truthfully instead of going on to say *good*.

mod follow;
mod serve;
mod wire;

pub use follow::{FollowError, StatusReplica};
pub use serve::inner_routes;

/// Names the process whose changes are counted: a restarted one counts anew.
const EPOCH: &str = "x-status-epoch";
/// The number of the last change that an answer contains.
const CHANGE: &str = "x-status-change";
