//! Keeps the listeners' connection open, whether a listener needs it or not, and tries again to
//! declare what the broker has refused.
//!
//! A listener that waits for a handler does not notice that the connection is gone, and one that
//! is stopped does not need it; but the graph is the application's, not theirs.

use std::sync::Arc;

use super::connection::{Extent, ListenerConnection, Opened};
use super::supervisor::ListenerScope;
use crate::backoff::Backoff;
use crate::graph::redeclare;

/// Never ends; whoever stops the application drops it first.
pub(crate) async fn keep_connected(scope: Arc<ListenerScope>) {
    let connection = &scope.connection;
    let mut backoff = Backoff::default();
    let mut last = None;
    loop {
        let opened = connection.ready().await;
        if last == Some(opened.generation) {
            // It has seemed to be lost, but is not.
            connection.clock().sleep(backoff.after_failure()).await;
        } else {
            backoff.reset();
        }
        last = Some(opened.generation);
        let lost = connection.until_lost(&opened);
        let declared = async {
            if opened.extent == Extent::InPart {
                declare_the_rest(connection, &opened).await;
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = lost => {}
            () = declared => {}
        }
    }
}

/// Declares what was refused, until the broker takes all of it or the connection is lost.
async fn declare_the_rest(connection: &ListenerConnection, opened: &Opened) {
    let mut backoff = Backoff::default();
    loop {
        connection.clock().sleep(backoff.after_failure()).await;
        // All of it: what was refused may have been deleted meanwhile, and other things declared.
        let graph = connection.shared_graph().declaring().await;
        let all_refused = redeclare(&opened.link, &graph, graph.nodes(), opened.generation).await;
        if opened.link.closed().is_some() {
            return;
        }
        connection.tell(&all_refused);
        if all_refused.is_empty() {
            return tracing::info!("all that was refused is declared");
        }
    }
}
