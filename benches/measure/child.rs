//! Processes, and what they cost by the kernel's own account.
//!
//! CPU is user and system time of the process and of all it waited for, from the usage of our
//! children before and after: one child at a time, then, while something is measured.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

/// What takes longer hangs.
const LIMIT: Duration = Duration::from_secs(300);
/// How often a process is asked for its memory.
const GLANCE: Duration = Duration::from_millis(1);

/// Seconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cost {
    pub(crate) cpu: f64,
    pub(crate) wall: f64,
}

impl Cost {
    pub(crate) fn cpu(&self) -> f64 {
        self.cpu
    }

    pub(crate) fn wall(&self) -> f64 {
        self.wall
    }
}

/// Runs it to its end. Panics, with what it said, if it fails.
pub(crate) fn run(command: &mut Command) -> Cost {
    run_through(command, Ends::default())
}

/// The files at a process's standard input and output; nothing where none is named.
#[derive(Clone, Copy, Default)]
pub(crate) struct Ends<'a> {
    pub(crate) input: Option<&'a Path>,
    /// Written over where it lies, not cut: its pages are there.
    pub(crate) output: Option<&'a Path>,
}

/// As [`run`], with these for its standard input and output.
pub(crate) fn run_through(command: &mut Command, ends: Ends<'_>) -> Cost {
    let run = Run::start(command, ends);
    run.wait(LIMIT);
    run.finish().0
}

/// Runs it to its end; if it fails, the first line that it said: for what may not be there yet.
pub(crate) fn refusal(command: &mut Command, ends: Ends<'_>) -> Option<String> {
    let run = Run::start(command, ends);
    run.wait(LIMIT);
    let (status, _, said) = run.end();
    let first = said.lines().next().unwrap_or("it has not said why");
    (!status.success()).then(|| first.to_owned())
}

/// As [`run`], for what it says on standard error.
pub(crate) fn run_and_read(command: &mut Command) -> (Cost, String) {
    let run = Run::start(command, Ends::default());
    run.wait(LIMIT);
    run.finish()
}

/// Instructions, from callgrind's last line: `==1== Collected : 123`.
pub(crate) fn collected(said: &str) -> Option<f64> {
    let (_, rest) = said.rsplit_once("Collected :")?;
    rest.split_whitespace().next()?.parse().ok()
}

/// The most memory that it had, in bytes: `VmHWM`, up to a millisecond before its end. (The usage
/// that the kernel gives for a dead child counts what we ourselves had when it was forked.)
pub(crate) fn peak_memory(command: &mut Command) -> u64 {
    let run = Run::start(command, Ends::default());
    let status = format!("/proc/{}/status", run.child.id());
    let deadline = Instant::now() + LIMIT;
    let mut peak = 0;
    while !run.has_ended_within(GLANCE) {
        assert!(Instant::now() < deadline, "it has not ended in {LIMIT:?}");
        let status = std::fs::read_to_string(&status).unwrap_or_default();
        peak = high_water(&status).unwrap_or(0).max(peak);
    }
    run.finish();
    peak
}

fn high_water(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kilobytes << 10)
}

struct Run {
    name: String,
    child: Child,
    exit: OwnedFd,
    said: File,
    start: Instant,
    cpu_before: f64,
}

impl Run {
    fn start(command: &mut Command, ends: Ends<'_>) -> Self {
        let name = format!("{:?}", command.get_program());
        let opened = |path: &Path, options: &OpenOptions| {
            let opened = options.open(path);
            Stdio::from(opened.unwrap_or_else(|error| panic!("{}: {error}", path.display())))
        };
        let to_read = |path| opened(path, OpenOptions::new().read(true));
        let to_write = |path| opened(path, OpenOptions::new().write(true));
        let said = tempfile::tempfile().expect("a temporary file can be made");
        let cpu_before = children_cpu();
        let start = Instant::now();
        let child = command
            .stdin(ends.input.map_or_else(Stdio::null, to_read))
            .stdout(ends.output.map_or_else(Stdio::null, to_write))
            .stderr(said.try_clone().expect("a descriptor is left"))
            .spawn()
            .unwrap_or_else(|error| panic!("starting {name}: {error}"));
        let exit = pidfd_open(Pid::from_child(&child), PidfdFlags::empty())
            .expect("we have not waited for it yet");
        Self {
            name,
            child,
            exit,
            said,
            start,
            cpu_before,
        }
    }

    fn has_ended_within(&self, limit: Duration) -> bool {
        let limit = Timespec::try_from(limit).expect("time-outs are short");
        let mut wanted = [PollFd::new(&self.exit, PollFlags::IN)];
        poll(&mut wanted, Some(&limit)).is_ok_and(|ready| ready > 0)
    }

    fn wait(&self, limit: Duration) {
        let deadline = Instant::now() + limit;
        while !self.has_ended_within(deadline.saturating_duration_since(Instant::now())) {
            assert!(
                Instant::now() < deadline,
                "{} has not ended in {limit:?}",
                self.name
            );
        }
    }

    fn finish(self) -> (Cost, String) {
        let name = self.name.clone();
        let (status, cost, said) = self.end();
        assert!(status.success(), "{name}: {status}\n{said}");
        (cost, said)
    }

    fn end(mut self) -> (ExitStatus, Cost, String) {
        let wall = self.start.elapsed().as_secs_f64();
        let status = self.child.wait().expect("it is our child");
        let cpu = children_cpu() - self.cpu_before;
        let mut said = Vec::new();
        self.said
            .rewind()
            .and_then(|()| self.said.read_to_end(&mut said))
            .expect("the file is ours");
        let said = String::from_utf8_lossy(&said).into_owned();
        (status, Cost { cpu, wall }, said)
    }
}

/// Nothing is left behind by a bench that gives up.
impl Drop for Run {
    fn drop(&mut self) {
        if self.child.kill().is_ok() {
            drop(self.child.wait());
        }
    }
}

fn children_cpu() -> f64 {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).expect("there is no other way to call it");
    let seconds = |time: TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    seconds(usage.user_time()) + seconds(usage.system_time())
}
