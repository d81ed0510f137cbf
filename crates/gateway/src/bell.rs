//! How one task is told by others that there is something for it to see to.

use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use futures_util::task::AtomicWaker;

/// Rung by anyone, heard by one task: all that was rung since it last heard is heard at once.
#[derive(Debug, Default)]
pub(crate) struct Bell {
    is_rung: AtomicBool,
    listener: AtomicWaker,
}

impl Bell {
    /// Makes the next [`Bell::poll_heard`] succeed.
    pub(crate) fn ring(&self) {
        self.is_rung.store(true, Ordering::Release);
        self.listener.wake();
    }

    /// Whether it was rung since it was last heard; if not, the task is woken when it is.
    pub(crate) fn poll_heard(&self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.is_rung.swap(false, Ordering::Acquire) {
            self.listener.register(cx.waker());
            // Rung just before the listener was known.
            if !self.is_rung.swap(false, Ordering::Acquire) {
                return Poll::Pending;
            }
        }
        Poll::Ready(())
    }
}
