//! What a process has used, as Linux tells it (proc(5)).

use std::fs;

use anyhow::{Context as _, Result};

/// CPU time since the process began, in microseconds, of all its threads in user and kernel mode. The kernel counts
/// in ticks of 10 ms.
pub(crate) fn cpu_micros(pid: u32) -> Result<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let ticks = parse_ticks(&stat).with_context(|| format!("/proc/{pid}/stat: {stat}"))?;
    Ok(ticks * 1_000_000 / rustix::param::clock_ticks_per_second())
}

/// Resident memory, in bytes.
pub(crate) fn rss_bytes(pid: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    parse_rss(&status).with_context(|| format!("/proc/{pid}/status has no VmRSS"))
}

/// utime and stime are the 14th and 15th fields; the 2nd is a name in parentheses that may hold anything.
fn parse_ticks(stat: &str) -> Option<u64> {
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(11);
    let mut next = || fields.next()?.parse::<u64>().ok();
    Some(next()? + next()?)
}

fn parse_rss(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_are_found_behind_an_awkward_name() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194560 900 0 3 0 120 34 0 0 20 0 4 0 100 1 2";
        assert_eq!(parse_ticks(stat), Some(154));
        assert_eq!(parse_rss("VmPeak:\t  10 kB\nVmRSS:\t    2048 kB\n"), Some(2048 * 1024));
    }

    #[test]
    fn this_process_has_used_something() {
        assert!(rss_bytes(std::process::id()).unwrap() > 100_000);
        assert!(cpu_micros(std::process::id()).is_ok());
    }
}
