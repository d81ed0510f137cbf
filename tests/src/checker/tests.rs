use super::*;

const EPOCH: u64 = 7;

fn offset(epoch: u64, position: u64) -> Offset {
    Offset { epoch: Epoch::new(epoch), position: Position::new(position).unwrap() }
}

/// The `n`th publish, at `n` tenths of a second: odd ones to the first client, every fourth to all, the rest to the second.
fn row(n: u64) -> LogRow {
    let room = if n.is_multiple_of(4) { "all" } else { ["user:b", "user:a"][usize::from(n % 2 == 1)] };
    let (id, key) = (format!("id-{n}"), format!("key-{n}"));
    LogRow { offset: offset(EPOCH, n), id, room: room.into(), key }
}

fn told(client: u64, at: u64, what: Told) -> Entry {
    Entry::Told { client, what, at }
}

fn state(client: u64, at: u64, recovered: bool, position: u64) -> [Entry; 2] {
    let offset = offset(EPOCH, position);
    [told(client, at, Told::Connected { recovered }), told(client, at, Told::State { recovered, offset })]
}

fn received(client: u64, at: u64, row: &LogRow) -> Entry {
    told(client, at, Told::Received { id: row.id.clone(), offset: row.offset })
}

fn has(lineage: &Lineage, row: &LogRow) -> bool {
    lineage.rooms.iter().any(|(room, since)| *room == row.room && row.offset.position > *since)
}

/// Forty publishes and two clients, who both start after the eighth. The node is away from 2,000 to 3,000 ms; what is
/// published then is acknowledged after it, and both are recovered.
fn honest() -> Case {
    let log: Vec<LogRow> = (1..=40).map(row).collect();
    let lineage = |client, own: &str| Lineage {
        client,
        rooms: vec![(own.to_owned(), Position::START), ("all".to_owned(), Position::new(8).unwrap())],
        ..Lineage::default()
    };
    let clients = vec![lineage(1, "user:a"), lineage(2, "user:b")];
    let mut entries = Vec::new();
    for (n, row) in (1..).zip(&log) {
        let at = if (20..30).contains(&n) { 3_000 } else { n * 100 };
        let (key, rows) = (row.key.clone(), vec![(row.id.clone(), row.room.clone())]);
        entries.push(Entry::Tried { key: key.clone(), status: Some(201), took: 5, at });
        entries.push(Entry::Acknowledged { key, rows });
        if n == 8 {
            entries.extend(clients.iter().flat_map(|client| state(client.client, 801, false, 8)));
        }
        if n == 20 {
            entries.extend(clients.iter().map(|client| told(client.client, 2_000, Told::Disconnected)));
        }
        for client in clients.iter().filter(|client| n > 8 && has(client, row)) {
            entries.push(received(client.client, at.max(if n < 20 { 0 } else { 3_200 }), row));
        }
        if n == 29 {
            entries.extend(clients.iter().flat_map(|client| state(client.client, 3_210, true, 29)));
        }
    }
    Case { log, clients, entries, fault: (2_000, 3_000), links_may_break: false }
}

fn is_of(entry: &Entry, client: u64, id: &str) -> bool {
    matches!(entry, Entry::Told { client: of, what: Told::Received { id: it, .. }, .. } if *of == client && it == id)
}

fn place(case: &Case, client: u64, id: &str) -> usize {
    case.entries.iter().position(|entry| is_of(entry, client, id)).unwrap()
}

#[track_caller]
fn turns_red(expected: &[&str], spoil: impl FnOnce(&mut Case)) -> Verdict {
    let mut case = honest();
    spoil(&mut case);
    let verdict = check(&case);
    assert_eq!(verdict.broken(), expected, "{verdict}");
    verdict
}

#[test]
fn an_honest_run_passes_and_its_figures_are_right() {
    let verdict = turns_red(&[], |_| {});
    verdict.expect_none();
    // After the eighth: 16 odd ones for the first, 8 for all heard twice, 8 more for the second.
    let expected = Figures {
        acknowledged: 40,
        delivered: 16 + 8 * 2 + 8,
        returned: 2,
        recovered: 2,
        back_after: vec![210, 210],
        // The twentieth was received at 3,200, and the fault was over at 3,000.
        latest: 200,
        slowest_answer: 5,
        calm: [vec![5; 25], vec![105]].concat(),
        troubled: vec![205; 14],
        returned_at: vec![3_210, 3_210],
        ..Figures::default()
    };
    assert_eq!(verdict.figures, expected);
}

#[test]
fn i1_an_acknowledged_row_is_not_in_the_log() {
    turns_red(&["I1"], |case| case.log.retain(|row| row.id != "id-3"));
    turns_red(&["I1"], |case| case.log[2].key = "another".into());
}

#[test]
fn i1_a_key_is_twice_in_the_log() {
    turns_red(&["I1"], |case| {
        // Published before anybody listened, so that nothing else is missed.
        let row = LogRow { offset: offset(EPOCH, 2), id: "id-2b".into(), ..row(6) };
        case.log.insert(0, row);
    });
}

