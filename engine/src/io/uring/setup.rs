//! Making a ring: the newest features first, then step by step down; and the likely cause when
//! there is none to be had.

use std::fmt;
use std::fs;
use std::io;

use io_uring::{Builder, IoUring, Parameters, Probe, opcode};
use rustix::io::Errno;

use super::ring::Ring;

/// What this ring can do beyond Linux 5.7.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::io) struct Features {
    step: Step,
    /// A wait takes a time-out (EXT_ARG, 5.11).
    pub(super) timed_waits: bool,
    /// A send goes on by itself until all is sent (MSG_WAITALL, 5.19).
    pub(super) whole_sends: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// SINGLE_ISSUER and DEFER_TASKRUN (6.1): the kernel's own work runs when we wait, on our core.
    Deferred,
    /// COOP_TASKRUN (5.19): it does not interrupt us.
    Cooperative,
    Basic,
}

/// Why there is no ring.
#[derive(Debug, thiserror::Error)]
pub enum UringError {
    /// The kernel, or a filter before it, said no.
    #[error("cannot set up io_uring: {source}; {cause}")]
    Setup {
        /// What it answered.
        source: io::Error,
        /// Why, most likely.
        cause: String,
    },
    /// Operations or features that the code relies on.
    #[error("this kernel's io_uring lacks {0}; it needs Linux 5.7 or newer")]
    Missing(String),
    /// A ring was made, but an operation that does nothing failed on it.
    #[error("io_uring could be set up, but not used: {source}; {cause}")]
    Enter {
        /// What the kernel answered.
        source: io::Error,
        /// Why, most likely.
        cause: String,
    },
    /// The event that wakes a waiting ring.
    #[error("cannot make an event descriptor: {0}")]
    Waker(#[source] io::Error),
}

/// A ring of the highest step that this kernel has, tried out.
pub(super) fn set_up(basic: bool) -> Result<Ring, UringError> {
    let steps: &[Step] = if basic {
        &[Step::Basic]
    } else {
        &[Step::Deferred, Step::Cooperative, Step::Basic]
    };
    let mut refused = io::Error::from(Errno::INVAL);
    for &step in steps {
        match build(step) {
            Ok(ring) => return check(ring, step, basic),
            // A flag that this kernel does not know: one step down.
            Err(error) if error.raw_os_error() == Some(Errno::INVAL.raw_os_error()) => {
                refused = error;
            }
            Err(source) => {
                let cause = likely_cause(&source);
                return Err(UringError::Setup { source, cause });
            }
        }
    }
    let cause = likely_cause(&refused);
    Err(UringError::Setup {
        source: refused,
        cause,
    })
}

fn build(step: Step) -> io::Result<IoUring> {
    let mut builder: Builder = IoUring::builder();
    builder.dontfork().setup_clamp().setup_cqsize(COMPLETIONS);
    match step {
        Step::Deferred => {
            builder
                .setup_single_issuer()
                .setup_defer_taskrun()
                .setup_submit_all();
        }
        Step::Cooperative => {
            builder.setup_coop_taskrun().setup_submit_all();
        }
        Step::Basic => {}
    }
    builder.build(ENTRIES)
}

fn check(ring: IoUring, step: Step, basic: bool) -> Result<Ring, UringError> {
    let parameters = ring.params();
    let mut missing = missing_features(parameters);
    missing.extend(missing_operations(&ring)?);
    if !missing.is_empty() {
        return Err(UringError::Missing(missing.join(", ")));
    }
    let features = Features {
        step,
        timed_waits: !basic && parameters.is_feature_ext_arg(),
        whole_sends: !basic && step != Step::Basic,
    };
    let mut ring = Ring::new(ring, features);
    try_out(&mut ring).map_err(|source| {
        let cause = likely_cause(&source);
        UringError::Enter { source, cause }
    })?;
    Ok(ring)
}

/// A filter may let a ring be made and then refuse to enter it.
fn try_out(ring: &mut Ring) -> io::Result<()> {
    // SAFETY: an operation that does nothing points to nothing.
    unsafe { ring.push(opcode::Nop::new().build().user_data(0)) };
    ring.enter(true, None)?;
    match ring.next_completion() {
        Some((0, result)) if result >= 0 => Ok(()),
        Some((_, result)) => Err(Errno::from_raw_os_error(-result).into()),
        None => Err(io::Error::other(
            "an operation that does nothing did not complete",
        )),
    }
}

/// What the code relies on: completions are never dropped, and what an entry points to besides the
/// buffers is read while it is submitted.
fn missing_features(parameters: &Parameters) -> Vec<&'static str> {
    let needed = [
        ("NODROP", parameters.is_feature_nodrop()),
        ("SUBMIT_STABLE", parameters.is_feature_submit_stable()),
    ];
    needed
        .into_iter()
        .filter(|(_, there)| !there)
        .map(|(name, _)| name)
        .collect()
}

