//! The start and the stop of an application with 1,000 listeners, beside one with 10. Each has a
//! queue of its own, bound to one exchange.
//!
//! `cargo bench -p springhare-benches --bench many_listeners`

use springhare::__private::{ListenerAttributes, RabbitListenerEndpoint};
use springhare::prelude::*;
use springhare_benches::{Way, report};

const ROUNDS: usize = 21;

type Listeners = &'static [&'static RabbitListenerEndpoint];

#[rabbit_listener(queue = "bench", exchange = "bench", kind = "topic", key = "bench")]
async fn handle(_body: Bytes) {}

/// So many listeners as `handle`, each with an id and a queue of its own. They live as long as the
/// process, as those that the attribute makes.
fn listeners_like_handle(count: usize) -> Listeners {
    let models = listeners![handle];
    let Some(model) = models.iter().copied().flatten().next() else { return &[] };
    let listener = |number: usize| -> &'static RabbitListenerEndpoint {
        let name: &'static str = Box::leak(format!("bench.{number}").into_boxed_str());
        let names: &'static [&'static str] = Box::leak(Box::new([name]));
        let attributes =
            ListenerAttributes { id: Some(name), queues: names, keys: names, ..model.attributes };
        Box::leak(Box::new(RabbitListenerEndpoint { attributes, ..**model }))
    };
    Box::leak((0..count).map(listener).collect::<Vec<_>>().into_boxed_slice())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let mut ways = [
        Way::new("start, 10 listeners"),
        Way::new("start, 1,000 listeners"),
        Way::new("stop, 10 listeners"),
        Way::new("stop, 1,000 listeners"),
    ];
    let few = listeners_like_handle(10);
    let many = listeners_like_handle(1_000);
    let [start_few, start_many, stop_few, stop_many] = &mut ways;
    // One after the other: what 1,000 leave behind is not to be cleared away in the time of 10.
    for (start, stop, listeners) in [(start_few, stop_few, few), (start_many, stop_many, many)] {
        for _ in 0..ROUNDS {
            let mut app = None;
            start.measure(1, || {
                let builder = Springhare::builder().listeners([listeners]);
                app = Some(runtime.block_on(builder.start()));
            });
            let Some(app) = app else { continue };
            let app = app?;
            let mut stopped = Ok(());
            stop.measure(1, || stopped = runtime.block_on(app.stop()));
            stopped?;
        }
    }
    report("an application (one message is one start)", &ways);
    Ok(())
}
