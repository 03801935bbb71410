//! Operations that are paid for, kept by the service that answered them.
//!
//! Verification and revocation each keep a table `metered_operation` in their own database. A row is written in the transaction
//! that answers the tenant and puts the fact for billing into the outbox ([`append`]), so there is no answer without its row. Billing
//! counts what facts tell it; whether it has heard of everything it finds out by asking the services ([`Operations`] in the same
//! process, [`Remote`] in another one), first how many there are, and where that differs, which.
//!
//! Rows hold ids, times and words. A check by list is named by the certificate's handle, the tenant's own keyed pseudonym, as it
//! stands on the bill: erasing a person leaves what was answered about them, and does not tell who they were. Rows are not removed.

mod append;
mod entity;
mod inner;
mod migrations;
mod operations;
mod remote;

pub use append::{add, append};
pub use inner::inner_routes;
pub use migrations::migrations;
pub use operations::Operations;
pub use remote::Remote;

/// Operations in one page.
pub const PAGE: u64 = 1_000;
