//! How a running listener gets queues, and gives them up.

use std::sync::Arc;

use springhare_amqp::ShortString;

use super::joining::declare_more;
use super::running::Running;
use crate::error::{Error, Result, StartFault};
use crate::listener::ListenerScope;

impl Running {
    /// Has a listener consume from these queues, too.
    pub(super) async fn add_queues(self: &Arc<Self>, id: &str, queues: Vec<String>) -> Result<()> {
        let (id, queues) = (id.to_owned(), names(queues)?);
        self.change(move |running| async move { running.take_up(&id, queues).await }).await
    }

    async fn take_up(&self, id: &str, mut queues: Vec<ShortString>) -> Result<()> {
        let has = self.queues_of_one(id)?;
        queues.retain(|queue| !has.contains(queue));
        let scope = self.scope_of(id)?;
        let (opened, declared) =
            declare_more(&scope, |graph| graph.with_queues(id, &queues)).await?;
        if let Err(error) = self.listeners.add_queues(id, &queues).await {
            give_up(&scope, id, &queues).await;
            declared.take_back(&opened.link).await;
            return Err(error.into());
        }
        Ok(())
    }

    /// Has a listener consume from these queues no more.
    pub(super) async fn remove_queues(
        self: &Arc<Self>,
        id: &str,
        queues: Vec<String>,
    ) -> Result<()> {
        let (id, queues) = (id.to_owned(), names(queues)?);
        self.change(move |running| async move { running.give_back(&id, &queues).await }).await
    }

    async fn give_back(&self, id: &str, queues: &[ShortString]) -> Result<()> {
        let has = self.queues_of_one(id)?;
        if has.iter().all(|queue| queues.contains(queue)) {
            let text = format!(
                "listener `{id}` would have no queue left; stop it, or remove it with \
                 `app.listeners().remove(\"{id}\")`"
            );
            return Err(Error::Declaration(Box::new(StartFault::new(text))));
        }
        let scope = self.scope_of(id)?;
        self.listeners.remove_queues(id, queues);
        give_up(&scope, id, queues).await;
        Ok(())
    }

    /// What a listener consumes from whose queues may change: one that shares its consumers with no
    /// other.
    fn queues_of_one(&self, id: &str) -> Result<Vec<ShortString>> {
        let unknown = || Error::UnknownListener { id: id.to_owned() };
        let others = self.listeners.sharing(id).ok_or_else(unknown)?;
        if !others.is_empty() {
            let text = format!(
                "listener `{id}` shares its consumers with {}, and a queue's messages are divided among \
                 them by their keys: its queues can't change while it runs",
                others.join(", ")
            );
            return Err(Error::Declaration(Box::new(StartFault::new(text))));
        }
        self.listeners.queues(id).ok_or_else(unknown)
    }

    fn scope_of(&self, id: &str) -> Result<Arc<ListenerScope>> {
        let unknown = || Error::UnknownListener { id: id.to_owned() };
        self.listeners.scope_of(id).ok_or_else(unknown)
    }
}

/// Takes queues of a listener out of what is declared and shown.
async fn give_up(scope: &ListenerScope, id: &str, queues: &[ShortString]) {
    let changing = scope.connection.shared_graph().changing().await;
    changing.set(changing.before().without_queues(id, queues));
}

/// The names of queues, each once.
fn names(queues: Vec<String>) -> Result<Vec<ShortString>> {
    let mut names = Vec::with_capacity(queues.len());
    for queue in queues {
        let name = ShortString::new(&queue)?;
        if name.is_empty() {
            let text = "a queue of a listener needs a name";
            return Err(Error::Declaration(Box::new(StartFault::new(text))));
        }
        if !names.contains(&name) {
            names.push(name);
        }
    }
    Ok(names)
}
