//! The HTTP operations: thin, each naming who may call it and every answer it can give.

pub(crate) mod deliveries;
pub(crate) mod endpoints;
pub(crate) mod events;
pub(crate) mod notices;
