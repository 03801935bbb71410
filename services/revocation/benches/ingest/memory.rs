//! Peak memory (VmHWM) of a process of its own, and measured children. Linux.

use std::{
    process::{Child, Command, Stdio},
    sync::mpsc,
    time::{Duration, Instant},
};

/// The peak of resident memory of a process, in octets; 0 where it is gone.
fn peak_of(pid: &str) -> u64 {
    field(pid, "VmHWM:")
}

/// This process's resident memory, in octets.
pub fn resident() -> u64 {
    field("self", "VmRSS:")
}

fn field(pid: &str, name: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kilobytes.unwrap_or(0) * 1024
}

/// Lets the peak begin anew at what is resident at present.
pub fn forget_peak() {
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
}

/// Peak of this process since.
pub fn peak() -> u64 {
    peak_of("self")
}

/// What a child said on its last line: microseconds and octets.
pub fn child(arguments: &[&str]) -> (u64, u64) {
    let program = std::env::current_exe().unwrap();
    let output = Command::new(program)
        .arg("child")
        .args(arguments)
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{arguments:?}: {text}");
    let mut numbers = text
        .lines()
        .last()
        .unwrap()
        .split(' ')
        .map(|one| one.parse().unwrap());
    (numbers.next().unwrap(), numbers.next().unwrap())
}

/// Another program's time in microseconds and its peak memory; `None` where it is not installed or fails.
pub fn program(name: &str, arguments: &[&str]) -> Option<(u64, u64)> {
    let began = Instant::now();
    let mut child = Command::new(name)
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let peak = watched(&mut child)?;
    Some((micros(began), peak))
}

fn watched(child: &mut Child) -> Option<u64> {
    let pid = child.id().to_string();
    let (_never, tick) = mpsc::channel::<()>();
    let mut peak = 0;
    loop {
        peak = peak.max(peak_of(&pid));
        if let Some(status) = child.try_wait().ok()? {
            return status.success().then_some(peak);
        }
        // Nobody sends: this is the pause between two looks.
        let _ = tick.recv_timeout(Duration::from_millis(2));
    }
}

pub fn micros(began: Instant) -> u64 {
    u64::try_from(began.elapsed().as_micros()).unwrap()
}
