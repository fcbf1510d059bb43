//! What an application's program does when it is called with a verb.

use std::env;
use std::error::Error as StdError;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::SpringhareBuilder;
use super::choices::{Choices, Place};
use super::planned::Planned;
use crate::error::{Error, Result, StartError};

/// What a program is called with, if it is not to run.
const USAGE: &str = "describe [--mermaid] | asyncapi [--title TITLE] [--version VERSION] | \
                     topology diff [--definitions FILE]";

/// What a program is asked to do.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Verb {
    Run,
    Describe { mermaid: bool },
    AsyncApi { title: Option<String>, version: String },
    TopologyDiff { definitions: Option<PathBuf> },
}

impl SpringhareBuilder {
    /// The whole `main` of a program: starts the application and runs it until the process is told
    /// to end, or does what the program's arguments say.
    ///
    /// | arguments | |
    /// |---|---|
    /// | none | [starts](Self::start) and [runs](crate::Springhare::run) |
    /// | `describe [--mermaid]` | prints the listeners and what they declare, as a table or a graph |
    /// | `asyncapi [--title T] [--version V]` | prints an AsyncAPI 3 document |
    /// | `topology diff [--definitions FILE]` | prints what the broker has otherwise; exit code 1 if anything |
    ///
    /// Nothing but a run starts the application. An error is printed, and the exit code is 2.
    ///
    /// ```no_run
    /// use springhare::prelude::*;
    ///
    /// #[tokio::main]
    /// async fn main() -> std::process::ExitCode {
    ///     Springhare::builder().main().await
    /// }
    /// ```
    pub async fn main(self) -> ExitCode {
        let done = match Verb::of(env::args().skip(1)) {
            Ok(verb) => Box::pin(self.obey(verb)).await,
            Err(error) => Err(error.into()),
        };
        done.unwrap_or_else(|error| {
            // Nobody is left to be told if this fails, too.
            let _ = writeln!(io::stderr(), "{error}");
            ExitCode::from(2)
        })
    }

    async fn obey(self, verb: Verb) -> Result<ExitCode, Box<dyn StdError>> {
        let mut out = io::stdout();
        match verb {
            Verb::Run => self.start().await?.run().await?,
            Verb::Describe { mermaid: true } => write!(out, "{}", self.describe()?.mermaid())?,
            Verb::Describe { mermaid: false } => write!(out, "{}", self.describe()?)?,
            Verb::AsyncApi { title, version } => {
                let title = title.unwrap_or_else(program);
                let document = self.describe()?.asyncapi(&title, &version);
                writeln!(out, "{document:#}")?;
            }
            Verb::TopologyDiff { definitions } => {
                let definitions = definitions.map(fs::read_to_string).transpose()?;
                return self.topology_diff(definitions.as_deref(), &mut out).await;
            }
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Prints what each broker has otherwise, under its name where there are several.
    async fn topology_diff(
        self,
        definitions: Option<&str>,
        out: &mut impl io::Write,
    ) -> Result<ExitCode, Box<dyn StdError>> {
        let Planned { main, named, mut faults, .. } = self.planned();
        StartError::of(std::mem::take(&mut faults))?;
        let (mut choices, are_several) = (Choices::of(self), !named.is_empty());
        let mut is_same = true;
        let mut brokers = Vec::new();
        for broker in std::iter::once(main).chain(named) {
            match choices.place_of(&broker, &mut faults)? {
                Some(Place::Elsewhere(link)) => brokers.push((broker, link)),
                Some(Place::Here(_)) => {
                    return Err("the broker in this process has nothing before the application \
                                starts; name one that runs with SPRINGHARE_URL"
                        .into());
                }
                None => {}
            }
        }
        StartError::of(faults)?;
        for (broker, link) in brokers {
            let description = crate::Description::of([(&broker.name, &broker.graph)]);
            let diff = description.diff(&*link, definitions).await?;
            if are_several {
                writeln!(out, "broker {}:", broker.name)?;
            }
            write!(out, "{diff}")?;
            is_same &= diff.is_empty();
        }
        Ok(if is_same { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    /// What the application declares and runs, without starting it.
    ///
    /// # Errors
    ///
    /// [`Error::Start`] with every fault that a start would find by itself.
    pub fn describe(&self) -> Result<crate::Description> {
        let mut planned = self.planned();
        StartError::of(std::mem::take(&mut planned.faults)).map_err(Error::from)?;
        Ok(planned.description())
    }
}

/// The program's name, for want of a title.
fn program() -> String {
    let path = env::args().next().unwrap_or_default();
    Path::new(&path).file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

impl Verb {
    fn of(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let Some(word) = arguments.next() else { return Ok(Self::Run) };
        let mut verb = match &*word {
            "describe" => Self::Describe { mermaid: false },
            "asyncapi" => Self::AsyncApi { title: None, version: "0.0.0".to_owned() },
            "topology" => match arguments.next().as_deref() {
                Some("diff") => Self::TopologyDiff { definitions: None },
                _ => {
                    return Err(format!("`topology` does one thing, `topology diff`; {}", usage()));
                }
            },
            other => return Err(format!("there is no verb `{other}`; {}", usage())),
        };
        while let Some(option) = arguments.next() {
            let mut value =
                || arguments.next().ok_or_else(|| format!("`{option}` needs a value; {}", usage()));
            match (&mut verb, &*option) {
                (Self::Describe { mermaid }, "--mermaid") => *mermaid = true,
                (Self::AsyncApi { title, .. }, "--title") => *title = Some(value()?),
                (Self::AsyncApi { version, .. }, "--version") => *version = value()?,
                (Self::TopologyDiff { definitions }, "--definitions") => {
                    *definitions = Some(value()?.into());
                }
                _ => return Err(format!("`{word}` knows no `{option}`; {}", usage())),
            }
        }
        Ok(verb)
    }
}

fn usage() -> String {
    format!("call it without arguments to run it, or with {USAGE}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verb(line: &str) -> Result<Verb, String> {
        Verb::of(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn a_program_without_arguments_runs() {
        assert_eq!(verb(""), Ok(Verb::Run));
    }

    #[test]
    fn verbs_have_their_options() {
        assert_eq!(verb("describe"), Ok(Verb::Describe { mermaid: false }));
        assert_eq!(verb("describe --mermaid"), Ok(Verb::Describe { mermaid: true }));
        let title = Some("Shop".to_owned());
        let shop = Verb::AsyncApi { title, version: "1.2.0".to_owned() };
        assert_eq!(verb("asyncapi --title Shop --version 1.2.0"), Ok(shop));
        let definitions = Some(PathBuf::from("all.json"));
        let diff = Verb::TopologyDiff { definitions };
        assert_eq!(verb("topology diff --definitions all.json"), Ok(diff));
    }

    #[test]
    fn what_is_not_understood_is_named_with_what_there_is() {
        for (line, text) in [
            (
                "descibe",
                "there is no verb `descibe`; call it without arguments to run it, or with \
                         describe [--mermaid] |",
            ),
            ("describe --graph", "`describe` knows no `--graph`"),
            ("asyncapi --title", "`--title` needs a value"),
            ("topology", "`topology` does one thing"),
            ("topology diff --mermaid", "`topology` knows no `--mermaid`"),
        ] {
            let error = verb(line).unwrap_err();
            assert!(error.starts_with(text), "{error}");
        }
    }
}
