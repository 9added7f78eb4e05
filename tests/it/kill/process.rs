//! A running `ringmain`, and its end.

use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// `ringmain` without the person's own settings.
pub(crate) fn ringmain<S: AsRef<OsStr>>(arguments: &[S]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringmain"));
    command.args(arguments);
    for name in [
        "RINGMAIN_IO",
        "RINGMAIN_LOG",
        "XDG_DATA_HOME",
        "XDG_STATE_HOME",
    ] {
        command.env_remove(name);
    }
    command
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Killed,
    /// By another signal.
    Signal(i32),
    Code(i32),
}

/// A process of ours. Dropped: killed.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    exit: OwnedFd,
    log: PathBuf,
}

impl Process {
    /// What it says goes behind what `log` has.
    pub(crate) fn spawn(command: Command, log: &Path) -> Self {
        Self::spawn_to(command, log, Stdio::null())
    }

    /// The same, and what it writes goes into a file.
    pub(crate) fn spawn_into(command: Command, log: &Path, stdout: &Path) -> Self {
        let file = File::create(stdout).expect("the file can be written");
        Self::spawn_to(command, log, file.into())
    }

    fn spawn_to(mut command: Command, log: &Path, stdout: Stdio) -> Self {
        let file = File::options().create(true).append(true).open(log);
        let child = command
            .stdin(Stdio::null())
            .stdout(stdout)
            .stderr(file.expect("the log can be written"))
            .spawn()
            .expect("ringmain starts");
        let pid = Pid::from_child(&child);
        let exit = pidfd_open(pid, PidfdFlags::empty()).expect("it is not reaped before we do it");
        Self {
            child,
            exit,
            log: log.to_owned(),
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        match pidfd_send_signal(&self.exit, signal) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => {}
            Err(errno) => panic!("sending {signal:?}: {errno}"),
        }
    }

    /// Waits, and says whether it has ended.
    pub(crate) fn has_exited_within(&self, limit: Duration) -> bool {
        let mut wanted = [PollFd::new(&self.exit, PollFlags::IN)];
        let limit = Timespec::try_from(limit).expect("time-outs are short");
        loop {
            match poll(&mut wanted, Some(&limit)) {
                Ok(ready) => return ready > 0,
                Err(rustix::io::Errno::INTR) => {}
                Err(errno) => panic!("waiting for an end: {errno}"),
            }
        }
    }

    /// SIGKILL, unless it has ended by itself already.
    pub(crate) fn kill9(self) -> End {
        self.signal(Signal::KILL);
        self.end_within(Duration::from_secs(30))
    }

    /// Its end; one that does not come has failed the test.
    #[track_caller]
    pub(crate) fn end_within(mut self, limit: Duration) -> End {
        let ended = self.has_exited_within(limit);
        assert!(
            ended,
            "ringmain does not end within {limit:?}\n{}",
            self.log()
        );
        let status: ExitStatus = self.child.wait().expect("it is our child");
        match (status.code(), status.signal()) {
            (Some(code), _) => End::Code(code),
            (None, Some(9)) => End::Killed,
            (None, Some(signal)) => End::Signal(signal),
            (None, None) => unreachable!("an end has a code or a signal"),
        }
    }

    /// All that it and those before it said.
    pub(crate) fn log(&self) -> String {
        read_log(&self.log)
    }
}

pub(crate) fn read_log(path: &Path) -> String {
    String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned()
}

impl Drop for Process {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
        // Killed, and so soon over; reaped if it was not before.
        if let Err(error) = self.child.wait() {
            assert!(std::thread::panicking(), "waiting for ringmain: {error}");
        }
    }
}
