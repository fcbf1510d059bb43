use super::*;
use crate::store::disk::simulated::{DiskFault, SimulatedDisk};
use crate::store::format::header::SegmentHeader;

fn refused(path: &Path) -> StoreError {
    Folder::open(path).unwrap_err()
}

fn says(error: &StoreError, parts: &[&str]) {
    let text = error.to_string();
    assert!(parts.iter().all(|part| text.contains(part)), "{text}");
}

#[test]
fn a_folder_is_made_and_taken_again() {
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("a/b");
    let folder = Folder::open(&path).unwrap();
    let mark = std::fs::read_to_string(path.join(names::MARK)).unwrap();
    assert!(mark.starts_with("springhare store, format 1\n"), "{mark}");
    let refused = refused(&path);
    assert_eq!(refused, StoreError::InUse { path: path.clone() });
    says(&refused, &["a/b", "in use by another process", "end that broker"]);
    assert!(FolderLook::open(&path).unwrap().is_in_use);
    drop(folder);
    let look = FolderLook::open(&path).unwrap();
    assert!(!look.is_in_use);
    Folder::open(&path).unwrap();
    drop(look);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }
}

#[test]
fn what_is_no_store_is_left_alone() {
    let parent = tempfile::tempdir().unwrap();
    let file = parent.path().join("file");
    std::fs::write(&file, "x").unwrap();
    says(&refused(&file), &["file' is a file"]);
    says(&refused(&file.join("below")), &["is a file"]);
    says(&refused(parent.path()), &["not a data folder", "'file'", "empty folder"]);
    says(&FolderLook::open(parent.path()).unwrap_err(), &["not a data folder"]);
    says(&FolderLook::open(&file).unwrap_err(), &["is a file"]);
    let nowhere = parent.path().join("nowhere");
    says(&FolderLook::open(&nowhere).unwrap_err(), &["there is no data folder", "nowhere"]);
    let names: Vec<_> = std::fs::read_dir(parent.path()).unwrap().collect();
    assert_eq!(names.len(), 1, "nothing was written");
    std::fs::remove_file(&file).unwrap();
    std::fs::create_dir(&file).unwrap();
    says(&refused(parent.path()), &["'file'"]);
    says(&FolderLook::open(&file).unwrap_err(), &["'nothing'"]);
}

#[test]
fn segments_without_a_mark_were_copied_in_part() {
    let parent = tempfile::tempdir().unwrap();
    std::fs::write(parent.path().join("00000003.log"), "x").unwrap();
    let refused = refused(parent.path());
    says(&refused, &["copied in part", "'00000003.log'", "copy all of it"]);
    let look = FolderLook::open(parent.path()).unwrap();
    assert_eq!(look.damages, [refused.to_string()]);
}

#[test]
fn a_later_format_is_refused() {
    let parent = tempfile::tempdir().unwrap();
    let mark = parent.path().join(names::MARK);
    std::fs::write(&mark, "springhare store, format 2\n").unwrap();
    for refused in [refused(parent.path()), FolderLook::open(parent.path()).unwrap_err()] {
        says(&refused, &["format 2", "formats up to 1", "a later one"]);
    }
    std::fs::write(&mark, "springhare store, format x\n").unwrap();
    assert_eq!(FolderLook::open(parent.path()).unwrap().damages.len(), 1);
    assert_eq!(Folder::open(parent.path()).unwrap().damages.len(), 1);
    assert_eq!(Folder::open(parent.path()).unwrap().damages.len(), 0);
}

#[test]
fn a_read_only_folder_is_refused() {
    for was_used in [false, true] {
        let disk = SimulatedDisk::new(1);
        if was_used {
            Folder::open_on(Arc::new(disk.clone())).unwrap();
        }
        let mut refusals = 0;
        for call in 1..20 {
            disk.fail_call(disk.calls() + call, DiskFault::ReadOnly);
            match Folder::open_on(Arc::new(disk.clone())) {
                Ok(_) => break,
                Err(error @ StoreError::ReadOnly { .. }) => {
                    says(&error, &["is read-only", "the right to write"]);
                    refusals += 1;
                }
                Err(StoreError::Io { .. }) => {}
                Err(other) => panic!("{other}"),
            }
        }
        assert!(refusals >= 2, "{refusals}");
    }
}

/// The one that the operating system refuses; the superuser may write everywhere.
#[cfg(unix)]
#[test]
fn a_folder_without_the_right_to_write_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("data");
    drop(Folder::open(&path).unwrap());
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o500)).unwrap();
    let is_root = std::fs::write(path.join("probe"), "").is_ok();
    match Folder::open(&path) {
        Ok(_) => assert!(is_root),
        Err(error) => says(&error, &["is read-only", "data"]),
    }
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o700)).unwrap();
}

#[test]
fn a_folder_that_was_being_made_when_the_power_went_is_made_again() {
    for seed in 0..200 {
        let disk = SimulatedDisk::new(seed);
        disk.fail_call(1 + seed % 14, DiskFault::Broken);
        let opened = Folder::open_on(Arc::new(disk.clone()));
        let after = disk.power_cut(seed);
        let again = Folder::open_on(Arc::new(after.clone())).unwrap();
        assert_eq!(again.damages, [""; 0], "seed {seed}");
        if opened.is_ok() {
            assert!(after.content(names::MARK).is_some());
        }
    }
}

#[test]
fn a_segment_of_a_later_format_is_refused() {
    let header = SegmentHeader {
        number: 1,
        generation: 1,
        next_reference: 1,
        previous_end: 0,
        others: Vec::new(),
        is_reused: false,
    };
    let mut bytes = header.encode();
    bytes[8] = 9;
    let end = bytes.len() / 2 - 4;
    let checksum = crc32c::crc32c(&bytes[..end]).to_le_bytes();
    bytes[end..end + 4].copy_from_slice(&checksum);
    let disk = SimulatedDisk::new(1);
    disk.put("00000001.log", &bytes);
    let refused = crate::store::recovery::recover(&disk).unwrap_err();
    says(&refused, &["00000001.log", "format 9"]);
}
