use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

/// How many samples are kept before they are summed up, whether anybody asks for them or not.
const SAMPLES_MAX: u32 = 4096;
/// The bounds of the buckets that a handler's time is counted in, in seconds.
const BUCKETS: [f64; 14] =
    [1e-6, 1e-5, 1e-4, 5e-4, 1e-3, 5e-3, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 60.0];

static INSTALLED: OnceLock<Option<PrometheusHandle>> = OnceLock::new();
static SAMPLES: AtomicU32 = AtomicU32::new(0);

/// What was measured, in Prometheus' format: feature `prometheus`.
#[derive(Clone)]
pub struct Prometheus(PrometheusHandle);

/// Another recorder of metrics is installed in this process, and there is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "this process has a recorder of metrics already, which gets springhare's too; ask that one for \
     them, or call `springhare::metrics::prometheus()` before it is installed"
)]
pub struct RecorderTaken;

/// The recorder of this process for Prometheus; installed with the first call, or by
/// [`SpringhareBuilder::metrics`](crate::SpringhareBuilder::metrics), whichever comes first.
///
/// ```
/// # fn main() -> Result<(), springhare::metrics::RecorderTaken> {
/// let prometheus = springhare::metrics::prometheus()?;
/// println!("{}", prometheus.render());
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// [`RecorderTaken`] when the process has another one.
pub fn prometheus() -> Result<Prometheus, RecorderTaken> {
    INSTALLED.get_or_init(install).clone().map(Prometheus).ok_or(RecorderTaken)
}

/// What [`prometheus`] has installed; none if nobody has called it.
#[cfg(feature = "axum")]
pub(crate) fn installed() -> Option<Result<Prometheus, RecorderTaken>> {
    INSTALLED.get().map(|installed| installed.clone().map(Prometheus).ok_or(RecorderTaken))
}

fn install() -> Option<PrometheusHandle> {
    let times = Matcher::Full("spring_rabbitmq_listener_seconds".to_owned());
    let builder = PrometheusBuilder::new().set_buckets_for_metric(times, &BUCKETS).ok()?;
    let recorder = builder.build_recorder();
    let handle = recorder.handle();
    metrics::set_global_recorder(recorder).ok().map(|()| handle)
}

impl Prometheus {
    /// All that was measured so far.
    #[must_use]
    pub fn render(&self) -> String {
        self.0.render()
    }
}

impl std::fmt::Debug for Prometheus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Prometheus").finish_non_exhaustive()
    }
}

/// A sample was taken. Each waits in memory to be summed up, which otherwise happens when somebody
/// asks, and that may be never.
pub(super) fn after_sample() {
    if SAMPLES.fetch_add(1, Ordering::Relaxed) % SAMPLES_MAX == SAMPLES_MAX - 1
        && let Some(Some(handle)) = INSTALLED.get()
    {
        handle.run_upkeep();
    }
}
