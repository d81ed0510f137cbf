//! What a client that comes back is owed: its session, what it missed, or word that it must reload.
//!
//! ```text
//!   pid of this user, same rooms ──────────────▶ resume: the same session, from its offset
//!   pid of this user, other rooms ─────────────▶ go on: a new session, told to reload, from its offset
//!   no pid, `since` ───────────────────────────▶ replay: a new session, from there
//!   another user's, forged, too old, other epoch▶ anew: the client reloads
//!   and then: deleted meanwhile, beyond the head, more than the limit ─▶ anew
//! ```
//!
//! Pure. The token decides who someone is and what they may hear; the pid says only what they had. So a stolen one
//! gives nothing, and a session survives any node, since no node keeps it.

use std::time::Duration;

use crate::ports::Missed;
use crate::{Entitled, Epoch, Offset, Position, Principal, Timestamp};

/// What a session was, as its client carries it: sealed by [`ports::Pids`](crate::ports::Pids), so that it comes back
/// as it was given out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pid {
    /// The Socket.IO session id.
    pub socket_id: String,
    /// Whose it was, and what they were entitled to: it spares the store a visit.
    pub who: Entitled,
    /// Where the session began, for a client that has heard no offset since.
    pub start: Offset,
    /// The offset that its client held when it began. One that still holds it has heard nothing of this session, and
    /// so not whether it should reload.
    pub held: Option<Offset>,
    /// When it was given out.
    pub issued_at: Timestamp,
}

/// What a client brings to CONNECT, beside its token. `Some(None)` is something that cannot be read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Returning {
    /// The pid of its last session.
    pub pid: Option<Option<Pid>>,
    /// The last offset it heard in that session or, until a new one tells it another, the one before.
    pub offset: Option<Option<Offset>>,
    /// The last offset that a page noted before it was loaded again.
    pub since: Option<Option<Offset>>,
}

/// What to do for a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Plan {
    /// A new session that begins now; if the client asked for more, why it cannot be had.
    Anew(Option<Loss>),
    /// The same session, from this place.
    Resume {
        /// The session.
        pid: Pid,
        /// The last place it heard of.
        from: Offset,
        /// Whether the client has everything up to `from`: not if it was to be told to reload and never was.
        is_whole: bool,
    },
    /// A new session; what came after this place comes before its client is told that it has everything.
    Replay(Offset),
    /// A new session whose client is first told to reload; then comes what came after this place.
    GoOn(Offset, Loss),
}

/// Why a client is not given all that it missed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Loss {
    /// The pid, or the place it came with, is none of ours.
    Forged,
    /// The pid is another user's.
    Stranger,
    /// The user's rooms are others now: what was heard in one of the old ones may have to go.
    Rooms,
    /// The pid was given out too long ago.
    Age,
    /// The offset belongs to another life of the log.
    Epoch,
    /// The offset lies beyond the log.
    Ahead,
    /// Some of what was missed may have been deleted.
    Trimmed,
    /// More was missed than is replayed.
    Limit,
    /// The user was erased since.
    Erased,
}

impl Loss {
    /// A word for figures and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Forged => "forged",
            Self::Stranger => "stranger",
            Self::Rooms => "rooms",
            Self::Age => "age",
            Self::Epoch => "epoch",
            Self::Ahead => "ahead",
            Self::Trimmed => "trimmed",
            Self::Limit => "limit",
            Self::Erased => "erased",
        }
    }
}

impl Returning {
    /// What to do for this client, as far as can be told without the log. `max_age` is how long a pid counts.
    #[must_use]
    pub fn plan(self, principal: &Principal, epoch: Epoch, now: Timestamp, max_age: Duration) -> Plan {
        let (pid, offset) = match (self.pid, self.offset, self.since) {
            (None, _, None) => return Plan::Anew(None),
            (None, _, Some(Some(from))) if !from.epoch.is_other(epoch) => return Plan::Replay(from),
            (None, _, Some(Some(_))) => return Plan::Anew(Some(Loss::Epoch)),
            (None, _, Some(None)) | (Some(None), ..) | (Some(_), Some(None), _) => {
                return Plan::Anew(Some(Loss::Forged));
            }
            (Some(Some(pid)), offset, _) => (pid, offset.flatten()),
        };
        let from = offset.unwrap_or(pid.start);
        if pid.who.user_id != *principal.user_id() {
            Plan::Anew(Some(Loss::Stranger))
        } else if pid.issued_at.saturating_add(max_age) < now {
            Plan::Anew(Some(Loss::Age))
        } else if pid.start.epoch.is_other(epoch) || from.epoch.is_other(epoch) {
            Plan::Anew(Some(Loss::Epoch))
        } else if pid.who.rooms.iter().map(|e| &e.room).ne(principal.rooms()) {
            Plan::GoOn(from, Loss::Rooms)
        } else {
            let is_whole = offset.is_some() && offset != pid.held;
            Plan::Resume { pid, from, is_whole }
        }
    }
}

