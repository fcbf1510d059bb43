//! `springhare store`: what is in a data folder, on the standard output.

use std::fmt::{self, Display, Formatter};
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::process::ExitCode;

use springhare_broker::store::{self, OfflineError, StoreContents};

use crate::arguments::StoreCommand;

/// Looks, and returns what the process exits with.
pub(crate) fn run(command: &StoreCommand) -> ExitCode {
    let (folder, looked) = match command {
        StoreCommand::Check { folder } => (folder, store::check(folder)),
        StoreCommand::Dump { folder } => (folder, dump(folder)),
    };
    let told = looked.and_then(|contents| {
        match command {
            StoreCommand::Check { .. } => {
                let mut output = io::stdout().lock();
                let said = writeln!(output, "{}", Summary { folder, contents: &contents });
                said.and_then(|()| output.flush()).map_err(OfflineError::Output)?;
            }
            // Its output is for others to read by lines.
            StoreCommand::Dump { .. } => complain(&contents),
        }
        Ok(contents.damages.is_empty())
    });
    match told {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        // Who reads it has seen enough.
        Err(OfflineError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            ExitCode::SUCCESS
        }
        Err(error) => {
            let _ = writeln!(io::stderr(), "springhare: {error}");
            ExitCode::FAILURE
        }
    }
}

fn dump(folder: &Path) -> Result<StoreContents, OfflineError> {
    store::dump(folder, &mut BufWriter::new(io::stdout().lock()))
}

/// Says on the standard error what is wrong.
fn complain(contents: &StoreContents) {
    for damage in &contents.damages {
        let _ = writeln!(io::stderr(), "springhare: {damage}");
    }
}

/// What is in a folder, for people.
struct Summary<'a> {
    folder: &'a Path,
    contents: &'a StoreContents,
}

impl Display for Summary<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let StoreContents { segments, bytes, records, messages, delayed, definitions, .. } =
            self.contents;
        let folder = self.folder.display();
        writeln!(f, "{folder}: segments {segments}, bytes {bytes}, records {records}")?;
        writeln!(
            f,
            "alive: messages in queues {messages}, delayed messages {delayed}, definitions {definitions}"
        )?;
        if self.contents.is_in_use {
            writeln!(
                f,
                "a broker runs on it: what it writes or removes meanwhile may look torn or missing"
            )?;
        } else if !self.contents.was_clean {
            writeln!(f, "the broker was not stopped in order")?;
        }
        if self.contents.torn_bytes > 0 {
            let torn = self.contents.torn_bytes;
            writeln!(
                f,
                "torn: {torn} bytes of a write that was not finished, and never confirmed"
            )?;
        }
        for damage in &self.contents.damages {
            writeln!(f, "damaged: {damage}")?;
        }
        match self.contents.damages.is_empty() {
            true => f.write_str("no damage"),
            false => f.write_str("DAMAGED: copy the folder before a broker is started on it"),
        }
    }
}
