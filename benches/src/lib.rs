//! What the benchmarks share: several ways to do the same, run in turn within one process.
//!
//! Machines are noisy: what a rate is worth is said by the ratio to another way in the same run,
//! and by the CPU that a message costs. Each way runs once a round; the median counts.

use std::time::Duration;

#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What one run of one way took.
#[derive(Debug, Clone, Copy)]
pub struct Run {
    /// Messages that were moved.
    pub messages: u32,
    /// Wall time.
    pub wall: Duration,
    /// CPU time of the whole process.
    pub cpu: Duration,
}

/// One way to do the same, and its runs.
#[derive(Debug)]
pub struct Way {
    name: String,
    runs: Vec<Run>,
}

impl Way {
    /// A way without runs.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), runs: Vec::new() }
    }

    /// Measures `run`, which moves `messages` messages.
    #[expect(clippy::disallowed_methods, reason = "a benchmark measures the real time")]
    pub fn measure(&mut self, messages: u32, run: impl FnOnce()) {
        let (cpu, start) = (process_cpu(), std::time::Instant::now());
        run();
        let wall = start.elapsed();
        self.runs.push(Run { messages, wall, cpu: process_cpu().saturating_sub(cpu) });
    }

    /// The same of what is awaited.
    ///
    /// # Errors
    ///
    /// Those of `run`.
    #[expect(clippy::disallowed_methods, reason = "a benchmark measures the real time")]
    pub async fn measure_async<T, E>(
        &mut self,
        messages: u32,
        run: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let (cpu, start) = (process_cpu(), std::time::Instant::now());
        let result = run.await;
        let wall = start.elapsed();
        self.runs.push(Run { messages, wall, cpu: process_cpu().saturating_sub(cpu) });
        result
    }

    /// The median wall time of one message, in nanoseconds.
    #[must_use]
    pub fn wall_nanoseconds(&self) -> f64 {
        median(self.runs.iter().map(|run| per_message(run.wall, run.messages)))
    }

    /// The median CPU time of one message, in nanoseconds.
    #[must_use]
    pub fn cpu_nanoseconds(&self) -> f64 {
        median(self.runs.iter().map(|run| per_message(run.cpu, run.messages)))
    }
}

/// Prints the ways beside each other; ratios are rates, relative to the first way.
#[expect(clippy::print_stdout, reason = "a benchmark prints its figures")]
pub fn report(title: &str, ways: &[Way]) {
    println!("\n{title}");
    println!("{:<44} {:>12} {:>10} {:>10} {:>7}", "", "messages/s", "ns/msg", "CPU ns", "ratio");
    let first = ways.first().map_or(f64::NAN, Way::wall_nanoseconds);
    for way in ways {
        let wall = way.wall_nanoseconds();
        println!(
            "{:<44} {:>12.0} {:>10.0} {:>10.0} {:>7.2}",
            way.name,
            1e9 / wall,
            wall,
            way.cpu_nanoseconds(),
            first / wall
        );
    }
}

/// What `run` gives, and how long that took.
///
/// # Errors
///
/// Those of `run`.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures the real time")]
pub async fn timed<E>(run: impl Future<Output = Result<(), E>>) -> Result<Duration, E> {
    let start = std::time::Instant::now();
    run.await?;
    Ok(start.elapsed())
}

/// Prints how long half, 99 and 99.9 per cent of something took at most.
#[expect(clippy::print_stdout, reason = "a benchmark prints its figures")]
pub fn percentiles(title: &str, mut times: Vec<Duration>) {
    times.sort();
    let part = |thousandths: usize| {
        let time = times.get(times.len() * thousandths / 1000).copied().unwrap_or_default();
        time.as_secs_f64() * 1e6
    };
    let [half, most, nearly_all] = [500, 990, 999].map(part);
    println!("{title:<44} p50 {half:.1} µs, p99 {most:.1} µs, p99.9 {nearly_all:.1} µs");
}

/// Does nothing for so long, and prints how much of a core the process used meanwhile.
#[expect(clippy::print_stdout, clippy::disallowed_methods, reason = "a benchmark measures")]
pub fn idle(title: &str, wait: Duration) {
    let cpu = process_cpu();
    std::thread::sleep(wait);
    let used = process_cpu().saturating_sub(cpu);
    println!("{title:<48} {:>6.2} % CPU", 100.0 * used.as_secs_f64() / wait.as_secs_f64());
}

fn per_message(time: Duration, messages: u32) -> f64 {
    time.as_secs_f64() * 1e9 / f64::from(messages)
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The CPU time of this process: user and system, in ticks of 10 ms; 0 where `/proc` is not.
fn process_cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // After the command's name, which may hold anything, the 12th and 13th field.
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
    let ticks: u64 =
        fields.split_whitespace().skip(11).take(2).filter_map(|n| n.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}
