use super::layers::{Taken, set};
use super::listener::ListenerSettings;
use super::section::{Section, known_key};
use super::source::Source;
use super::value::{KindOfContainer, Setting as _, Value};
use crate::error::StartFault;

/// What one source says of all listeners. There is one kind of them, which has two tables at Boot's: that of
/// the kind that is said counts, or both.
#[derive(Debug, Default)]
pub(super) struct OfAll {
    kind: Option<KindOfContainer>,
    simple: ListenerSettings,
    direct: ListenerSettings,
    /// The keys that are in both tables, with the place of the second one.
    twice: Vec<(Source, &'static str)>,
}

impl OfAll {
    /// Sets which table counts.
    pub(super) fn set_kind(&mut self, value: &Value, source: &Source) -> Taken {
        match KindOfContainer::read(value, source) {
            Ok(kind) => {
                self.kind = Some(kind);
                Taken::Yes
            }
            Err(wrong) => Taken::OtherThanBoot(format!("`type` is {wrong}")),
        }
    }

    /// Sets the key of these names in the table of this kind.
    pub(super) fn set(
        &mut self,
        kind: KindOfContainer,
        key: &[&str],
        value: &Value,
        source: &Source,
    ) -> Taken {
        let (table, other) = match kind {
            KindOfContainer::Simple => (&mut self.simple, &self.direct),
            KindOfContainer::Direct => (&mut self.direct, &self.simple),
        };
        let known = known_key::<ListenerSettings>(&key.join("."));
        if let Some(known) = known.filter(|known| other.given().contains(known)) {
            self.twice.push((source.clone(), known));
        }
        set(table, key, value, source)
    }

    /// Which table counts, if this source says so.
    pub(super) fn kind(&self) -> Option<KindOfContainer> {
        self.kind
    }

    /// What counts where this is the kind; where it is none, a key that is in both tables is told as a
    /// fault.
    pub(super) fn of_kind(
        self,
        kind: Option<KindOfContainer>,
        tell: impl FnMut(StartFault),
    ) -> ListenerSettings {
        match kind {
            Some(KindOfContainer::Simple) => self.simple,
            Some(KindOfContainer::Direct) => self.direct,
            None => {
                let fault = |(source, key): (Source, &str)| {
                    source.fault(format_args!(
                        "`listener.simple` and `listener.direct` are the same here, and both say \
                         `{key}`: keep one, or say by `listener.type` which table counts"
                    ))
                };
                self.twice.into_iter().map(fault).for_each(tell);
                self.direct.under(self.simple)
            }
        }
    }
}
