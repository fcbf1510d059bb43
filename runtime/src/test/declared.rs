//! What a harness deletes at a broker that is not its own.

use springhare_broker::{IfUnused, QueueDeleteOptions};

use crate::connection::Link;
use crate::error::Result;
use crate::graph::{ExchangeNode, Graph, QueueNode};
use crate::template::{RETRY_EXCHANGE, error_queue_of};

/// What an application declares, and has to itself as far as a test may think so.
pub(super) struct Declared {
    queues: Vec<QueueNode>,
    exchanges: Vec<ExchangeNode>,
}

impl Declared {
    /// Not the broker's own exchanges, nor that of delayed retries, which all applications share: a
    /// queue's binding to it goes with the queue.
    pub(super) fn of(graph: &Graph) -> Self {
        let is_its_own = |node: &&ExchangeNode| {
            let name = &node.name;
            !name.is_empty() && !name.starts_with("amq.") && *name != RETRY_EXCHANGE
        };
        Self {
            queues: graph.queues.values().cloned().collect(),
            exchanges: graph.exchanges.values().filter(is_its_own).cloned().collect(),
        }
    }

    /// Deletes it, with the queues' error queues; what is not there is none, and so is what somebody
    /// else has to himself. What is not declared on this broker is not deleted either.
    pub(super) async fn delete(&self, link: &dyn Link) -> Result<()> {
        let connection = link.connect("springhare test").await?;
        let product = connection.product();
        for queue in self.queues.iter().filter(|queue| queue.is_on(product)) {
            for name in [queue.name.clone(), error_queue_of(&queue.name)] {
                let channel = connection.open_channel().await?;
                match channel.queue_delete(&name, QueueDeleteOptions::default()).await {
                    Ok(0) => {}
                    Ok(messages) => tracing::warn!(
                        queue = %name,
                        messages,
                        "a test deletes a queue with messages"
                    ),
                    Err(error) => {
                        tracing::debug!(queue = %name, %error, "a test's queue can't be deleted");
                    }
                }
            }
        }
        for ExchangeNode { name, .. } in self.exchanges.iter().filter(|node| node.is_on(product)) {
            let channel = connection.open_channel().await?;
            if let Err(error) = channel.exchange_delete(name, IfUnused::No).await {
                tracing::debug!(exchange = %name, %error, "a test's exchange can't be deleted");
            }
        }
        Ok(connection.close().await?)
    }
}
