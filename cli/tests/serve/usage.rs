use crate::harness::{Ended, Springhare};

async fn run(arguments: &[&str]) -> Ended {
    Springhare::run(arguments).ended().await
}

#[tokio::test]
async fn the_version_has_the_name() {
    let ended = run(&["--version"]).await;
    assert_eq!(ended.code, Some(0));
    assert_eq!(ended.stdout, format!("springhare {}\n", env!("CARGO_PKG_VERSION")));
}

#[tokio::test]
async fn help_names_every_flag() {
    let ended = run(&["serve", "--help"]).await;
    assert_eq!(ended.code, Some(0));
    for flag in [
        "--listen",
        "--tls-listen",
        "--tls-cert",
        "--tls-key",
        "--tls-client-ca",
        "--data",
        "--config",
        "--log",
        "--log-level",
        "--shutdown-timeout",
    ] {
        assert!(ended.stdout.contains(flag), "{flag} in {}", ended.stdout);
        let documentation = include_str!("../../../docs/server.md");
        assert!(documentation.contains(&format!("`{flag}")), "{flag} in docs/server.md");
    }
}

#[tokio::test]
async fn wrong_usage_exits_with_2() {
    for arguments in [
        &[][..],
        &["sreve"],
        &["serve", "--lisen", "127.0.0.1:0"],
        &["serve", "--listen", "localhost"],
        &["serve", "--log", "xml"],
        &["serve", "--log-level", "inof"],
        &["serve", "extra"],
    ] {
        let ended = run(arguments).await;
        assert_eq!(ended.code, Some(2), "{arguments:?}: {ended:?}");
        assert_eq!(ended.stdout, "", "{arguments:?}");
        assert!(ended.stderr.contains("--help"), "{arguments:?}: {}", ended.stderr);
    }
}

#[tokio::test]
async fn a_mistyped_flag_is_told_with_the_right_one() {
    let ended = run(&["serve", "--lisen", "127.0.0.1:0"]).await;
    assert!(ended.stderr.contains("--listen"), "{}", ended.stderr);
}
