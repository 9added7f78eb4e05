//! A process that cannot outlive this one, however this one ends.
//!
//! A destructor is not enough: test binaries are interrupted, killed and time out, and a static is
//! never dropped. So each broker is the child of a small shell that waits on a pipe whose other end
//! only we hold. When we are gone, in whatever way, the shell reads the end of that pipe, kills the
//! broker and removes its data. The shell does not reap the broker before that, so the process id
//! cannot have become somebody else's meanwhile.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// Arguments: the log, the directory to remove in the end, then the command. A line on standard
/// input ends the process and keeps the directory; the end of standard input removes it too.
const GUARD: &str = r#"
log=$1 root=$2; shift 2
trap : INT TERM HUP
"$@" </dev/null >>"$log" 2>&1 &
child=$!
echo "$child"
read -r word
kill -9 "$child"
wait "$child"
[ -n "$word" ] || rm -rf -- "$root"
"#;

#[derive(Debug)]
pub(crate) struct Guarded {
    guard: Child,
    /// Taken when the guard is told to end.
    pipe: Option<ChildStdin>,
    exit: OwnedFd,
}

impl Guarded {
    /// Starts `command`; its output goes behind what `log` has, and `root` is removed when we die.
    pub(crate) fn spawn<S: AsRef<OsStr>>(command: &[S], log: &Path, root: &Path) -> Self {
        let mut guard = Command::new("/bin/sh")
            .args(["-c", GUARD, "guard"])
            .args([log, root])
            .args(command)
            .process_group(0) // Ctrl-C ends us, and the pipe the rest
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("/bin/sh starts");
        let pipe = guard.stdin.take();
        let mut answer = String::new();
        BufReader::new(guard.stdout.take().expect("stdout is piped"))
            .read_line(&mut answer)
            .expect("the guard says the process id");
        let pid = answer.trim().parse().ok().and_then(Pid::from_raw);
        let pid = pid.unwrap_or_else(|| panic!("the guard said {answer:?} for a process id"));
        let exit = pidfd_open(pid, PidfdFlags::empty()).expect("the guard has not reaped it");
        Self { guard, pipe, exit }
    }

    /// Sends a signal; nothing happens if the process is gone.
    pub(crate) fn signal(&self, signal: Signal) {
        match pidfd_send_signal(&self.exit, signal) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => {}
            Err(errno) => panic!("sending {signal:?} to a broker: {errno}"),
        }
    }

    /// Waits for the process to end. True if it has.
    pub(crate) fn has_exited_within(&self, limit: Duration) -> bool {
        let mut wanted = [PollFd::new(&self.exit, PollFlags::IN)];
        let limit = Timespec::try_from(limit).expect("time-outs are short");
        match poll(&mut wanted, Some(&limit)) {
            Ok(ready) => ready > 0,
            Err(rustix::io::Errno::INTR) => false,
            Err(errno) => panic!("waiting for a broker's end: {errno}"),
        }
    }

    /// Ends the process, if it has not ended, by SIGKILL, and keeps its directory.
    pub(crate) fn end_keeping_data(mut self) {
        if let Some(pipe) = &mut self.pipe {
            pipe.write_all(b"keep\n")
                .expect("the guard listens until it is told to end");
        }
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        drop(self.pipe.take());
        // The guard kills with SIGKILL, which is not ignored: this wait is short.
        self.guard.wait().expect("the guard is our child");
    }
}

/// The end of a log, for a failure's message.
pub(crate) fn tail(log: &Path) -> String {
    match fs::read(log) {
        Ok(bytes) => format!(
            "--- end of {} ---\n{}",
            log.display(),
            last_lines(&bytes).join("\n")
        ),
        Err(error) => format!("({} cannot be read: {error})", log.display()),
    }
}

/// As many lines as a person reads.
pub(crate) fn last_lines(log: &[u8]) -> Vec<String> {
    const LINES: usize = 40;
    let text = String::from_utf8_lossy(log);
    let lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let skipped = lines.len().saturating_sub(LINES);
    lines[skipped..].to_vec()
}
