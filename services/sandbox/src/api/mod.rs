//! The HTTP face: `/sandbox/` for the tester, `/jlis/` for the platform.

mod controls;
mod events;
mod jlis;
mod persons;
mod sign;
pub(crate) mod views;

use utoipa_actix_web::service_config::ServiceConfig;

/// The routes alone, for whoever has to know them without the service: the gateway of another process, and the document.
pub fn routes(config: &mut ServiceConfig<'_>) {
    config
        .service(persons::create_person)
        .service(persons::list_named_persons)
        .service(persons::person)
        .service(sign::sign)
        .service(events::happen)
        .service(persons::create_population)
        .service(persons::municipalities)
        .service(controls::clock)
        .service(controls::advance_clock)
        .service(controls::publish_crl)
        .service(controls::faults)
        .service(controls::set_fault)
        .service(jlis::index)
        .service(jlis::crl)
        .service(jlis::ocsp)
        .service(jlis::roots);
}
