//! What the machine allows: watched files, open files, the clock.

use crate::cli::checkup::Finding;

/// Fewer watches than this may be used up by others.
const WATCHES: u64 = 1024;
/// Fewer open files than this are used up by a few hundred connections.
const FILES: u64 = 1024;

/// What holds for every process.
pub(super) fn look() -> Vec<Finding> {
    let mut findings = Vec::new();
    let read = |path: &str| std::fs::read_to_string(path).ok().and_then(|text| text.trim().parse::<u64>().ok());
    if let Some(watches) = read("/proc/sys/fs/inotify/max_user_watches").filter(|watches| *watches < WATCHES) {
        findings.push(Finding::warning(
            "machine",
            format!("only {watches} files may be watched (fs.inotify.max_user_watches)"),
            "edits are found all the same, by comparing the files every 15 s; raise it to find them at once",
        ));
    }
    // Where systemd keeps the time, it says whether it knows it.
    if std::path::Path::new("/run/systemd/timesync").is_dir()
        && !std::path::Path::new("/run/systemd/timesync/synchronized").exists()
    {
        findings.push(Finding::warning("machine", "the clock follows no time server yet", "timedatectl set-ntp true"));
    }
    findings
}

/// How many files the daemon may open.
pub(super) fn open_files(pid: u32) -> Option<Finding> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/limits")).ok()?;
    let allowed = allowed(&text)?;
    (allowed < FILES).then(|| {
        Finding::warning(
            "daemon",
            format!("it may open only {allowed} files"),
            "put LimitNOFILE=4096 into a drop-in of its unit: `systemctl edit reconciled`",
        )
    })
}

fn allowed(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_read_as_the_kernel_writes_it() {
        let text = "Limit                     Soft Limit           Hard Limit           Units     \n\
                    Max open files            1024                 524288               files     \n";
        assert_eq!(allowed(text), Some(1024));
        assert_eq!(allowed("Max open files            unlimited            unlimited            files"), None);
    }
}
