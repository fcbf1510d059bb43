//! `cargo xtask perf --compile`: how long a program with 1,000 listeners takes to build, beside one with
//! 10. Each is a crate in the target folder; what it depends on is built before, and not counted.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::run::{Result, cargo, heading, succeed, target_directory};

/// What asks for it.
pub(crate) const OPTION: &str = "--compile";

/// The options, for the usage text.
pub(crate) const USAGE: &str = "  perf --compile
            build a program with 1,000 listeners beside one with 10
";

const FEW: usize = 10;
const MANY: usize = 1_000;
/// How many listeners stand in one module.
const OF_A_MODULE: usize = 50;
/// How much longer many listeners may take.
const GOAL: Duration = Duration::from_secs(15);

/// Builds both programs and prints what they take.
///
/// # Errors
///
/// When a program can't be written or built. A goal that was missed is no error.
pub(crate) fn run(arguments: &[String]) -> Result {
    if let Some(unknown) = arguments.first() {
        return Err(format!("--compile takes no {unknown}\n{USAGE}").into());
    }
    let program = Program::in_target()?;
    heading("building what a listener needs");
    program.build(0)?;
    heading("building the programs");
    let few = program.build(FEW)?;
    let many = program.build(MANY)?;
    super::println(&table(few, many));
    Ok(())
}

/// A crate of its own, outside of the workspace.
struct Program {
    folder: PathBuf,
}

impl Program {
    fn in_target() -> Result<Self> {
        let folder = target_directory().join("perf-compile");
        fs::create_dir_all(folder.join("src"))?;
        fs::write(folder.join("Cargo.toml"), manifest(&crate::root()))?;
        // The same versions as in the workspace, so that nothing is downloaded.
        fs::copy(crate::root().join("Cargo.lock"), folder.join("Cargo.lock"))?;
        Ok(Self { folder })
    }

    /// Builds it with so many listeners in the dev profile, as from nothing; returns the time.
    fn build(&self, listeners: usize) -> Result<Duration> {
        fs::write(self.folder.join("src/main.rs"), source(listeners))?;
        let mut command = cargo(&["build", "--offline", "--quiet"]);
        command.current_dir(&self.folder);
        command.env("CARGO_TARGET_DIR", target_directory()).env("CARGO_INCREMENTAL", "0");
        #[expect(clippy::disallowed_methods, reason = "what a build takes is real time")]
        let begin = Instant::now();
        succeed(command)?;
        Ok(begin.elapsed())
    }
}

fn manifest(root: &Path) -> String {
    let runtime = root.join("runtime");
    format!(
        "[package]\nname = \"perf-compile\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n\
         [workspace]\n\n\
         [dependencies]\nspringhare = {{ path = {:?} }}\nserde = {{ version = \"1\", features = \
         [\"derive\"] }}\ntokio = {{ version = \"1\", features = [\"macros\", \"rt-multi-thread\"] }}\n",
        runtime.display().to_string()
    )
}

/// A program with so many listeners, in modules, each with a queue, a body and an argument more.
fn source(listeners: usize) -> String {
    let mut text = String::from(
        "use std::sync::atomic::AtomicU64;\n\nuse springhare::prelude::*;\n\n\
         #[derive(serde::Deserialize)]\npub struct Order {\n    pub id: u64,\n    pub item: \
         String,\n}\n\npub struct Sum(pub AtomicU64);\n\n",
    );
    let numbers: Vec<usize> = (0..listeners).collect();
    for (module, numbers) in numbers.chunks(OF_A_MODULE).enumerate() {
        let _ = writeln!(text, "mod part_{module} {{");
        text.push_str(
            "    use std::sync::atomic::Ordering;\n\n    use springhare::prelude::*;\n\n",
        );
        text.push_str("    use crate::{Order, Sum};\n");
        for number in numbers {
            let _ = write!(
                text,
                "\n    #[rabbit_listener(queue = \"q.{number}\", exchange = \"orders\", kind = \
                 \"topic\", key = \"order.{number}\")]\n    async fn on_{number}(Json(order): \
                 Json<Order>, key: RoutingKey, sum: State<Sum>) -> ListenerResult {{\n        let \
                 words = order.item.len() + key.len();\n        sum.0.fetch_add(order.id + words as \
                 u64, Ordering::Relaxed);\n        Ok(())\n    }}\n"
            );
        }
        text.push_str("}\n\n");
    }
    text.push_str(
        "#[tokio::main]\nasync fn main() -> springhare::Result<()> {\n    let app = \
         Springhare::builder().manage(Sum(AtomicU64::new(0))).start().await?;\n    \
         app.stop().await\n}\n",
    );
    text
}

fn table(few: Duration, many: Duration) -> String {
    let more = many.saturating_sub(few);
    let goal = if more <= GOAL { "met" } else { "missed" };
    format!(
        "| listeners | build, dev profile |\n|---|---|\n| {FEW} | {:.1} s |\n| {MANY} | {:.1} s |\n\n\
         {:.1} s more; the goal, at most {} s, is {goal}",
        few.as_secs_f64(),
        many.as_secs_f64(),
        more.as_secs_f64(),
        GOAL.as_secs()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_has_as_many_listeners_as_are_asked_for() {
        for count in [0, 10, 120] {
            assert_eq!(source(count).matches("#[rabbit_listener(").count(), count);
        }
        assert_eq!(source(120).matches("mod part_").count(), 3);
    }

    #[test]
    fn what_is_more_than_the_goal_is_missed() {
        let second = Duration::from_secs(1);
        let met = table(2 * second, 17 * second);
        assert!(met.ends_with("15.0 s more; the goal, at most 15 s, is met"), "{met}");
        assert!(table(second, 17 * second).ends_with("missed"));
    }
}
