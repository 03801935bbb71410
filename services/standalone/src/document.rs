//! `warikan openapi`: the public document, as the handlers say it.

use std::net::{Ipv4Addr, SocketAddr};

use crate::{
    compose::{self, ComposeError},
    config::Config,
};

/// The public OpenAPI document as pretty JSON. Opens every service in a temporary directory: the document is what is
/// really served, not a list kept beside it.
///
/// # Errors
/// [`ComposeError`].
pub async fn openapi() -> Result<String, ComposeError> {
    let directory =
        tempfile::tempdir().map_err(compose::failed("cannot make a temporary directory"))?;
    let config = Config {
        data_dir: directory.path().to_owned(),
        ..Config::default()
    };
    let nowhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let house = compose::open(&config, compose::clocks(), nowhere).await?;
    Ok(house.gateway().document_text())
}
