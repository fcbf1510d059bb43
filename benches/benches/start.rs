//! `Springhare::builder().start()` with ten listeners, the stop after it, and the same start in the
//! harness of the testing kit.
//!
//! `cargo bench -p springhare-benches --bench start`

use springhare::prelude::*;
use springhare::test::Harness;
use springhare_benches::{Way, report};

const ROUNDS: usize = 51;

macro_rules! ten_listeners {
    ($($name:ident $queue:literal)+) => {$(
        #[rabbit_listener(queue = $queue, exchange = "bench", kind = "topic", key = $queue)]
        async fn $name(_body: Bytes) {}
    )+};
}

ten_listeners! {
    one "bench.1" two "bench.2" three "bench.3" four "bench.4" five "bench.5"
    six "bench.6" seven "bench.7" eight "bench.8" nine "bench.9" ten "bench.10"
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let mut ways = [Way::new("start"), Way::new("stop"), Way::new("start in a test's harness")];
    for _ in 0..ROUNDS {
        let [start, stop, harness] = &mut ways;
        let mut app = None;
        start.measure(1, || app = Some(runtime.block_on(Springhare::builder().start())));
        let Some(app) = app else { continue };
        let app = app?;
        stop.measure(1, || {
            let _ = runtime.block_on(app.stop());
        });
        let mut app = None;
        harness.measure(1, || app = Some(runtime.block_on(Harness::start(|app| app))));
        if let Some(app) = app {
            runtime.block_on(app?.stop())?;
        }
    }
    report("an application with ten listeners (one message is one start)", &ways);
    Ok(())
}
