//! A process that is held by a descriptor.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::wait::END_LIMIT;

/// A process. What it holds never comes to mean another one, as a process id does once its process
/// is gone.
#[derive(Debug)]
pub struct Process {
    descriptor: OwnedFd,
    id: u32,
}

impl Process {
    /// The process that has this id now; None if there is none.
    ///
    /// # Errors
    ///
    /// When the system can't tell.
    pub fn open(id: u32) -> io::Result<Option<Self>> {
        let Some(pid) = i32::try_from(id).ok().and_then(Pid::from_raw) else { return Ok(None) };
        match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(descriptor) => Ok(Some(Self { descriptor, id })),
            Err(Errno::SRCH) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Whether it has ended.
    ///
    /// # Errors
    ///
    /// When the system can't tell.
    pub fn has_ended(&self) -> io::Result<bool> {
        self.ends_within(Duration::ZERO)
    }

    /// Ends it at once, with a signal that it can't handle, and waits until it is gone.
    ///
    /// # Errors
    ///
    /// When it may not be signalled, or is not gone after 20 seconds.
    pub fn kill(&self) -> io::Result<()> {
        match pidfd_send_signal(&self.descriptor, Signal::KILL) {
            Ok(()) => {}
            Err(Errno::SRCH) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
        if self.ends_within(END_LIMIT)? {
            return Ok(());
        }
        let text = format!("process {} is not gone {END_LIMIT:?} after it was killed", self.id);
        Err(io::Error::new(io::ErrorKind::TimedOut, text))
    }

    fn ends_within(&self, limit: Duration) -> io::Result<bool> {
        let limit = Timespec::try_from(limit).map_err(io::Error::other)?;
        let mut watched = [PollFd::new(&self.descriptor, PollFlags::IN)];
        Ok(poll(&mut watched, Some(&limit))? > 0)
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn a_process_is_there_until_it_is_killed() {
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        let process = Process::open(child.id()).unwrap().unwrap();
        assert!(!process.has_ended().unwrap());
        process.kill().unwrap();
        assert!(process.has_ended().unwrap());
        child.wait().unwrap();
        process.kill().unwrap();
        assert!(Process::open(0).unwrap().is_none());
        assert!(Process::open(u32::MAX).unwrap().is_none());
    }
}
