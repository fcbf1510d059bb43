//! Log lines on the standard error, through `tracing`.

#[cfg(test)]
mod capture;
mod filter;
mod human;

use std::io::{self, Write as _};

use serde::Deserialize;
use springhare_log::{EcsLayer, Service};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

pub(crate) use self::filter::LogFilter;
use crate::error::ServeError;

/// The form of the log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// For people.
    #[default]
    Human,
    /// One JSON object a line, with the field names of the Elastic Common Schema.
    Json,
}

/// From here on, what is logged goes to the standard error.
pub(crate) fn install(format: LogFormat, filter: &LogFilter) {
    let registry = tracing_subscriber::registry().with(filter.to_env_filter());
    match format {
        LogFormat::Human => registry.with(human::layer(io::stderr)).init(),
        LogFormat::Json => {
            registry.with(EcsLayer::new(service(), io::stderr)).init();
            // A panic is a line like the others, not a paragraph that no collector understands.
            std::panic::set_hook(Box::new(|panic| {
                tracing::error!(event.action = "panic", error.message = %panic, "a panic");
            }));
        }
    }
}

/// Says why the process ends, whatever the filter.
pub(crate) fn failure(format: LogFormat, error: &ServeError) {
    let line = match format {
        LogFormat::Human => human::failure(error),
        LogFormat::Json => service().failure("not served", error),
    };
    // Where the standard error is closed there is nobody left to tell.
    let _ = io::stderr().write_all(line.as_bytes());
}

/// What the lines of JSON say of who writes them.
fn service() -> Service {
    Service::new("springhare").version(env!("CARGO_PKG_VERSION"))
}
