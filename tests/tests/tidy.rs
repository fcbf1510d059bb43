//! The house rules that the compiler does not know: layers, sizes, and what may not be there.
//!
//! The layers are those that ARCHITECTURE.md draws. Each rule reports everything that breaks it.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test ends with a panic")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Lines of a file; a file that needs more holds two things.
const LINES_MAX: usize = 500;

/// How many crates a program gets with `springhare` without features, and our own among them. More
/// need a reason in the commit that raises this, and their names in [`CRATES`].
const CRATES_MAX: usize = 96;
/// Those that are known.
const CRATES: &str = include_str!("../data/crates.txt");

/// Where real time is waited for or read; everywhere else that is the `Clock`'s.
const TIME_ALLOWED: [&str; 12] = [
    "broker/src/clock.rs",
    "broker/src/store/disk/files.rs",
    "broker/src/store/journal/tests/speed.rs",
    "tests/src/eventually.rs",
    "tests/rabbitmq/src/wait.rs",
    "examples/src/lib.rs",
    "benches/src/lib.rs",
    "perf/src/time.rs",
    "xtask/src/perf/broker.rs",
    "xtask/src/perf/compile.rs",
    "tests/drill/src/kill/broker.rs",
    "xtask/src/drill/schedule.rs",
];

/// A source file of ours.
struct Source {
    /// Below the workspace's root: `broker/src/lib.rs`.
    path: String,
    text: String,
    /// The text without comments and without its tests; empty if all of it is a test.
    production: String,
}

fn root() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().expect("the tests are in the workspace").to_path_buf()
}

/// All source files but those of the UI tests, which are wrong on purpose.
fn sources() -> Vec<Source> {
    let root = root();
    let mut files = Vec::new();
    for package in [
        "amqp", "broker", "cli", "log", "macros", "runtime", "tests", "benches", "examples",
        "perf", "xtask",
    ] {
        rust_files(&root.join(package), &mut files);
    }
    let texts: BTreeMap<String, String> = files
        .iter()
        .map(|file| {
            let path = file.strip_prefix(&root).unwrap().to_str().unwrap();
            (path.to_owned(), fs::read_to_string(file).unwrap())
        })
        .filter(|(path, _)| !path.starts_with("tests/ui/"))
        .collect();
    let tests = test_modules(&texts);
    let is_test = |path: &str| {
        path.starts_with("tests/")
            || path.contains("/tests/")
            || tests.iter().any(|module| {
                path.strip_prefix(module).is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
            })
    };
    texts
        .iter()
        .map(|(path, text)| Source {
            path: path.clone(),
            text: text.clone(),
            production: if is_test(path) { String::new() } else { production(text) },
        })
        .collect()
}

