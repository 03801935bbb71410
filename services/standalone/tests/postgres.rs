//! What only PostgreSQL can show: walls between tenants and services, and a database that stalls or drops its connections. Runs where
//! tests were asked to run on PostgreSQL.
#![allow(
    clippy::unwrap_used,
    reason = "in a test, what is not there is a failure"
)]

#[path = "support/certificates.rs"]
mod certificates;
#[path = "postgres/doctor.rs"]
mod doctor;
#[path = "postgres/outage.rs"]
mod outage;
#[path = "postgres/proxy.rs"]
mod proxy;
#[path = "postgres/tls.rs"]
mod tls;
#[path = "postgres/upgrade.rs"]
mod upgrade;
#[path = "postgres/walls.rs"]
mod walls;