impl Missed {
    /// Whether everything after `from` can be replayed, and is no more than `limit`; `self` must have been counted
    /// from there with a bound above the limit.
    ///
    /// # Errors
    /// Why not.
    pub fn check(&self, epoch: Epoch, from: Position, limit: u32) -> Result<(), Loss> {
        if self.head.epoch.is_other(epoch) {
            Err(Loss::Epoch)
        } else if from > self.head.position {
            Err(Loss::Ahead)
        } else if from < self.head.trimmed && !mutated!(SilentTrim) {
            Err(Loss::Trimmed)
        } else if self.rows > limit {
            Err(Loss::Limit)
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{instant, principal};
    use crate::{Entitlement, Head, Role};

    const NOW: Epoch = Epoch::new(7);
    const DAY: Duration = Duration::from_secs(86_400);

    fn offset(epoch: Epoch, n: u64) -> Offset {
        Offset { epoch, position: Position::new(n).unwrap() }
    }

    fn pid(user: &str, role: Role) -> Pid {
        let principal = principal(user, role);
        let rooms = principal.rooms().iter().cloned();
        let rooms = rooms.map(|room| Entitlement { room, since: Position::START }).collect();
        Pid {
            socket_id: "s".into(),
            who: Entitled { user_id: principal.user_id().clone(), rooms },
            start: offset(NOW, 3),
            held: Some(offset(NOW, 2)),
            issued_at: instant(0),
        }
    }

    fn plan(pid: Option<Option<Pid>>, heard: Option<Offset>, since: Option<Offset>, at: i64) -> Plan {
        let returning = Returning { pid, offset: heard.map(Some), since: since.map(Some) };
        returning.plan(&principal("1", Role::Patient), NOW, instant(at), DAY)
    }

    #[test]
    fn a_first_visit_begins_anew_and_a_reloaded_page_where_it_was() {
        assert_eq!(plan(None, None, None, 0), Plan::Anew(None));
        let from = offset(NOW, 5);
        assert_eq!(plan(None, None, Some(from), 0), Plan::Replay(from));
        assert_eq!(plan(None, None, Some(offset(Epoch::new(8), 5)), 0), Plan::Anew(Some(Loss::Epoch)));
        // An offset counts with its session's pid alone.
        assert_eq!(plan(None, Some(from), None, 0), Plan::Anew(None));
    }

    #[test]
    fn a_session_resumes_where_it_last_heard_or_where_it_began() {
        let pid = pid("1", Role::Patient);
        let (heard, since) = (offset(NOW, 5), offset(NOW, 1));
        let resume = |from, is_whole| Plan::Resume { pid: pid.clone(), from, is_whole };
        assert_eq!(plan(Some(Some(pid.clone())), Some(heard), Some(since), 0), resume(heard, true));
        assert_eq!(plan(Some(Some(pid.clone())), None, Some(since), 0), resume(pid.start, false));
        // A new pid with the offset of the session before: what lies between was never heard, nor the word to reload.
        let before = offset(NOW, 2);
        assert_eq!(plan(Some(Some(pid.clone())), Some(before), None, 0), resume(before, false));
    }

    #[test]
    fn nobody_resumes_what_is_not_theirs_or_no_more() {
        let heard = Some(offset(NOW, 5));
        let anew = |pid, heard, at| match plan(Some(pid), heard, heard, at) {
            Plan::Anew(loss) => loss,
            other => panic!("{other:?}"),
        };
        let ours = || Some(pid("1", Role::Patient));
        assert_eq!(anew(None, heard, 0), Some(Loss::Forged));
        assert_eq!(anew(Some(pid("2", Role::Patient)), heard, 0), Some(Loss::Stranger));
        assert_eq!(anew(ours(), heard, 86_401), Some(Loss::Age));
        assert_eq!(anew(ours(), Some(offset(Epoch::new(8), 5)), 0), Some(Loss::Epoch));
        let mut older = ours().unwrap();
        older.start.epoch = Epoch::new(8);
        assert_eq!(anew(Some(older), heard, 0), Some(Loss::Epoch));
        let unreadable = Returning { pid: Some(ours()), offset: Some(None), since: None };
        let planned = unreadable.plan(&principal("1", Role::Patient), NOW, instant(0), DAY);
        assert_eq!(planned, Plan::Anew(Some(Loss::Forged)));
        // With another role the session is new, and its client reloads beside hearing what it missed.
        let expected = Plan::GoOn(offset(NOW, 5), Loss::Rooms);
        assert_eq!(plan(Some(Some(pid("1", Role::Doctor))), heard, None, 0), expected);
    }

    #[test]
    fn what_was_missed_is_all_there_or_not_given() {
        let at = |n| Position::new(n).unwrap();
        let missed = |rows| Missed { head: Head { epoch: NOW, position: at(9), trimmed: at(4) }, rows };
        assert_eq!(missed(5).check(NOW, at(4), 5), Ok(()));
        assert_eq!(missed(0).check(NOW, at(9), 5), Ok(()));
        assert_eq!(missed(6).check(NOW, at(4), 5), Err(Loss::Limit));
        assert_eq!(missed(0).check(NOW, at(10), 5), Err(Loss::Ahead));
        assert_eq!(missed(1).check(NOW, at(3), 5), Err(Loss::Trimmed));
        assert_eq!(missed(1).check(Epoch::new(8), at(4), 5), Err(Loss::Epoch));
    }
}
