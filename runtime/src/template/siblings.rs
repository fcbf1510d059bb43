use std::sync::{Arc, Weak};

use super::{RabbitTemplate, Shared};
use crate::error::{Error, Result};

/// The templates of an application's brokers, by their names.
#[derive(Debug, Clone)]
pub(super) struct Siblings(Arc<[(Arc<str>, Weak<Shared>)]>);

impl RabbitTemplate {
    /// The template of another of the application's brokers; `rabbitmq` is the one without a name.
    ///
    /// ```
    /// use springhare::prelude::*;
    ///
    /// #[rabbit_listener(queue = "orders")]
    /// async fn bill(Text(order): Text, rabbit: RabbitTemplate) -> ListenerResult {
    ///     let billing = rabbit.on_broker("billing")?;
    ///     Ok(billing.convert_and_send("invoices", &order).await?)
    /// }
    /// # fn main() {}
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::UnknownBroker`] when there is none of this name, [`Error::Stopped`] when the application
    /// is gone.
    pub fn on_broker(&self, name: &str) -> Result<Self> {
        let siblings = self.shared.siblings.get().map_or(&[][..], |Siblings(all)| all);
        let found = siblings.iter().find(|(sibling, _)| **sibling == *name);
        let (_, shared) = found.ok_or_else(|| Error::UnknownBroker { name: name.to_owned() })?;
        Ok(Self { shared: shared.upgrade().ok_or(Error::Stopped)? })
    }

    /// Makes them known to one another, once.
    pub(crate) fn introduce<'t>(templates: impl Iterator<Item = (&'t Arc<str>, &'t Self)> + Clone) {
        let all = templates.clone();
        let all = all.map(|(name, one)| (Arc::clone(name), Arc::downgrade(&one.shared)));
        let siblings = Siblings(all.collect());
        for (_, template) in templates {
            let _ = template.shared.siblings.set(siblings.clone());
        }
    }
}