#[test]
fn i2_a_row_is_never_received() {
    let verdict = turns_red(&["I2"], |case| drop(case.entries.remove(place(case, 1, "id-39"))));
    assert_eq!(verdict.figures.lost, 1);
    // In the middle of a session, too.
    turns_red(&["I2"], |case| drop(case.entries.remove(place(case, 1, "id-33"))));
}

#[test]
fn i2_a_client_is_never_told_of_its_inbox() {
    turns_red(&["I2"], |case| {
        case.entries.retain(|entry| !matches!(entry, Entry::Told { client: 2, .. }));
    });
}

#[test]
fn i2_who_is_told_to_reload_misses_nothing_and_who_left_neither() {
    turns_red(&[], |case| {
        case.entries.retain(|entry| {
            !(20..30).any(|n| is_of(entry, 1, &format!("id-{n}")) || is_of(entry, 2, &format!("id-{n}")))
        });
        for entry in &mut case.entries {
            if let Entry::Told {
                what: Told::Connected { recovered } | Told::State { recovered, .. }, ..
            } = entry
            {
                *recovered = false;
            }
        }
    });
    turns_red(&[], |case| {
        let from = place(case, 1, "id-35");
        let mut n = 0;
        case.entries.retain(|entry| {
            n += 1;
            n <= from || !matches!(entry, Entry::Told { client: 1, .. })
        });
        case.clients[0].left = true;
    });
}

#[test]
fn i3_a_row_is_received_twice() {
    let verdict = turns_red(&["I3"], |case| {
        let entry = case.entries[place(case, 1, "id-33")].clone();
        case.entries.push(entry);
    });
    assert_eq!(verdict.figures.duplicates, 1);
}

#[test]
fn i4_two_rows_change_places() {
    let verdict = turns_red(&["I4"], |case| {
        let (one, two) = (place(case, 1, "id-33"), place(case, 1, "id-35"));
        case.entries.swap(one, two);
    });
    assert_eq!((verdict.figures.out_of_order, verdict.figures.lost), (1, 0));
}

#[test]
fn i5_a_row_of_another_room_is_received() {
    turns_red(&["I5"], |case| {
        let at = place(case, 1, "id-35");
        case.entries.insert(at, received(1, 3_450, &row(34)));
    });
}

#[test]
fn i5_a_shared_row_from_before_the_client_was_entitled_is_received() {
    turns_red(&["I5"], |case| {
        let at = place(case, 1, "id-9");
        case.entries.insert(at, received(1, 850, &row(4)));
    });
}

#[test]
fn i6_a_row_that_nobody_published_or_in_another_place_is_received() {
    turns_red(&["I6"], |case| {
        case.entries.push(received(
            1,
            4_100,
            &LogRow { id: "phantom".into(), offset: offset(EPOCH, 41), ..row(1) },
        ));
    });
    turns_red(&["I6"], |case| {
        case.entries.push(received(
            1,
            4_100,
            &LogRow { id: "id-1".into(), offset: offset(EPOCH + 1, 1), ..row(1) },
        ));
    });
    turns_red(&["I6"], |case| {
        let at = place(case, 1, "id-39");
        case.entries[at] = received(1, 4_000, &LogRow { offset: offset(EPOCH, 38), ..row(39) });
    });
}

#[test]
fn i7_a_recovered_client_has_a_hole() {
    turns_red(&["I2", "I7"], |case| drop(case.entries.remove(place(case, 1, "id-25"))));
    // What comes after the state is too late for it.
    turns_red(&["I7"], |case| {
        let late = case.entries.remove(place(case, 1, "id-29"));
        let at = place(case, 1, "id-31");
        case.entries.insert(at, late);
    });
}

#[test]
fn i7_the_client_and_the_state_disagree() {
    turns_red(&["I7"], |case| {
        let wrong = case.entries.iter_mut().find_map(|entry| match entry {
            Entry::Told { what: Told::Connected { recovered }, .. } if *recovered => Some(recovered),
            _ => None,
        });
        *wrong.unwrap() = false;
    });
}

#[test]
fn i7_a_client_is_recovered_into_another_log() {
    turns_red(&["I7"], |case| {
        for entry in &mut case.entries {
            if let Entry::Told { client: 1, what: Told::State { recovered: true, offset: at }, .. } = entry {
                *at = offset(EPOCH + 1, 29);
            }
        }
    });
}

#[test]
fn i8_a_row_comes_too_late() {
    let verdict = turns_red(&["I8"], |case| {
        let at = place(case, 1, "id-39");
        case.entries[at] = received(1, 9_000, &row(39));
    });
    assert_eq!(verdict.figures.latest, 9_000 - 3_895);
}

#[test]
fn i12_a_publish_is_answered_badly_late_or_not_at_all() {
    let tried = |status, took| Entry::Tried { key: "key-1".into(), status, took, at: 10_000 };
    for (status, took) in [(Some(500), 1), (Some(502), 1), (None, 1), (Some(201), 5_001), (Some(503), 6_000)]
    {
        turns_red(&["I12"], |case| case.entries.push(tried(status, took)));
    }
    for status in [503, 429] {
        turns_red(&[], |case| case.entries.push(tried(Some(status), 4_999)));
    }
    turns_red(&[], |case| {
        case.entries.push(tried(None, 10));
        case.links_may_break = true;
    });
}
