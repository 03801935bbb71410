//! The HTTP face: `/sandbox/` for the tester, `/jlis/` for the platform.

mod controls;
mod events;
mod jlis;
mod persons;
mod sign;
pub(crate) mod views;

use actix_web::web::Data;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::Sandbox;

pub(crate) fn configure(config: &mut ServiceConfig<'_>, sandbox: &Sandbox) {
    config
        .app_data(Data::new(sandbox.clone()))
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
