//! The routes. Handlers are thin: who may, what was sent, which use case.

mod campaign_results;
mod campaigns;
mod certificates;
mod sources;
mod watches;

use utoipa_actix_web::service_config::ServiceConfig;

/// The routes alone, for whoever has to know them without the service: the gateway of another process, and the document.
pub fn routes(config: &mut ServiceConfig<'_>) {
    config
        .service(watches::start_watch)
        .service(watches::list_watches)
        .service(watches::show_watch)
        .service(watches::end_watch)
        .service(certificates::check_certificate)
        .service(certificates::list_statuses)
        .service(campaigns::create_campaign)
        .service(campaigns::list_campaigns)
        .service(campaigns::show_campaign)
        .service(campaigns::upload_portfolio)
        .service(campaigns::start_campaign)
        .service(campaigns::cancel_campaign)
        .service(campaign_results::list_changes)
        .service(campaign_results::list_results)
        .service(campaign_results::show_proof)
        .service(sources::show_freshness)
        .service(sources::show_status_freshness)
        .service(sources::list_sources);
}
