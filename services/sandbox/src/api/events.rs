//! Life events, in the three ways of saying them.

use actix_web::{HttpRequest, HttpResponse, post, web::Data};
use serde::{Deserialize, Deserializer};
use utoipa::ToSchema;
use warikan_http::{Body, PathId, Problem, ProblemDocument};
use warikan_types::Person;

use super::{
    persons::once,
    views::{EventAnswer, EventName},
};
use crate::{Sandbox, life::Happening};

/// Details of `move`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MoveDetails {
    address: Option<String>,
    municipality: Option<String>,
}

/// Details of `rename`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RenameDetails {
    name: Option<String>,
}

/// An event without details.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NoDetails {}

/// `{"event": "move", "address": ".."}`; `type` may stand for `event`. `{"move": {"address": ".."}}` means the same.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewEvent {
    #[serde(alias = "type")]
    event: Option<EventName>,
    /// With `move`: the new address.
    address: Option<String>,
    /// With `move`: where it lies; if absent, what the address begins with.
    municipality: Option<String>,
    /// With `rename`: the new name.
    name: Option<String>,
    r#move: Option<MoveDetails>,
    rename: Option<RenameDetails>,
    #[serde(default, deserialize_with = "given")]
    renew: Option<NoDetails>,
    #[serde(default, deserialize_with = "given")]
    lose: Option<NoDetails>,
    #[serde(default, deserialize_with = "given")]
    hold: Option<NoDetails>,
    #[serde(default, deserialize_with = "given")]
    die: Option<NoDetails>,
    #[serde(default, deserialize_with = "given")]
    cancel: Option<NoDetails>,
    #[serde(default, deserialize_with = "given")]
    discard: Option<NoDetails>,
    #[serde(default, deserialize_with = "given")]
    reissue: Option<NoDetails>,
}

/// `{"lose": {}}` and `{"lose": null}` both say it.
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<NoDetails>, D::Error> {
    Ok(Some(
        Option::<NoDetails>::deserialize(deserializer)?.unwrap_or_default(),
    ))
}

impl NewEvent {
    fn happening(self) -> Result<Happening, Problem> {
        let bare = |name, details: &Option<NoDetails>| details.as_ref().map(|_| name);
        let mut named: Vec<EventName> = [
            self.event,
            self.r#move.as_ref().map(|_| EventName::Move),
            self.rename.as_ref().map(|_| EventName::Rename),
            bare(EventName::Renew, &self.renew),
            bare(EventName::Lose, &self.lose),
            bare(EventName::Hold, &self.hold),
            bare(EventName::Die, &self.die),
            bare(EventName::Cancel, &self.cancel),
            bare(EventName::Discard, &self.discard),
            bare(EventName::Reissue, &self.reissue),
        ]
        .into_iter()
        .flatten()
        .collect();
        let (Some(name), true) = (named.pop(), named.is_empty()) else {
            return Err(Problem::field(
                "/event",
                "missing",
                "name exactly one event",
            ));
        };
        let (inner_address, inner_municipality) = self.r#move.map_or((None, None), |details| {
            (details.address, details.municipality)
        });
        Ok(Happening {
            name,
            address: inner_address.or(self.address),
            new_name: self.rename.and_then(|details| details.name).or(self.name),
            municipality: inner_municipality.or(self.municipality),
        })
    }
}

/// Let something happen to a person
///
/// They move, take another name, renew, lose or cancel their card, or die; certificates end or are issued as they would be. Lists tell of it when they are published next.
#[utoipa::path(tag = "sandbox", params(("id" = warikan_types::PersonId, Path, description = "The person."), warikan_http::IdempotencyKey), request_body = NewEvent, security(()),
    responses((status = 200, body = EventAnswer), (status = 400, body = ProblemDocument), (status = 404, body = ProblemDocument),
        (status = 409, body = ProblemDocument), (status = 413, body = ProblemDocument), (status = 415, body = ProblemDocument)))]
#[post("/sandbox/persons/{id}/events")]
pub(crate) async fn happen(
    id: PathId<Person>,
    request: HttpRequest,
    body: Body<NewEvent>,
    sandbox: Data<Sandbox>,
) -> Result<HttpResponse, Problem> {
    // The key belongs to one person's events.
    let once = once(
        &request,
        &format!("sandbox_event/{}", id.0),
        body.digest(),
        &sandbox,
    )?;
    let happening = body.value.happening()?;
    Ok(sandbox.happen(id.0, happening, &once).await?.into())
}
