//! Logs: one line an event, to standard error, without personal data.

use tracing_subscriber::EnvFilter;

/// Starts logging. The filter is `WARIKAN_LOG`, in the syntax of `tracing_subscriber::EnvFilter`, or `default`.
/// A second call does nothing.
pub fn init(default: &str, json: bool) {
    let filter = EnvFilter::try_from_env("WARIKAN_LOG").unwrap_or_else(|_| EnvFilter::new(default));
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(true);
    // Already set by whoever embeds us: theirs stays.
    let _ = if json {
        lines.json().try_init()
    } else {
        lines.try_init()
    };
}
