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
        if let Some(first) = self.first.take() {
            return Some(first);
        }
        let next = self.rest.pop_front();
        if self.rest.is_empty() && self.rest.capacity() > 0 {
            // An idle connection keeps no room for what it does not say.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_keeps_its_order_and_leaves_no_room_behind() {
        let said = |code| Output::CloseSocket(Some(code));
        let mut outputs = Outputs::default();
        outputs.extend([1, 2].map(said));
        assert_eq!(outputs.pop(), Some(said(1)));
        outputs.push(said(3));
        assert_eq!([outputs.pop(), outputs.pop()], [2, 3].map(|code| Some(said(code))));
        assert_eq!((outputs.pop(), outputs.is_empty(), outputs.rest.capacity()), (None, true, 0));
        outputs.push(said(4));
        assert_eq!(outputs.pop(), Some(said(4)));
    }
}