fn missing_operations(ring: &IoUring) -> Result<Vec<&'static str>, UringError> {
    let mut probe = Probe::new();
    ring.submitter()
        .register_probe(&mut probe)
        .map_err(|source| {
            let cause = likely_cause(&source);
            UringError::Setup { source, cause }
        })?;
    let needed = [
        ("READ", opcode::Read::CODE),
        ("WRITE", opcode::Write::CODE),
        ("FSYNC", opcode::Fsync::CODE),
        ("CONNECT", opcode::Connect::CODE),
        ("SEND", opcode::Send::CODE),
        ("SENDMSG", opcode::SendMsg::CODE),
        ("RECV", opcode::Recv::CODE),
        ("TIMEOUT", opcode::Timeout::CODE),
        ("ASYNC_CANCEL", opcode::AsyncCancel::CODE),
    ];
    let missing = needed
        .into_iter()
        .filter(|(_, code)| !probe.is_supported(*code));
    Ok(missing.map(|(name, _)| name).collect())
}

fn likely_cause(error: &io::Error) -> String {
    let errno = error.raw_os_error().map(Errno::from_raw_os_error);
    let text = match errno {
        Some(Errno::PERM | Errno::ACCESS) => match disabled().as_deref() {
            Some("2") => "kernel.io_uring_disabled is 2: it is switched off on this host",
            Some("1") => "kernel.io_uring_disabled is 1: only kernel.io_uring_group may use it",
            _ => "most likely a seccomp filter, as Docker's default profile is",
        },
        Some(Errno::NOSYS) => "the kernel was built without it, or a sandbox hides it",
        Some(Errno::NOMEM) => "most likely the limit on locked memory, see ulimit -l",
        Some(Errno::MFILE | Errno::NFILE) => "too many files are open, see ulimit -n",
        Some(Errno::INVAL) => "the kernel is older than 5.6",
        _ => "no cause is known",
    };
    text.to_owned()
}

fn disabled() -> Option<String> {
    let text = fs::read_to_string("/proc/sys/kernel/io_uring_disabled").ok()?;
    Some(text.trim().to_owned())
}

impl Features {
    /// Whether nothing newer than Linux 5.7 is used.
    pub(in crate::io) fn is_basic(self) -> bool {
        self.step == Step::Basic
    }
}

impl fmt::Display for Features {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.step {
            Step::Deferred => "SINGLE_ISSUER and DEFER_TASKRUN",
            Step::Cooperative => "COOP_TASKRUN, for the kernel has no DEFER_TASKRUN",
            Step::Basic => "basic features only",
        })
    }
}

/// Submissions between two turns; more wait in the backlog. A load has two to four a lane.
const ENTRIES: u32 = 64;

/// Completions kept by the kernel without falling back to its slow list.
const COMPLETIONS: u32 = 512;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_likely_cause_is_what_the_user_can_change() {
        let check = |errno: Errno, expected: &str| {
            let cause = likely_cause(&errno.into());
            assert!(cause.contains(expected), "{errno}: {cause}");
        };
        check(Errno::NOSYS, "sandbox");
        check(Errno::NOMEM, "ulimit -l");
        check(Errno::MFILE, "ulimit -n");
        check(Errno::INVAL, "older than");
        if disabled().as_deref() == Some("0") {
            check(Errno::PERM, "seccomp");
        }
    }
}
