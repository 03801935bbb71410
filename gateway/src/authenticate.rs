//! Authentication: turns `Authorization: Bearer` into a checked [`Authentication`], once, for everyone behind.

use actix_web::{
    Error, HttpMessage,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    http::header::AUTHORIZATION,
    middleware::Next,
    web::Data,
};
use warikan_contracts::api::Refused;
use warikan_http::{Authentication, Origin};
use warikan_runtime::{AccessToken, Platform, TokenError};

use crate::{DenyList, Refusals, origin::TrustedProxies, refusals};

/// Middleware; needs the [`Platform`] as application data.
pub(crate) async fn middleware(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let origin = request
        .app_data::<Data<TrustedProxies>>()
        .map(|trusted| trusted.origin(&request))
        .unwrap_or_default();
    let refusals = request.app_data::<Data<Refusals>>().cloned();
    let platform = request.app_data::<Data<Platform>>().cloned();
    let mut authentication = match &platform {
        Some(platform) => authenticate(&request, &origin, platform),
        None => Authentication::Missing,
    };
    if let (Authentication::Granted(principal), Some(list)) =
        (&authentication, request.app_data::<Data<DenyList>>())
        && list.denies(principal)
    {
        if let Some(platform) = &platform {
            let (whose, at) = ((principal.client, principal.tenant), platform.clock().now());
            refusals::leave(&request, whose, Refused::Denied, origin.address, at);
        }
        authentication = Authentication::Refused(
            "The access token is no longer accepted: its credential was revoked, or its tenant is suspended or closed.".into(),
        );
    }
    request.extensions_mut().insert(origin);
    request.extensions_mut().insert(authentication);
    let response = next.call(request).await?;
    if let Some(refusals) = refusals {
        refusals.hear(&response);
    }
    Ok(response)
}

fn authenticate(request: &ServiceRequest, origin: &Origin, platform: &Platform) -> Authentication {
    let mut values = request.headers().get_all(AUTHORIZATION);
    let Some(value) = values.next() else {
        return Authentication::Missing;
    };
    // Two credentials in one request: whoever reads only one of them decides differently from the other.
    if values.next().is_some() {
        return Authentication::Refused("Send one Authorization header.".into());
    }
    let Ok(value) = value.to_str() else {
        return Authentication::Refused("The Authorization header is not text.".into());
    };
    let Some((scheme, token)) = value.split_once(' ') else {
        return Authentication::Refused("Send `Authorization: Bearer <token>`.".into());
    };
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Authentication::Refused("Send `Authorization: Bearer <token>`.".into());
    }
    let well_formed = token
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b"-._~+/=".contains(&b));
    if !well_formed {
        return Authentication::Refused(
            "The access token has characters that no token has.".into(),
        );
    }
    match AccessToken::read(
        token,
        &platform.keys,
        platform.clock().now(),
        origin.address,
    ) {
        Ok(principal) => Authentication::Granted(principal),
        Err(error) => {
            let why = match error {
                TokenError::NotOurs => Some(Refused::NotOurs),
                TokenError::Elsewhere => Some(Refused::Address),
                // Every client comes with one now and then.
                TokenError::Expired => None,
            };
            if let Some((why, whose)) = why.zip(AccessToken::claimed(token)) {
                let at = platform.clock().now();
                refusals::leave(request, whose, why, origin.address, at);
            }
            Authentication::Refused(error.message().into())
        }
    }
}
