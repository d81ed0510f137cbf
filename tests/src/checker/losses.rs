//! What clients did not hear of what was acknowledged, and on what occasion: for any server that official clients speak
//! to, with no log to read. It tells apart what a server without a history must lose from what it loses by accident.
//!
//! A publish is due to whoever is in its room and had connected before it began. One that was never received is lost
//! - *while connected*, if something later (begun after its acknowledgement) came over the connection it was due on;
//! - else *across* the reconnects before the connection on which something later came: *recovered* ones, if the client
//!   was told each time that nothing was missed, or not. A publish under way while a client reconnects counts among those.

use std::collections::{HashMap, HashSet};
use std::fmt;

use carillon_domain::Position;

use super::{AT_ONCE, Figures, share};
use crate::journal::{Entry, Told};

/// The figures of one run; `figures.lost` is the sum of the three kinds.
#[derive(Debug, Default)]
pub struct Losses {
    /// As far as they can be told without a log; a client is back once it is connected.
    pub figures: Figures,
    /// Passed over on a connection that held.
    pub connected: u64,
    /// Though the client was told that it missed nothing.
    pub recovered: u64,
    /// In a session that began anew.
    pub unrecovered: u64,
}

/// A client: its number in the journal, and its rooms.
pub type Member = (u64, Vec<String>);

/// A publish that was acknowledged.
struct Kept<'a> {
    id: &'a str,
    room: &'a str,
    begun: u64,
    acknowledged: u64,
}

/// One connection of a client.
struct Connection {
    at: u64,
    recovered: bool,
    /// When the latest of what came over it had begun.
    newest: u64,
}

/// Reads a journal; `fault` is when it began and was over.
#[must_use]
pub fn losses(entries: &[Entry], clients: &[Member], fault: (u64, u64)) -> Losses {
    let mut losses = Losses::default();
    let kept = kept(entries, &mut losses.figures);
    let begun = kept.iter().map(|one| (one.id, one.begun)).collect();
    let mut told: HashMap<u64, Vec<(&Told, u64)>> = HashMap::new();
    for entry in entries {
        if let Entry::Told { client, what, at } = entry {
            told.entry(*client).or_default().push((what, *at));
        }
    }
    for (client, rooms) in clients {
        let told = told.get(client).map_or(&[][..], Vec::as_slice);
        let (connections, got) = walk(told, &begun, fault, &mut losses.figures);
        for one in kept.iter().filter(|one| rooms.iter().any(|room| room == one.room)) {
            if !got.contains(one.id) {
                losses.lose(one, &connections);
            }
        }
    }
    losses.figures.lost = losses.connected + losses.recovered + losses.unrecovered;
    losses.figures.sort();
    losses
}

/// What was acknowledged, and what publishers can tell.
fn kept<'a>(entries: &'a [Entry], figures: &mut Figures) -> Vec<Kept<'a>> {
    let mut tries: HashMap<&str, (u64, u64)> = HashMap::new();
    let mut kept = Vec::new();
    for entry in entries {
        match entry {
            Entry::Tried { key, status, took, at } => {
                tries.entry(key).or_insert((at.saturating_sub(*took), 0)).1 = *at;
                figures.slowest_answer = figures.slowest_answer.max(*took);
                figures.failed += u64::from(status.is_some_and(|status| status >= 500) && *took < AT_ONCE);
            }
            Entry::Acknowledged { key, rows } => {
                figures.acknowledged += 1;
                let (begun, acknowledged) = tries.get(key.as_str()).copied().unwrap_or_default();
                kept.extend(rows.iter().map(|(id, room)| Kept { id, room, begun, acknowledged }));
            }
            Entry::Told { .. } => {}
        }
    }
    kept
}