fn rust_files(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// The modules that are compiled for tests only: `broker/src/model/queue/tests`.
fn test_modules(texts: &BTreeMap<String, String>) -> BTreeSet<String> {
    let mut modules = BTreeSet::new();
    for (path, text) in texts {
        let stem = path.strip_suffix(".rs").unwrap();
        let parent = stem.strip_suffix("/mod").or(stem.strip_suffix("/lib")).unwrap_or(stem);
        for (attribute, item) in text.lines().zip(text.lines().skip(1)) {
            let name = item.strip_prefix("mod ").and_then(|item| item.strip_suffix(';'));
            if let ("#[cfg(test)]", Some(name)) = (attribute, name) {
                modules.insert(format!("{parent}/{name}"));
            }
        }
    }
    modules
}

/// Cuts comments and the test module at the end off.
fn production(text: &str) -> String {
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.map(|line| format!("{line}\n")).collect()
}

fn report(rule: &str, broken: &[String]) {
    assert!(broken.is_empty(), "{rule}:\n  {}", broken.join("\n  "));
}

/// Lines of `production` code in the chosen files that contain one of these texts.
fn containing(chosen: impl Fn(&str) -> bool, texts: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for source in sources().iter().filter(|source| chosen(&source.path)) {
        for line in source.production.lines() {
            if texts.iter().any(|text| line.contains(text)) {
                found.push(format!("{}: {}", source.path, line.trim()));
            }
        }
    }
    found
}

#[test]
fn files_are_short() {
    let long = sources().into_iter().filter_map(|source| {
        let lines = source.text.lines().count();
        (lines > LINES_MAX).then(|| format!("{} has {lines} lines", source.path))
    });
    report("a file has 500 lines at most", &long.collect::<Vec<_>>());
}

#[test]
fn the_pure_layers_are_pure() {
    let impure = ["tokio", "std::fs", "std::net", "Instant", "SystemTime::now", "Mutex", "RwLock"];
    let pure = |path: &str| {
        let layers = ["amqp/", "broker/src/model/", "broker/src/protocol/", "macros/"];
        layers.iter().any(|layer| path.starts_with(layer))
    };
    report(
        "amqp, the broker's model and protocol and the macros are pure",
        &containing(pure, &impure),
    );
}

#[test]
fn the_broker_locks_in_its_engine_only() {
    let elsewhere = |path: &str| {
        path.starts_with("broker/src/")
            && !path.starts_with("broker/src/engine/")
            && !path.starts_with("broker/src/store/")
            && !["broker/src/clock.rs", "broker/src/server/handshakes.rs"].contains(&path)
    };
    let locks = ["Mutex", "RwLock", "Condvar"];
    report("the broker's locks are in engine/ and store/", &containing(elsewhere, &locks));
}

#[test]
fn nothing_is_unfinished_or_unchecked() {
    let words = [".unwrap()", "todo!", "unimplemented!", "dbg!", "unsafe {", "unsafe fn"];
    report("no unwrap, no unsafe, nothing left to do", &containing(|_| true, &words));
}

#[test]
fn real_time_is_the_clocks() {
    let time = ["Instant::now", "SystemTime::now", "time::sleep", "thread::sleep"];
    let broken = sources().into_iter().filter(|source| !source.path.ends_with("/tidy.rs")).filter(
        |source| {
            let is_used = time.iter().any(|text| source.text.contains(text));
            is_used && !TIME_ALLOWED.contains(&source.path.as_str())
        },
    );
    let broken: Vec<_> = broken.map(|source| source.path).collect();
    report("nobody sleeps or reads the time, tests neither: use the Clock or wait", &broken);
}

#[test]
fn lints_are_expected_with_a_reason() {
    let broken = sources().into_iter().filter(|source| {
        let production = &source.production;
        // What the macro writes is the user's code, where an expectation may not be met.
        let is_bare =
            production.contains("[allow(") && !source.path.starts_with("macros/src/expand");
        is_bare
            || production.split("[expect(").skip(1).any(|rest| {
                !rest.split(")]").next().is_some_and(|attribute| attribute.contains("reason ="))
            })
    });
    let broken: Vec<_> = broken.map(|source| source.path).collect();
    report("#[expect(.., reason = ..)] instead of #[allow(..)]", &broken);
}

#[test]
fn every_package_has_the_workspaces_lints() {
    let mut broken = Vec::new();
    for package in [
        "amqp",
        "broker",
        "cli",
        "log",
        "macros",
        "runtime",
        "tests",
        "tests/linked",
        "tests/rabbitmq",
        "tests/drill",
        "benches",
        "examples",
        "perf",
        "perf/clients",
        "xtask",
    ] {
        let manifest = fs::read_to_string(root().join(package).join("Cargo.toml")).unwrap();
        if !manifest.contains("[lints]\nworkspace = true") {
            broken.push(package.to_owned());
        }
    }
    report("[lints] workspace = true", &broken);
}

#[test]
fn crates_use_those_below_them() {
    let allowed: [(&str, &[&str]); 5] = [
        ("amqp", &[]),
        ("log", &[]),
        ("macros", &[]),
        ("broker", &["springhare-amqp"]),
        ("runtime", &["springhare-amqp", "springhare-broker", "springhare-macros"]),
    ];
    let mut broken = Vec::new();
    for (package, allowed) in allowed {
        let manifest = fs::read_to_string(root().join(package).join("Cargo.toml")).unwrap();
        let dependencies = manifest.split("\n[dependencies]\n").nth(1).unwrap_or_default();
        let dependencies = dependencies.split("\n[").next().unwrap_or_default();
        let ours = dependencies.lines().map(|line| line.split(['.', ' ', '=']).next().unwrap());
        for used in ours.filter(|name| name.starts_with("springhare") && !allowed.contains(name)) {
            broken.push(format!("{package} uses {used}"));
        }
    }
    report("crates use those below them", &broken);
}

#[test]
fn a_program_gets_few_crates() {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut tree = std::process::Command::new(cargo);
    tree.args(["tree", "--offline", "--package", "springhare", "--no-default-features"]);
    tree.args(["--edges", "normal", "--prefix", "none", "--format", "{p}"]);
    let output = tree.current_dir(root()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let crates: BTreeSet<_> = text.lines().filter_map(|line| line.split(' ').next()).collect();
    let known: BTreeSet<_> = CRATES.lines().collect();
    let new: Vec<_> = crates.difference(&known).collect();
    assert!(
        crates.len() <= CRATES_MAX,
        "{} crates, {CRATES_MAX} at most; these came in since tests/data/crates.txt: {new:?}",
        crates.len()
    );
    assert!(crates.len() > known.len() / 2, "the list is old, or the tree was not read: {text}");
}

#[test]
fn modules_use_those_below_them() {
    let mut broken = Vec::new();
    for package in ["broker/src", "runtime/src"] {
        let layers = layers(package);
        for source in sources() {
            let Some(path) = source.path.strip_prefix(package) else { continue };
            let module = path[1..].split(['/', '.']).next().unwrap();
            if module == "lib" {
                continue;
            }
            let Some(allowed) = layers.get(module) else {
                broken.push(format!("{package}: module {module} is not in ARCHITECTURE.md"));
                continue;
            };
            for used in used_modules(&source.production, package) {
                let is_allowed = used == module
                    || used.starts_with(&format!("{module}::"))
                    || allowed
                        .iter()
                        .any(|layer| used == *layer || used.starts_with(&format!("{layer}::")));
                if !is_allowed {
                    broken.push(format!("{} uses crate::{used}", source.path));
                }
            }
        }
    }
    report("modules use those below them, see ARCHITECTURE.md", &broken);
}

#[test]
fn the_documentation_names_tests_that_are_there() {
    let functions: BTreeSet<String> = sources()
        .iter()
        .flat_map(|source| {
            source.text.split("fn ").skip(1).filter_map(function).collect::<Vec<_>>()
        })
        .collect();
    let mut broken = Vec::new();
    for page in ["docs/pains.md", "docs/spring-mapping.md"] {
        let text = fs::read_to_string(root().join(page)).unwrap();
        let rows = text.lines().filter(|line| line.starts_with("| "));
        for row in rows {
            let mut file = None;
            // Each other part of a line is between backquotes.
            for name in row.split('`').skip(1).step_by(2) {
                // The shorter ones are keys and methods, and metrics begin with our name.
                let is_function = name.matches('_').count() >= 3
                    && !name.starts_with("springhare_")
                    && name.chars().all(|c| matches!(c, 'a'..='z' | '0'..='9' | '_'));
                if name.ends_with(".rs") && !name.contains(' ') {
                    file = Some(name);
                    if test_file(name).is_none() {
                        broken.push(format!("{page} names {name}"));
                    }
                } else if is_function && !has_function(file, name, &functions) {
                    broken.push(format!("{page} names {name} of {}", file.unwrap_or("any file")));
                }
            }
        }
    }
    report("documentation names tests that are there", &broken);
}

#[test]
fn the_readme_names_every_example() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let files = fs::read_dir(root().join("examples")).unwrap().map(|entry| entry.unwrap().path());
    let unnamed: Vec<_> = files
        .filter(|file| file.extension().is_some_and(|extension| extension == "rs"))
        .map(|file| file.file_stem().unwrap().to_str().unwrap().to_owned())
        .filter(|name| {
            !readme.contains(&format!("`{name}`"))
                && !readme.contains(&format!("--example {name} "))
        })
        .collect();
    report("README.md names every example", &unnamed);
}

#[test]
fn links_of_the_documentation_lead_somewhere() {
    let pages = pages();
    let mut broken = Vec::new();
    for (page, text) in &pages {
        for link in links(text).filter(|link| !link.contains("://")) {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = match file {
                "" => page.clone(),
                file => resolved(page, file),
            };
            let is_there = match (anchor, pages.get(&target)) {
                ("", _) => root().join(&target).exists(),
                (anchor, Some(text)) => anchors(text).any(|known| known == anchor),
                (_, None) => false,
            };
            if !is_there {
                broken.push(format!("{page} links {link}"));
            }
        }
    }
    report("links lead to a file, and to a heading of it", &broken);
}

/// The pages of the documentation, each with its path.
fn pages() -> BTreeMap<String, String> {
    let of_the_root = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"];
    let docs = fs::read_dir(root().join("docs")).unwrap().map(|entry| {
        let name = entry.unwrap().file_name();
        format!("docs/{}", name.to_str().unwrap())
    });
    let pages = of_the_root.map(str::to_owned).into_iter().chain(docs);
    pages.map(|page| (page.clone(), fs::read_to_string(root().join(page)).unwrap())).collect()
}

/// Where the links of a page lead; what looks like one in a block of code is none.
fn links(text: &str) -> impl Iterator<Item = &str> {
    let prose = text.split("```").step_by(2);
    let links = prose.flat_map(|prose| prose.split("](").skip(1));
    links.filter_map(|rest| Some(rest.split_once(')')?.0))
}

/// The file that a link of a page means: `../runtime` of `docs/a.md` is `runtime`.
fn resolved(page: &str, file: &str) -> String {
    let mut path: Vec<&str> = page.split('/').collect();
    path.pop();
    for part in file.split('/') {
        match part {
            ".." => drop(path.pop()),
            part => path.push(part),
        }
    }
    path.join("/")
}

/// The anchors that GitHub gives a page's headings.
fn anchors(text: &str) -> impl Iterator<Item = String> {
    let headings = text.split("```").step_by(2).flat_map(str::lines);
    headings.filter(|line| line.starts_with('#')).map(|line| {
        let title = line.trim_start_matches('#').trim().to_lowercase();
        let kept = title.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    })
}

/// The name that text after `fn ` begins with.
fn function(text: &str) -> Option<String> {
    Some(text.split_once(['(', '<'])?.0.to_owned())
}

/// Whether there is a function of this name: in the file that was named before it, if one was.
fn has_function(file: Option<&str>, name: &str, all: &BTreeSet<String>) -> bool {
    let Some(text) = file.and_then(test_file).and_then(|path| fs::read_to_string(path).ok()) else {
        return all.contains(name);
    };
    text.split("fn ").skip(1).filter_map(function).any(|function| function == name)
}

/// This file of the tests, or of the workspace, the folder of the applications' cases being `apps`.
fn test_file(name: &str) -> Option<PathBuf> {
    let below = name.strip_prefix("apps/").map(|file| format!("contract/applications/{file}"));
    let tests = root().join("tests/tests");
    let mut places = [tests.join(below.as_deref().unwrap_or(name)), root().join(name)].into_iter();
    places.find(|path| path.exists())
}

/// The block of ARCHITECTURE.md for these sources: which module may use which.
fn layers(package: &str) -> BTreeMap<String, Vec<String>> {
    let architecture = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let section = architecture.split(&format!("### {package}\n\n```text\n")).nth(1);
    let block = section.and_then(|section| section.split("```").next());
    let block = block.unwrap_or_else(|| panic!("ARCHITECTURE.md has the layers of {package}"));
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect();
    block
        .lines()
        .filter_map(|line| line.split_once("->"))
        .map(|(module, used)| (module.trim().to_owned(), words(used)))
        .collect()
}

/// The paths behind every `crate::`, with what the crate's root re-exports led back to its home.
fn used_modules(code: &str, package: &str) -> BTreeSet<String> {
    let root_text = fs::read_to_string(root().join(package).join("lib.rs")).unwrap();
    let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    let paths = code.split("crate::").skip(1).filter(|rest| !rest.starts_with('{'));
    let paths = paths.map(|rest| rest.split(|c| !is_part(c)).next().unwrap_or_default());
    let own = paths.filter(|path| !path.is_empty()).map(|path| {
        let name = path.split("::").next().unwrap();
        if name.starts_with(char::is_uppercase) { home(name, &root_text) } else { path.to_owned() }
    });
    own.map(|path| path.trim_end_matches(':').to_owned()).collect()
}

/// Where the root of a crate takes this name from.
fn home(name: &str, root_text: &str) -> String {
    let mut uses = root_text.split("pub use ").skip(1).map(|rest| rest.split(';').next().unwrap());
    let found = uses.find(|used| {
        used.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == name)
    });
    let found = found.unwrap_or_else(|| panic!("lib.rs re-exports {name}"));
    found.split("::{").next().unwrap().trim_end_matches(name).trim_end_matches(':').to_owned()
}
