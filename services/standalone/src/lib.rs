//! The one binary: every service in one process, and the commands around it.

// A release build looks through futures within futures, down to the databases' drivers.
#![recursion_limit = "256"]

pub mod anchors;
mod audit_command;
pub mod bus_command;
pub mod campaign_command;
pub mod cli;
pub mod compose;
pub mod config;
pub mod demo;
pub mod doctor;
pub mod document;
pub mod invoice_command;
pub mod listen;
mod operator_command;
pub mod pki_command;
pub mod process;
pub mod rewrap_command;
pub mod serve;
pub mod topology;
