//! What a layer writes, for the tests.

use std::io;
use std::sync::{Arc, Mutex};

use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::{Layer, Registry};

/// Where the lines go. A clone is the same.
#[derive(Clone, Default)]
pub(super) struct Captured(Arc<Mutex<Vec<u8>>>);

impl io::Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What the layer makes of that which `action` logs.
pub(super) fn capture<L>(
    layer: impl FnOnce(Box<dyn Fn() -> Captured + Send + Sync>) -> L,
    action: impl FnOnce(),
) -> String
where
    L: Layer<Registry> + Send + Sync,
{
    let captured = Captured::default();
    let writer = captured.clone();
    let subscriber = tracing_subscriber::registry().with(layer(Box::new(move || writer.clone())));
    tracing::subscriber::with_default(subscriber, action);
    let bytes = captured.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap()
}
