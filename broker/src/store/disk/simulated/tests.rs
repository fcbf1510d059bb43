use super::*;

fn write(disk: &SimulatedDisk, name: &str, bytes: &[u8]) -> Arc<dyn DiskFile> {
    let file = disk.create(name, 0).unwrap();
    file.write_at(bytes, 0).unwrap();
    file
}

#[test]
fn what_is_synced_survives_and_the_rest_may() {
    let mut seen = std::collections::BTreeSet::new();
    for seed in 0..200 {
        let disk = SimulatedDisk::new(seed);
        let file = write(&disk, "a", &[1; 1024]);
        file.sync_data().unwrap();
        disk.sync_folder().unwrap();
        file.write_at(&[2; 2048], 512).unwrap();
        write(&disk, "b", b"new");
        let after = disk.power_cut(seed);
        assert!(file.sync_data().is_err(), "the power is off");
        let content = after.content("a").unwrap();
        assert!(content.len() == 1024 || content.len() == 2560);
        assert_eq!(content[..512], [1; 512]);
        seen.insert((content.len(), content[512], content.get(1024).copied()));
        assert!(after.names() == ["a"] || after.names() == ["a", "b"]);
    }
    let expected = [(1024, 1, None), (1024, 2, None), (2560, 1, Some(0)), (2560, 1, Some(2))];
    assert!(expected.iter().all(|outcome| seen.contains(outcome)), "{seen:?}");
}

#[test]
fn sectors_are_torn() {
    let torn = (0..100).filter(|seed| {
        let disk = SimulatedDisk::new(0);
        let file = write(&disk, "a", &[1; 512]);
        file.sync_data().unwrap();
        disk.sync_folder().unwrap();
        file.write_at(&[2; 512], 0).unwrap();
        let content = disk.power_cut(*seed).content("a").unwrap();
        content.contains(&1) && content.contains(&2)
    });
    assert!(torn.count() > 0);
}

#[test]
fn the_same_seed_has_the_same_outcome() {
    let outcome = || {
        let disk = SimulatedDisk::new(1);
        write(&disk, "a", &[7; 100_000]);
        disk.power_cut(3).content("a")
    };
    assert_eq!(outcome(), outcome());
}

#[test]
fn a_killed_process_loses_nothing_that_it_wrote() {
    let disk = SimulatedDisk::new(1);
    let lock = disk.lock().unwrap();
    let file = write(&disk, "a", b"written");
    assert!(lock.is_some() && disk.lock().unwrap().is_none());
    let after = disk.kill();
    assert!(file.write_at(b"late", 0).is_err());
    assert!(after.lock().unwrap().is_some());
    assert_eq!(after.content("a").unwrap(), b"written");
    assert!((0..20).any(|seed| after.power_cut(seed).content("a").is_none()));
}

#[test]
fn the_chosen_call_fails() {
    let disk = SimulatedDisk::new(1);
    let file = write(&disk, "a", b"12345678");
    disk.fail_call(disk.calls() + 2, DiskFault::Broken);
    file.sync_data().unwrap();
    assert!(file.write_at(b"abcdefgh", 0).is_err());
    let content = disk.content("a").unwrap();
    assert!(b"abcdefg".starts_with(&content[..content.iter().filter(|b| **b >= b'a').count()]));
    file.write_at(b"abcdefgh", 0).unwrap();
    disk.fail_call(disk.calls() + 1, DiskFault::Full);
    let full = disk.create("b", 1).unwrap_err();
    assert_eq!(full.kind(), io::ErrorKind::StorageFull);
}

/// The page cache goes on showing what a failed sync has lost.
#[test]
fn what_a_failed_sync_lost_no_later_one_saves() {
    let lost = (0..50).filter(|seed| {
        let disk = SimulatedDisk::new(*seed);
        let file = write(&disk, "a", b"old");
        file.sync_data().unwrap();
        disk.sync_folder().unwrap();
        file.write_at(b"new", 0).unwrap();
        disk.fail_call(disk.calls() + 1, DiskFault::Broken);
        assert!(file.sync_data().is_err());
        file.sync_data().unwrap();
        assert_eq!(disk.content("a").unwrap(), b"new");
        disk.power_cut(1).content("a").unwrap() == b"old"
    });
    assert!((1..50).contains(&lost.count()));
}

#[test]
fn the_disk_is_full_at_its_end() {
    let disk = SimulatedDisk::new(1);
    disk.set_free_space(1000);
    let file = disk.create("a", 600).unwrap();
    assert_eq!(disk.free_space().unwrap(), 400);
    assert_eq!(disk.create("b", 401).unwrap_err().kind(), io::ErrorKind::StorageFull);
    file.write_at(&[1; 600], 0).unwrap();
    assert_eq!(file.write_at(&[1], 1000).unwrap_err().kind(), io::ErrorKind::StorageFull);
    disk.quarantine("a", "kept", Keep::File).unwrap();
    disk.remove("a").unwrap();
    assert_eq!(disk.free_space().unwrap(), 400, "quarantine has it still");
    file.set_length(100).unwrap();
    assert_eq!(disk.free_space().unwrap(), 900);
}

#[test]
fn what_is_cut_off_comes_back_as_zeros() {
    let disk = SimulatedDisk::new(1);
    let file = write(&disk, "a", &[5; 1200]);
    file.set_length(700).unwrap();
    file.set_length(1200).unwrap();
    let content = disk.content("a").unwrap();
    assert_eq!(content[..700], [5; 700]);
    assert_eq!(content[700..], [0; 500]);
}
