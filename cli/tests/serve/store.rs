use std::path::Path;

use crate::harness::{Ended, Springhare};

async fn look(command: &str, folder: &Path) -> Ended {
    Springhare::run(&["store".as_ref(), command.as_ref(), folder.as_os_str()]).ended().await
}

#[tokio::test]
async fn a_data_folder_is_looked_into() {
    let directory = tempfile::tempdir().unwrap();
    let folder = directory.path().join("data");
    let mut server = Springhare::serve(&["--data", folder.to_str().unwrap()]);
    server.ready_line().await;
    let running = look("check", &folder).await;
    assert!(running.stdout.contains("a broker runs on it"), "{running:?}");
    assert_eq!(server.terminated().await.code, Some(0));

    let checked = look("check", &folder).await;
    assert_eq!(checked.code, Some(0), "{checked:?}");
    assert!(checked.stdout.ends_with("no damage\n"), "{checked:?}");
    assert!(!checked.stdout.contains("a broker runs on it"), "{checked:?}");
    assert_eq!(checked.stderr, "");

    let dumped = look("dump", &folder).await;
    assert_eq!(dumped.code, Some(0), "{dumped:?}");
    assert!(dumped.stdout.starts_with("00000001.log generation "), "{dumped:?}");
    assert!(dumped.stdout.ends_with(" clean stop\n"), "{dumped:?}");
    assert_eq!(dumped.stderr, "");

    std::fs::remove_file(folder.join("springhare.store")).unwrap();
    let checked = look("check", &folder).await;
    assert_eq!(checked.code, Some(1));
    assert!(checked.stdout.contains("\ndamaged: the data folder"), "{checked:?}");
    let dumped = look("dump", &folder).await;
    assert_eq!(dumped.code, Some(1));
    assert!(dumped.stderr.contains("copied in part"), "{dumped:?}");
}

#[tokio::test]
async fn what_is_no_data_folder_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    for (folder, text) in [
        (directory.path().join("nowhere"), "there is no data folder"),
        (directory.path().to_path_buf(), "is not a data folder of springhare"),
    ] {
        for command in ["check", "dump"] {
            let ended = look(command, &folder).await;
            assert_eq!((ended.code, &*ended.stdout), (Some(1), ""), "{ended:?}");
            assert!(ended.stderr.starts_with("springhare: ") && ended.stderr.contains(text));
        }
    }
}
