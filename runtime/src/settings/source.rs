use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::{Place, StartFault};

/// Where a setting was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// In a file, at a line and a column, both from 1.
    File { file: Arc<PathBuf>, line: usize, column: usize },
    /// In a variable of the environment.
    Variable(String),
    /// By a call of the builder.
    Builder,
    /// By a call that stands here.
    Call(Place),
}

impl Source {
    /// The place of the byte at `offset` of the file's text.
    pub(crate) fn in_file(file: &Arc<PathBuf>, text: &str, offset: usize) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let line = before.rsplit('\n').next().unwrap_or_default();
        Self::File {
            file: Arc::clone(file),
            line: before.matches('\n').count() + 1,
            column: line.chars().count() + 1,
        }
    }

    /// The directory of the file.
    pub(crate) fn directory(&self) -> Option<&Path> {
        match self {
            Self::File { file, .. } => file.parent(),
            Self::Variable(_) | Self::Builder | Self::Call(_) => None,
        }
    }

    /// This is wrong here.
    pub(crate) fn fault(&self, text: impl fmt::Display) -> StartFault {
        match self {
            Self::Builder => StartFault::new(text.to_string()),
            Self::Call(place) => StartFault::new(text.to_string()).at(place.file, place.line),
            placed => StartFault::new(format!("{placed}: {text}")),
        }
    }
}

/// `springhare.toml:3:1`, the variable's name, or `src/main.rs:12`.
impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { file, line, column } => write!(f, "{}:{line}:{column}", file.display()),
            Self::Variable(name) => f.write_str(name),
            Self::Builder => f.write_str("the builder"),
            Self::Call(place) => place.fmt(f),
        }
    }
}
