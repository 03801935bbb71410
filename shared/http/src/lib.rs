//! What every HTTP handler of the house shares: problem documents, strict bodies, the caller, idempotency, lists.
//!
//! Errors become RFC 9457 documents here and nowhere else. A handler's signature says who may call it
//! ([`TenantCaller`], [`OperatorCaller`]); a handler that takes neither is public on purpose.

mod body;
mod caller;
mod catalogue;
pub mod csv;
mod idempotency;
mod media;
mod origin;
mod page;
mod path;
mod problem;
mod request_id;
mod stream;

pub use body::{Body, Params, whole_body};
pub use caller::{Authentication, Needs, OperatorCaller, TenantCaller, needs};
pub use catalogue::CATALOGUE;
pub use idempotency::{
    Answer, AskedAnswers, GivenAnswers, Idempotency, IdempotencyError, IdempotencyKey,
    KEPT as ANSWERS_KEPT, KEPT_HEADER, Kept, erase_about as erase_answers_about, migrations,
    prune as prune_answers,
};
pub use media::prefers;
pub use origin::{ORIGIN_HEADER, Origin};
pub use page::{Cursors, Page, PageQuery};
pub use path::PathId;
pub use problem::{Code, FieldError, Problem, ProblemDocument};
pub use request_id::{current as current_request_id, middleware as request_id_middleware};
pub use stream::{Lines, ReaderGone, streamed};

/// The largest request body, in octets, unless an operation documents another limit.
pub const BODY_LIMIT: usize = 256 * 1024;
