//! Doors for the fuzz targets: bytes that a disk may have, whatever they are.

use std::sync::Arc;

use super::disk::simulated::SimulatedDisk;
use super::disk::{Disk, DiskFile};
use super::format::frame::{Flags, Frame, put_frame, seal_frames};
use super::format::header::{HEADER_BYTES, SegmentHeader};
use super::format::index::Index;
use super::format::record::Record;
use super::recovery::{FoundSegment, SegmentReader, Tail, recover, scan};

/// A record of this kind with this payload, as if its checksum were right: it is read or not, and what
/// is read of it says no more than its bytes do.
pub fn record(kind: u8, flags: u8, payload: &[u8]) {
    let mut bytes = Vec::new();
    put_frame(&mut bytes, kind, Flags::from_bits(flags), |out| out.extend_from_slice(payload));
    seal_frames(&mut bytes, 1);
    let frame = Frame::decode(&bytes).unwrap_or_else(|| unreachable!("ours is a frame"));
    let Some(record) = Record::decode(&frame) else { return };
    match record {
        Record::Message(record) => {
            assert!(record.queues.count() <= payload.len());
            assert!(record.replaces.count() <= payload.len());
            let _ = record.content.to_message();
        }
        Record::Delayed(record) => drop(record.content.to_message()),
        Record::Settle(runs) => assert!(runs.count() <= payload.len()),
        _ => {}
    }
}

/// A file of a store: header, segment or index, with right checksums around anything.
pub fn file(bytes: &[u8]) {
    let _ = SegmentHeader::decode(bytes);
    let _ = Index::decode(bytes);
    let mut summed = bytes.to_vec();
    summed.extend_from_slice(&crc32c::crc32c(bytes).to_le_bytes());
    if let Some(index) = Index::decode(&summed) {
        assert!(index.entries().count() <= bytes.len());
    }
}

/// A segment whose header is right, and the rest is anything: as the last one, and as one that was
/// sealed. What is read the second time is what was read the first time.
pub fn segment(bytes: &[u8]) {
    let header = SegmentHeader {
        number: 1,
        generation: 0x6767_6767,
        next_reference: 1,
        previous_end: 0,
        others: Vec::new(),
        is_reused: false,
    };
    let whole = [&header.encode()[..], bytes].concat();
    for tail in [Tail::Open, Tail::Sealed { end: None }] {
        let read = || {
            let file: Arc<dyn DiskFile> = Arc::new(Bytes(whole.clone()));
            let segment = FoundSegment {
                number: 1,
                generation: header.generation,
                header: Some(header.clone()),
                file_bytes: whole.len() as u64,
                tail,
            };
            SegmentReader::new(file).map(|mut reader| scan(&mut reader, &segment, tail)).ok()
        };
        let found = read();
        assert_eq!(found, read());
        assert!(found.is_some_and(|scan| scan.end as usize >= HEADER_BYTES.min(whole.len())));
    }
    let disk = SimulatedDisk::new(1);
    disk.put("00000001.log", &whole);
    let disk: &dyn Disk = &disk;
    let recovered = recover(disk);
    let restored = recovered.and_then(|mut recovered| recovered.restore(disk, |_| {}));
    assert!(restored.is_ok());
}

#[derive(Debug)]
struct Bytes(Vec<u8>);

impl DiskFile for Bytes {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> std::io::Result<usize> {
        let from = usize::try_from(offset).unwrap_or(usize::MAX);
        let bytes = self.0.get(from..).unwrap_or_default();
        let count = bytes.len().min(buffer.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..count), bytes.get(..count)) {
            to.copy_from_slice(from);
        }
        Ok(count)
    }

    fn write_at(&self, _bytes: &[u8], _offset: u64) -> std::io::Result<()> {
        Err(std::io::ErrorKind::Unsupported.into())
    }

    fn sync_data(&self) -> std::io::Result<()> {
        Ok(())
    }

    fn length(&self) -> std::io::Result<u64> {
        Ok(self.0.len() as u64)
    }

    fn allocate(&self, _bytes: u64) -> std::io::Result<()> {
        Err(std::io::ErrorKind::Unsupported.into())
    }

    fn set_length(&self, _bytes: u64) -> std::io::Result<()> {
        Err(std::io::ErrorKind::Unsupported.into())
    }
}

/// The fuzz targets are built by nobody else.
#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn anything_is_read_or_told_to_be_damaged(kind in 0_u8..10, flags: u8, bytes: Vec<u8>) {
            super::record(kind, flags, &bytes);
            super::file(&bytes);
            super::segment(&bytes);
        }
    }
}
