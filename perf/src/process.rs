//! What the kernel tells of a process (`man 5 proc`).

use std::path::PathBuf;
use std::{fs, io};

/// Why a process can't be read.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// The file is not there: the process has ended, or this is no Linux.
    #[error("{path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file does not say what it is read for.
    #[error("{path} does not have the field {field}")]
    Field {
        /// The file.
        path: PathBuf,
        /// What it lacks.
        field: &'static str,
    },
}

/// The CPU time that all threads of the process have used, in seconds; the kernel counts in
/// hundredths.
///
/// # Errors
///
/// [`ProcessError`] when the process can't be read.
pub fn cpu_seconds(pid: u32) -> Result<f64, ProcessError> {
    let (path, text) = read(pid, "stat")?;
    let ticks = cpu_ticks(&text).ok_or(ProcessError::Field { path, field: "utime" })?;
    #[expect(clippy::cast_precision_loss, reason = "ticks of a process are far below 2^52")]
    Ok(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
}

/// The memory that the process has in RAM, in units of 1,024 bytes.
///
/// # Errors
///
/// [`ProcessError`] when the process can't be read.
pub fn resident_kilobytes(pid: u32) -> Result<u64, ProcessError> {
    let (path, text) = read(pid, "status")?;
    kilobytes(&text, "VmRSS:").ok_or(ProcessError::Field { path, field: "VmRSS" })
}

/// Whether there is such a process.
pub fn is_running(pid: u32) -> bool {
    read(pid, "stat").is_ok()
}

fn read(pid: u32, file: &str) -> Result<(PathBuf, String), ProcessError> {
    let path = PathBuf::from(format!("/proc/{pid}/{file}"));
    match fs::read_to_string(&path) {
        Ok(text) => Ok((path, text)),
        Err(source) => Err(ProcessError::Read { path, source }),
    }
}

/// Fields 14 and 15, `utime` and `stime`. The second field is the program's name in parentheses,
/// and may hold anything.
fn cpu_ticks(stat: &str) -> Option<u64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    user.checked_add(system)
}

fn kilobytes(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_is_user_and_system() {
        let stat = "12 (a ) name) S 1 12 12 0 -1 4194304 81 82 83 84 700 42 1 2 20 0 1 0 5 6 7";
        assert_eq!(cpu_ticks(stat), Some(742));
        assert_eq!(cpu_ticks("12 (cut) S 1 12"), None);
    }

    #[test]
    fn memory_is_found_by_its_name() {
        let status = "Name:\tbroker\nVmHWM:\t   9000 kB\nVmRSS:\t   8192 kB\n";
        assert_eq!(kilobytes(status, "VmRSS:"), Some(8192));
        assert_eq!(kilobytes(status, "VmSwap:"), None);
    }

    #[test]
    fn this_process_can_be_read() {
        let pid = std::process::id();
        assert!(cpu_seconds(pid).unwrap() >= 0.0);
        assert!(resident_kilobytes(pid).unwrap() > 0);
        assert!(is_running(pid));
    }
}
