//! `springhare serve`: from the settings to the exit.

use std::io::{self, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use tokio::runtime;

use crate::arguments::ServeArguments;
use crate::error::ServeError;
use crate::log;
use crate::open_files;
use crate::settings::Settings;
use crate::signals::{EndSignal, Signals};
use crate::start::{self, Server};

/// How a server ended that had begun.
enum Ending {
    /// Its clients were told, or had their time.
    Drained,
    /// A second signal did not want to wait for that.
    Forced(EndSignal),
}

/// Serves until a signal, and returns what the process exits with.
pub(crate) fn run(arguments: ServeArguments) -> ExitCode {
    let mut format = arguments.log.unwrap_or_default();
    let ending = Settings::read(arguments).and_then(|settings| {
        format = settings.log;
        log::install(format, &settings.log_level);
        serve(settings)
    });
    match ending {
        Ok(Ending::Drained) => ExitCode::SUCCESS,
        Ok(Ending::Forced(signal)) => ExitCode::from(signal.exit_code()),
        Err(error) => {
            log::failure(format, &error);
            ExitCode::FAILURE
        }
    }
}

fn serve(settings: Settings) -> Result<Ending, ServeError> {
    if let Some(files) = open_files::raise_limit() {
        tracing::debug!(files, "the limit of open files");
    }
    let threads = runtime::Builder::new_multi_thread()
        .thread_name("springhare")
        .enable_all()
        .build()
        .map_err(ServeError::Threads)?;
    let ending = threads.block_on(until_the_end(settings));
    // Does not wait for tasks that a second signal left behind.
    threads.shutdown_background();
    ending
}

async fn until_the_end(settings: Settings) -> Result<Ending, ServeError> {
    // Watched before anybody can know that there is a server to be ended.
    let mut signals = Signals::watch().map_err(ServeError::Signals)?;
    let shutdown_timeout = settings.shutdown_timeout;
    let server = start::start(settings)?;
    say_ready(&server);
    let signal = signals.next().await;
    tracing::info!(signal = signal.name(), "ending: connections are closed");
    let ending = drain(&server, shutdown_timeout, &mut signals).await;
    match (ending, server.broker().store_failure()) {
        // Who looks at the exit code is to know that not all may be on the disk.
        (Ending::Drained, Some(failure)) => Err(ServeError::Store(failure)),
        (ending, _) => Ok(ending),
    }
}

/// One line on the standard output, for whoever started the process and waits.
fn say_ready(server: &Server) {
    let mut output = io::stdout().lock();
    let said = writeln!(
        output,
        "springhare {} ready: {} ({})",
        env!("CARGO_PKG_VERSION"),
        server.endpoints(),
        server.store()
    );
    // Nobody may be reading; that is no reason not to serve.
    if let Err(error) = said.and_then(|()| output.flush()) {
        tracing::warn!(error = &error as &dyn std::error::Error, "the ready line was not written");
    }
}

async fn drain(server: &Server, timeout: Duration, signals: &mut Signals) -> Ending {
    tokio::select! {
        () = server.broker().shutdown(timeout) => {
            tracing::info!("ended");
            Ending::Drained
        }
        second = signals.next() => {
            tracing::warn!(signal = second.name(), "ended at once by a second signal");
            Ending::Forced(second)
        }
    }
}
