//! Ids in paths.

use std::future::{Ready, ready};

use actix_web::{FromRequest, HttpRequest, dev::Payload};
use warikan_types::{Id, IdKind};

use crate::Problem;

/// The `{id}` of a path. A text that is no id of the kind names nothing: 404, like any other id without a thing.
pub struct PathId<K>(pub Id<K>);

impl<K: IdKind> FromRequest for PathId<K> {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        ready(
            request
                .match_info()
                .get("id")
                .and_then(|text| text.parse().ok())
                .map(Self)
                .ok_or_else(Problem::not_found),
        )
    }
}
