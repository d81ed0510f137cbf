//! What users have muted: types of notifications that they find in their inbox as read, and hear no word of.
//!
//! Each change is a [`Memo`] in the log, so muting is a matter of places and not of time: a row is muted for a user if it
//! lies in one of their *spans*, from the place at which they muted its type to the one at which they no longer did. That
//! never changes afterwards, and every node and store says the same of every row.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::memo::ERASED;
use crate::{Entitled, Epoch, Kind, Memo, Notification, Position, Priority, Row, UserId};

/// A stretch of the log in which a user mutes a type: rows after `since`, up to `until`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// What is muted.
    pub kind: Kind,
    /// The memo that began it.
    pub since: Position,
    /// The memo that ended it; [`Position::END`] while nothing has.
    pub until: Position,
}

impl Span {
    fn order(&self) -> (Position, &str) {
        (self.since, self.kind.as_str())
    }
}

/// What one user mutes, and has muted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Muting {
    spans: Vec<Span>,
}

impl Muting {
    /// The most spans that are kept of one user. A change that would need more has to wait until the oldest lie
    /// before all that the log still holds.
    pub const MOST_SPANS: usize = 500;

    /// What a store has kept, in any order.
    #[must_use]
    pub fn new(mut spans: Vec<Span>) -> Self {
        spans.sort_by(|a, b| a.order().cmp(&b.order()));
        Self { spans }
    }

    /// All spans.
    #[must_use]
    pub fn spans(&self) -> &[Span] {
        &self.spans
    }

    /// What is muted now, in alphabetical order.
    #[must_use]
    pub fn kinds(&self) -> Vec<Kind> {
        let open = self.spans.iter().filter(|span| span.until == Position::END);
        let mut kinds: Vec<Kind> = open.map(|span| span.kind.clone()).collect();
        kinds.sort_by(|a, b| a.as_str().cmp(b.as_str()));
        kinds
    }

    /// Whether a row is muted. What is high or urgent never is, whatever its type.
    #[must_use]
    pub fn covers(&self, position: Position, notification: &Notification) -> bool {
        let lies_in =
            |span: &Span| span.kind == notification.kind && span.since < position && position <= span.until;
        is_mutable(notification.priority) && self.spans.iter().any(lies_in)
    }

    /// Takes the next change: from this place on, these are muted and no others.
    pub fn change(&mut self, at: Position, kinds: &[Kind]) {
        let open = self.spans.iter_mut().filter(|span| span.until == Position::END);
        for span in open.filter(|span| !kinds.contains(&span.kind)) {
            span.until = at;
        }
        let muted = self.kinds();
        let fresh = kinds.iter().filter(|kind| !muted.contains(kind));
        self.spans.extend(fresh.map(|kind| Span { kind: kind.clone(), since: at, until: Position::END }));
        self.spans.sort_by(|a, b| a.order().cmp(&b.order()));
    }

    /// Nothing is left of this user up to here: it is a span too, of a type that no notification has.
    pub fn erase(&mut self, at: Position) {
        let kind = ERASED.parse();
        self.spans = kind.map(|kind| Span { kind, since: Position::START, until: at }).into_iter().collect();
    }

    /// Up to where all that was this user's has been erased.
    #[must_use]
    pub fn erased(&self) -> Option<Position> {
        self.spans.iter().find(|span| span.kind.as_str() == ERASED).map(|span| span.until)
    }

    /// Forgets the spans that end before the oldest row there is.
    pub fn forget(&mut self, oldest: Position) {
        self.spans.retain(|span| span.until >= oldest);
    }
}

/// Whether a notification of this priority may be muted.
#[must_use]
pub fn is_mutable(priority: Priority) -> bool {
    priority < Priority::High
}

/// What the log keeps of all users' muting, read in one step.
#[derive(Debug, Clone)]
pub struct Mutings {
    /// The log's life.
    pub epoch: Epoch,
    /// Every memo at or below this place has had its say.
    pub as_of: Position,
    /// Of each user who has muted anything, in no order.
    pub users: HashMap<UserId, Muting>,
}

/// The mutings of one node, in memory, since they are asked for each row and recipient. Whole, as the block list is: some
/// hundred bytes for each user who mutes. They follow the log, so they are exact for every row up to the node's place.
#[derive(Debug, Default)]
pub struct MuteList(RwLock<Inner>);

#[derive(Debug, Default)]
struct Inner {
    read: Option<(Epoch, Position)>,
    users: HashMap<UserId, Arc<Muting>>,
    /// Types that anyone mutes or has muted: most rows are of none of them, and nobody is looked up.
    kinds: HashSet<Kind>,
}

/// The mutings at one moment, for a row's recipients.
pub struct Muters<'a>(RwLockReadGuard<'a, Inner>);

impl MuteList {
    fn read(&self) -> RwLockReadGuard<'_, Inner> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Inner> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The life of the log that it was read from.
    #[must_use]
    pub fn epoch(&self) -> Option<Epoch> {
        self.read().read.map(|(epoch, _)| epoch)
    }

    /// Takes what the log keeps, in place of what was here.
    pub fn load(&self, mutings: Mutings) {
        let Mutings { epoch, as_of, users } = mutings;
        let kinds = users.values().flat_map(|muting| &muting.spans).map(|span| span.kind.clone()).collect();
        let users = users.into_iter().map(|(user_id, muting)| (user_id, Arc::new(muting))).collect();
        *self.write() = Inner { read: Some((epoch, as_of)), users, kinds };
    }

