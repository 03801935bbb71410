//! The one binary: every service in one process, and the commands around it.

pub mod pki_command;
