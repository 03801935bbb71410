//! Whose access tokens are not accepted any more (F018).
//!
//! A suspended tenant and a revoked credential get no new token at once; the ones given before would be good for some minutes still. So
//! the edge asks here whom to refuse: at once after a change where it shares the process, and every few seconds where it does not.

use actix_web::{
    HttpResponse, get, post,
    web::{Data, Json, ServiceConfig},
};
use tokio::sync::watch;
use warikan_contracts::api::{DeniedTokens, Refusal};
use warikan_http::Problem;

use crate::{Onboarding, error::Error, store};

/// After the end of a token's life by this long, no clock of ours takes it for good.
const CLOCKS_APART: std::time::Duration = std::time::Duration::from_secs(120);

impl Onboarding {
    /// Whose tokens are denied at this moment.
    ///
    /// # Errors
    /// The database cannot be asked.
    pub async fn denied_tokens(&self) -> Result<DeniedTokens, String> {
        self.denied().await.map_err(|error| error.to_string())
    }

    pub(crate) async fn denied(&self) -> Result<DeniedTokens, Error> {
        let db = self.0.db.worker();
        let now = self.0.platform.clock().now();
        let alive = now.minus(warikan_runtime::TOKEN_LIFETIME + CLOCKS_APART);
        let (suspended, closed) = store::not_served(db).await?;
        Ok(DeniedTokens {
            suspended,
            closed,
            revoked: store::clients::revoked_since(db, alive).await?,
            token_keys: self.0.platform.keys.token_keys(),
        })
    }

    /// Moves whenever this process has denied somebody's tokens.
    #[must_use]
    pub fn denials(&self) -> watch::Receiver<u64> {
        self.0.denials.subscribe()
    }

    /// To be called after the commit that denies somebody's tokens, or lets them in again.
    pub(crate) fn tell_denials(&self) {
        self.0.denials.send_modify(|count| *count += 1);
    }
}

/// The route for the edge in another process; to be mounted on the inner listener only.
pub fn inner_routes(onboarding: &Onboarding) -> impl Fn(&mut ServiceConfig) + Clone + Send + use<> {
    let state = Data::new(onboarding.clone());
    move |config| {
        config
            .app_data(state.clone())
            .service(denied)
            .service(refused);
    }
}

/// What the edge has refused.
#[post("/inner/refusals")]
async fn refused(
    refusals: Json<Vec<Refusal>>,
    onboarding: Data<Onboarding>,
) -> Result<HttpResponse, Problem> {
    onboarding.write_refusals(refusals.into_inner()).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Whose access tokens are denied.
#[get("/inner/denied")]
async fn denied(onboarding: Data<Onboarding>) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().json(onboarding.denied().await?))
}