    /// Takes the next row of the log; what it says if it is a memo, and so for nobody. One that had its say before the list
    /// was read is passed over.
    pub fn follow(&self, row: &Row) -> Option<Memo> {
        let memo = Memo::read(&row.room, &row.notification)?;
        let mut inner = self.write();
        if inner.read.is_none_or(|(_, as_of)| row.position > as_of) {
            let (Memo::Muted { user_id, .. } | Memo::Erased { user_id, .. }) = &memo;
            let muting = Arc::make_mut(inner.users.entry(user_id.clone()).or_default());
            match &memo {
                Memo::Muted { kinds, .. } => {
                    muting.change(row.position, kinds);
                    inner.kinds.extend(kinds.iter().cloned());
                }
                Memo::Erased { .. } => muting.erase(row.position),
            }
        }
        Some(memo)
    }

    /// Whether what a client knows, or is about to be entitled to, is from before its user was erased.
    #[must_use]
    pub fn is_outdated(&self, who: &Entitled, from: Option<Position>) -> bool {
        let erased = self.read().users.get(&who.user_id).and_then(|muting| muting.erased());
        // Whoever enters after it begins anew in the shared rooms, of which everyone has one.
        let is_older = |at: Position| who.rooms.iter().any(|e| e.room.is_shared() && e.since < at);
        erased.is_some_and(|at| is_older(at) || from.is_some_and(|from| from < at))
    }

    /// Who may have muted a row; `None` if surely nobody has.
    #[must_use]
    pub fn of_row(&self, row: &Row) -> Option<Muters<'_>> {
        let inner = self.read();
        let may_be = is_mutable(row.notification.priority) && inner.kinds.contains(&row.notification.kind);
        may_be.then_some(Muters(inner))
    }

    /// What a user has muted; `None` if nothing ever.
    #[must_use]
    pub fn of_user(&self, who: &Entitled) -> Option<Arc<Muting>> {
        self.read().users.get(&who.user_id).cloned()
    }
}

impl Muters<'_> {
    /// Whether this user has muted this row.
    #[must_use]
    pub fn has(&self, user_id: &UserId, row: &Row) -> bool {
        let muting = self.0.users.get(user_id);
        muting.is_some_and(|muting| muting.covers(row.position, &row.notification))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::MintIds as _;
    use crate::testing::{CountingIds, Drafts, instant};

    fn at(n: u64) -> Position {
        Position::new(n).unwrap()
    }

    fn kinds(names: &[&str]) -> Vec<Kind> {
        names.iter().map(|name| name.parse().unwrap()).collect()
    }

    fn row(n: u64, kind: &str, priority: Priority) -> Row {
        let (room, mut notification) = Drafts::new().publish(&["all"]).rows.remove(0);
        (notification.kind, notification.priority) = (kind.parse().unwrap(), priority);
        Row { position: at(n), room, event_id: CountingIds::new().event_id(), notification }
    }

    fn memo(n: u64, user: &str, names: &[&str]) -> Row {
        let memo = Memo::Muted { user_id: user.parse().unwrap(), kinds: kinds(names) };
        let (room, notification) = memo.row(CountingIds::new().notification_id(), instant(0));
        Row { room, notification, ..row(n, "NEWS", Priority::Low) }
    }

    #[test]
    fn a_row_is_muted_by_where_it_lies_and_stays_so() {
        let mut muting = Muting::default();
        muting.change(at(2), &kinds(&["NEWS", "CARE"]));
        muting.change(at(4), &kinds(&["CARE"]));
        muting.change(at(6), &kinds(&["NEWS"]));
        let muted = |n, kind: &str, priority| muting.covers(at(n), &row(n, kind, priority).notification);
        let news: Vec<_> = (1..9).filter(|n| muted(*n, "NEWS", Priority::Medium)).collect();
        let care: Vec<_> = (1..9).filter(|n| muted(*n, "CARE", Priority::Low)).collect();
        assert_eq!((news, care), (vec![3, 4, 7, 8], vec![3, 4, 5, 6]));
        assert!(!muted(7, "OTHER", Priority::Low));
        assert_eq!(muting.kinds(), kinds(&["NEWS"]));
    }

    #[test]
    fn what_is_high_or_urgent_cannot_be_muted() {
        let mut muting = Muting::default();
        muting.change(at(0), &kinds(&["NEWS"]));
        for (priority, muted) in [
            (Priority::Low, true),
            (Priority::Medium, true),
            (Priority::High, false),
            (Priority::Urgent, false),
        ] {
            assert_eq!(muting.covers(at(1), &row(1, "NEWS", priority).notification), muted, "{priority:?}");
        }
    }

    #[test]
    fn a_list_follows_the_log_from_where_it_was_read() {
        let list = MuteList::default();
        let mut muting = Muting::default();
        muting.change(at(3), &kinds(&["NEWS"]));
        let users = HashMap::from([("a".parse().unwrap(), muting)]);
        list.load(Mutings { epoch: Epoch::new(1), as_of: at(5), users });
        let has = |user: &str, n| {
            let row = row(n, "NEWS", Priority::Low);
            list.of_row(&row).is_some_and(|muters| muters.has(&user.parse().unwrap(), &row))
        };
        assert!(!has("a", 3) && has("a", 4) && !has("b", 4));
        // It had its say already: unmuting at 2 came before muting at 3.
        assert!(list.follow(&memo(2, "a", &[])).is_some() && has("a", 6));
        assert!(list.follow(&memo(6, "a", &[])).is_some() && has("a", 6) && !has("a", 7));
        assert!(list.follow(&memo(7, "b", &["NEWS"])).is_some() && has("b", 8));
        assert!(list.follow(&row(8, "NEWS", Priority::Low)).is_none());
        assert!(list.of_row(&row(9, "OTHER", Priority::Low)).is_none());
    }
}
