//! What a session has to say, in its order.

use std::collections::VecDeque;

use super::{Message, Output};

/// A queue that nearly always holds one thing: that one is in place, and room for more is made when there is more.
#[derive(Debug, Default)]
pub(super) struct Outputs {
    /// Ahead of `rest`.
    first: Option<Output<Message>>,
    rest: VecDeque<Output<Message>>,
}

impl Outputs {
    pub(super) fn is_empty(&self) -> bool {
        self.first.is_none() && self.rest.is_empty()
    }

    pub(super) fn push(&mut self, output: Output<Message>) {
        if self.is_empty() {
            self.first = Some(output);
        } else {
            self.rest.push_back(output);
        }
    }

    pub(super) fn pop(&mut self) -> Option<Output<Message>> {
        let next = self.first.take().or_else(|| self.rest.pop_front());
        if self.rest.is_empty() {
            self.rest = VecDeque::new();
        }
        next
    }
}

impl Extend<Output<Message>> for Outputs {
    fn extend<I: IntoIterator<Item = Output<Message>>>(&mut self, outputs: I) {
        outputs.into_iter().for_each(|output| self.push(output));
    }
}
