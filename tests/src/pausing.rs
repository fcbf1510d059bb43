use springhare::{ListenerHandle, ListenerStatus, Result};
use tokio::task::JoinHandle;

use crate::eventually;

/// Begins to pause a listener, whose handlers may not be done when this returns; what it gives ends with
/// the pause.
pub async fn pausing(listener: &ListenerHandle) -> JoinHandle<Result<()>> {
    let pausing = tokio::spawn({
        let listener = listener.clone();
        async move { listener.pause().await }
    });
    has_status(listener, &ListenerStatus::Paused).await;
    pausing
}

/// Waits until a listener is in this state.
pub async fn has_status(listener: &ListenerHandle, status: &ListenerStatus) {
    eventually("the listener's status", async || (listener.status() == *status).then_some(()))
        .await;
}
