//! The most memory that the process has held at a time, where the system counts it: on Linux.

use std::fs;

/// Runs something and returns the largest resident size of the whole process meanwhile, in bytes. `None` where the
/// system doesn't count it, or can't reset the count.
pub(crate) fn with_peak<T>(run: impl FnOnce() -> T) -> (T, Option<u64>) {
    // See proc(5): this sets the peak to the present size.
    let reset = fs::write("/proc/self/clear_refs", "5");
    let result = run();
    let peak = reset.and_then(|()| fs::read_to_string("/proc/self/status"));
    (result, peak.ok().and_then(|status| size_of("VmHWM:", &status)))
}

/// The same, less what the process holds before: what something takes by itself.
#[cfg(feature = "import")]
pub(crate) fn with_growth<T>(run: impl FnOnce() -> T) -> (T, Option<u64>) {
    let before = fs::read_to_string("/proc/self/status").ok();
    let before = before.and_then(|status| size_of("VmRSS:", &status));
    let (result, peak) = with_peak(run);
    (
        result,
        peak.zip(before).map(|(peak, before)| peak.saturating_sub(before)),
    )
}

/// A size in a process's status.
fn size_of(key: &str, status: &str) -> Option<u64> {
    let size = status.lines().find_map(|line| line.strip_prefix(key))?;
    let kibibytes: u64 = size.trim().strip_suffix(" kB")?.parse().ok()?;
    kibibytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peak_is_a_line_of_the_status() {
        let status = "Name:\tczip\nVmPeak:\t    9000 kB\nVmHWM:\t    2080 kB\nVmRSS:\t    2000 kB\n";
        assert_eq!(size_of("VmHWM:", status), Some(2_129_920));
        assert_eq!(size_of("VmHWM:", "Name:\tczip\nVmPeak:\t    9000 kB\n"), None);
        assert_eq!(size_of("VmHWM:", "VmHWM:\t    2080 pages\n"), None);
        assert_eq!(size_of("VmHWM:", "VmHWM:\t    18446744073709551615 kB\n"), None);
    }

    #[test]
    fn peak_covers_what_is_held() {
        // Held until the peak is read: another test may reset the count at any time.
        let (held, peak) = with_peak(|| std::hint::black_box(vec![1u8; 64 << 20]));
        assert!(peak.is_none_or(|peak| peak >= held.len() as u64), "{peak:?}");
    }
}
