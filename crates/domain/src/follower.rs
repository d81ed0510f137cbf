//! A node's place in the log, and what to do with each word that the log has grown.
//!
//! ```text
//!                      ┌──────────── at cursor ────────────┐
//!   hint, to ≤ cursor  │ drop                              │
//!   hint, from ≤ cursor│ apply its rows after the cursor   │──▶ cursor = to
//!   hint, from > cursor│ a hole: read the store            │
//!   head > cursor      │ a hole: read the store            │
//!   page               │ apply its rows after the cursor   │──▶ cursor = through; more? read again
//!   trimmed > cursor   │ rows were deleted unread          │──▶ cursor = the head; every client reloads
//!   another epoch      │ the log was replaced              │──▶ cursor = its head; every client reloads
//!                      └───────────────────────────────────┘
//! ```
//!
//! Pure: it neither reads nor waits. A hint may be lost, repeated or out of order, and a page may be old; what comes
//! out is each row once and in order, or a [`Step::Replaced`].

use std::sync::Arc;

use crate::{Epoch, Head, Hint, Page, Position, Row};

/// One node's place in the log.
#[derive(Debug, Clone)]
pub struct Follower {
    epoch: Epoch,
    cursor: Position,
}

/// What the node does next.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Nothing: this was known already.
    Nothing,
    /// Hand these rows on, in this order; the cursor already stands behind them.
    Apply(Vec<Arc<Row>>),
    /// Read the store after this place and bring the page here.
    Read(Position),
    /// The log is another one (a backup was restored), or rows were deleted that were never handed on: every client
    /// must load its inbox anew.
    Replaced,
}

impl Follower {
    /// A follower of the log as it stands: rows up to the head are nobody's news.
    #[must_use]
    pub fn new(head: Head) -> Self {
        Self { epoch: head.epoch, cursor: head.position }
    }

    /// The log's life that the cursor belongs to.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The last row handed on.
    #[must_use]
    pub fn cursor(&self) -> Position {
        self.cursor
    }

    /// A node says that the log has grown. A hint of another epoch is no proof that ours ended (it may be late), so
    /// it only asks for a look at the store, which is.
    pub fn hint(&mut self, hint: Hint) -> Step {
        let has_gap = hint.from > self.cursor && !mutated!(NoGapCheck);
        if hint.epoch.is_other(self.epoch) || has_gap {
            return Step::Read(self.cursor);
        }
        self.advance(hint.rows, hint.to)
    }

    /// The store says how far the log has come.
    pub fn head(&mut self, head: Head) -> Step {
        if head.epoch.is_other(self.epoch) {
            *self = Self::new(head);
            return Step::Replaced;
        }
        if head.position > self.cursor { Step::Read(self.cursor) } else { Step::Nothing }
    }

    /// The store answers a read after the cursor; a page that began elsewhere must not come here. When the page was
    /// cut by its limit, [`Follower::head`] with the page's head asks for the next one.
    pub fn page(&mut self, page: Page) -> Step {
        // What lay between may have been deleted before it was read here.
        let is_cut = page.head.trimmed > self.cursor && !mutated!(SilentTrim);
        if page.head.epoch.is_other(self.epoch) || is_cut {
            *self = Self::new(page.head);
            return Step::Replaced;
        }
        self.advance(page.rows, page.through)
    }

    fn advance(&mut self, rows: Vec<Arc<Row>>, to: Position) -> Step {
        if to <= self.cursor {
            return Step::Nothing;
        }
        let cursor = std::mem::replace(&mut self.cursor, to);
        let news: Vec<_> = rows.into_iter().filter(|row| row.position > cursor).collect();
        if news.is_empty() { Step::Nothing } else { Step::Apply(news) }
    }
}

#[cfg(test)]
mod tests;
