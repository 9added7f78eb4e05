//! What has completed and was not reaped yet.

use crate::io::socket::closed_error;
use crate::io::{Completion, SocketId};

/// Completions in order, and which of them a closing socket would turn into errors.
#[derive(Debug, Default)]
pub(super) struct Done {
    completions: Vec<Completion>,
    of_sockets: Vec<(SocketId, usize)>,
}

impl Done {
    pub(super) fn is_empty(&self) -> bool {
        self.completions.is_empty()
    }

    pub(super) fn push(&mut self, completion: Completion) {
        self.completions.push(completion);
    }

    pub(super) fn push_of(&mut self, socket: SocketId, completion: Option<Completion>) {
        if let Some(completion) = completion {
            self.of_sockets.push((socket, self.completions.len()));
            self.completions.push(completion);
        }
    }

    /// Whatever was not reaped of this socket completes with an error.
    pub(super) fn close(&mut self, socket: SocketId) {
        for (owner, index) in &self.of_sockets {
            if *owner == socket {
                self.completions[*index].result = Err(closed_error());
            }
        }
    }

    pub(super) fn move_to(&mut self, completions: &mut Vec<Completion>) {
        self.of_sockets.clear();
        completions.append(&mut self.completions);
    }
}
