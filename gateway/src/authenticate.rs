//! Authentication: turns `Authorization: Bearer` into a checked [`Authentication`], once, for everyone behind.

use actix_web::{
    Error, HttpMessage,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    http::header::{AUTHORIZATION, HeaderMap},
    middleware::Next,
    web::Data,
};
use warikan_http::{Authentication, Origin};
use warikan_runtime::{AccessToken, Platform};

use crate::{DenyList, origin::TrustedProxies};

/// Middleware; needs the [`Platform`] as application data.
pub(crate) async fn middleware(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let origin = request
        .app_data::<Data<TrustedProxies>>()
        .map(|trusted| trusted.origin(&request))
        .unwrap_or_default();
    let mut authentication = match request.app_data::<Data<Platform>>() {
        Some(platform) => authenticate(request.headers(), &origin, platform),
        None => Authentication::Missing,
    };
    if let (Authentication::Granted(principal), Some(list)) =
        (&authentication, request.app_data::<Data<DenyList>>())
        && list.denies(principal)
    {
        authentication = Authentication::Refused(
            "The access token is no longer accepted: its credential was revoked, or its tenant is suspended or closed.".into(),
        );
    }
    request.extensions_mut().insert(origin);
    request.extensions_mut().insert(authentication);
    next.call(request).await
}

fn authenticate(headers: &HeaderMap, origin: &Origin, platform: &Platform) -> Authentication {
    let mut values = headers.get_all(AUTHORIZATION);
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
        Err(error) => Authentication::Refused(error.message().into()),
    }
}