/// One client's way through its journal: its connections, and what it got.
fn walk<'a>(
    told: &[(&'a Told, u64)],
    begun: &HashMap<&str, u64>,
    fault: (u64, u64),
    figures: &mut Figures,
) -> (Vec<Connection>, HashSet<&'a str>) {
    let (mut connections, mut got) = (Vec::<Connection>::new(), HashSet::new());
    let (mut gone, mut highest) = (None, None);
    for &(what, at) in told {
        match what {
            Told::Connected { recovered } => {
                if let Some(gone) = gone.take() {
                    figures.returned += 1;
                    figures.recovered += u64::from(*recovered);
                    figures.back_after.push(at - gone);
                    figures.returned_at.push(at);
                }
                connections.push(Connection { at, recovered: *recovered, newest: 0 });
            }
            Told::Received { id, .. } if !got.insert(id.as_str()) => figures.duplicates += 1,
            Told::Received { id, offset } => {
                figures.delivered += 1;
                // A peer that could not store it gives it no place.
                let place = Some(offset.position).filter(|place| *place > Position::START);
                figures.out_of_order += u64::from(place.is_some() && place <= highest);
                highest = highest.max(place);
                let (Some(begun), Some(connection)) = (begun.get(id.as_str()), connections.last_mut()) else {
                    continue;
                };
                connection.newest = connection.newest.max(*begun);
                let is_troubled = (fault.0..fault.1).contains(begun);
                let times = if is_troubled { &mut figures.troubled } else { &mut figures.calm };
                times.push(at.saturating_sub(*begun));
            }
            Told::Disconnected => gone = gone.or(Some(at)),
            Told::State { .. } | Told::Refused { .. } => {}
        }
    }
    (connections, got)
}

impl Losses {
    fn lose(&mut self, one: &Kept<'_>, connections: &[Connection]) {
        // Nobody is owed what began before they first came.
        let Some(due) = connections.iter().rposition(|connection| connection.at < one.begun) else { return };
        let passed = connections[due..].iter().position(|connection| connection.newest > one.acknowledged);
        let across = &connections[due + 1..passed.map_or(connections.len(), |passed| due + passed + 1)];
        let kind = if across.is_empty() {
            &mut self.connected
        } else if across.iter().all(|connection| connection.recovered) {
            &mut self.recovered
        } else {
            &mut self.unrecovered
        };
        *kind += 1;
    }
}

impl fmt::Display for Losses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { figures, connected, recovered, unrecovered } = self;
        let Figures { acknowledged, delivered, lost, duplicates, out_of_order, .. } = figures;
        let shares = |times| [500, 990].map(|permille| share(times, permille).to_string()).join("/");
        write!(
            f,
            "acknowledged {acknowledged}, delivered {delivered}, lost {lost} (while connected {connected}, "
        )?;
        write!(
            f,
            "across a recovered return {recovered}, across another {unrecovered}), duplicates {duplicates}, "
        )?;
        write!(f, "out of order {out_of_order}, recovered {}/{}, ", figures.recovered, figures.returned)?;
        write!(f, "away p50/p99 {} ms, publish to receipt p50/p99 ", shares(&figures.back_after))?;
        write!(f, "{} ms, in the fault {} ms, ", shares(&figures.calm), shares(&figures.troubled))?;
        write!(f, "slowest answer {} ms, {} answers 5xx", figures.slowest_answer, figures.failed)
    }
}

#[cfg(test)]
mod tests {
    use carillon_domain::Offset;

    use super::*;

    fn published(key: &str, begun: u64) -> [Entry; 2] {
        let rows = vec![(key.to_owned(), "all".to_owned())];
        let key = key.to_owned();
        [
            Entry::Tried { key: key.clone(), status: Some(201), took: 5, at: begun + 5 },
            Entry::Acknowledged { key, rows },
        ]
    }

    fn told(at: u64, what: Told) -> Entry {
        Entry::Told { client: 0, what, at }
    }

    fn received(at: u64, id: &str, place: &str) -> Entry {
        let offset: Offset = place.parse().unwrap();
        told(at, Told::Received { id: id.to_owned(), offset })
    }

    /// Connected from 10 on and again, recovered or not, from 200 to the end; five publishes, of which all but the given
    /// are received.
    fn story(recovered: bool, missed: &[&str]) -> Losses {
        let mut entries = vec![told(10, Told::Connected { recovered: false })];
        for (key, at, place) in
            [("a", 20, "0.1"), ("b", 40, "0.2"), ("c", 110, "0.3"), ("d", 220, "0.4"), ("e", 240, "0.5")]
        {
            if at == 110 {
                entries.push(told(100, Told::Disconnected));
            }
            if at == 220 {
                entries.push(told(200, Told::Connected { recovered }));
            }
            entries.extend(published(key, at));
            if !missed.contains(&key) {
                // What is published while it is away comes after its return.
                entries.push(received(if at == 110 { 212 } else { at + 7 }, key, place));
            }
        }
        entries.extend(published("before", 5));
        losses(&entries, &[(0, vec!["all".to_owned()])], (100, 200))
    }

    fn kinds(losses: &Losses) -> (u64, u64, u64) {
        (losses.connected, losses.recovered, losses.unrecovered)
    }

    #[test]
    fn what_came_is_not_lost_nor_what_was_before() {
        let losses = story(true, &[]);
        assert_eq!((losses.figures.lost, losses.figures.delivered, losses.figures.returned), (0, 5, 1));
        assert_eq!((&losses.figures.troubled[..], &losses.figures.back_after[..]), (&[102][..], &[100][..]));
    }

    #[test]
    fn occasions_are_told_apart() {
        assert_eq!(kinds(&story(true, &["d"])), (1, 0, 0), "e came over the same connection");
        assert_eq!(kinds(&story(true, &["c"])), (0, 1, 0));
        assert_eq!(kinds(&story(false, &["c"])), (0, 0, 1));
        assert_eq!(
            kinds(&story(false, &["b", "c"])),
            (0, 0, 2),
            "the last before the break went down with it"
        );
    }

    #[test]
    fn repeats_and_wrong_order_are_counted() {
        let mut entries = vec![told(1, Told::Connected { recovered: false })];
        for (key, at) in [("a", 10), ("b", 20)] {
            entries.extend(published(key, at));
        }
        entries.extend([received(30, "b", "0.2"), received(31, "a", "0.1"), received(32, "b", "0.2")]);
        let losses = losses(&entries, &[(0, vec!["all".to_owned()])], (0, 0));
        assert_eq!((losses.figures.duplicates, losses.figures.out_of_order, losses.figures.lost), (1, 1, 0));
    }
}
