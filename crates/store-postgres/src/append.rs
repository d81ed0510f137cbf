//! Appending: a batch becomes arrays, the server's answer becomes outcomes. What happens in between is `carillon.append`
//! in `migrations/postgres`.

use std::collections::HashMap;
use std::sync::Arc;

use carillon_domain::ports::{Appended, Outcome, Publish, Stored};
use carillon_domain::{Epoch, EventId, EventName, NotificationId, Row, Timestamp};
use diesel::sql_types::{Array, BigInt, Binary, Integer, Nullable, Text, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::error::StepError;
use crate::rows::position;
use crate::statement::{Statement, done};

/// One call, one statement, one commit: a transaction held open from here would keep everyone waiting for as long as this
/// process stands still.
const APPEND: &str = "SELECT epoch, start, others, outcomes, firsts, earlier_publishes, earlier_ids, earlier_rooms \
    FROM carillon.append($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)";

type AnswerSql = (
    BigInt,
    BigInt,
    Array<Integer>,
    Array<Integer>,
    Array<SqlUuid>,
    Nullable<Array<Integer>>,
    Nullable<Array<SqlUuid>>,
    Nullable<Array<Text>>,
);

type Answer =
    (i64, i64, Vec<i32>, Vec<i32>, Vec<Uuid>, Option<Vec<i32>>, Option<Vec<Uuid>>, Option<Vec<String>>);

pub(crate) async fn append(
    connection: &mut AsyncPgConnection,
    batch: &[Publish],
) -> Result<Appended, StepError> {
    let turns = turns(batch);
    let answer: Answer = done(statement(batch, &turns).load(connection).await?)?;
    understand(batch, &turns, answer)
}

/// Each publish's turn: one more than that of the last before it with the same event id or key, else 0.
fn turns(batch: &[Publish]) -> Vec<i32> {
    let (mut events, mut keys) = (HashMap::new(), HashMap::new());
    let mut turns = Vec::with_capacity(batch.len());
    for publish in batch {
        let key = publish.key.as_ref().map(|key| (&key.scope, &key.key));
        let before = [events.get(&publish.event_id), key.and_then(|key| keys.get(&key))];
        let turn = before.into_iter().flatten().max().map_or(0, |last: &i32| last + 1);
        events.insert(publish.event_id, turn);
        if let Some(key) = key {
            keys.insert(key, turn);
        }
        turns.push(turn);
    }
    turns
}

fn statement<'a>(batch: &'a [Publish], turns: &'a [i32]) -> Statement<'a, AnswerSql> {
    // Most batches have no key at all, and then the server need not look.
    let all = || batch.iter().map(|publish| publish.key.as_ref());
    let keys = || batch.iter().any(|publish| publish.key.is_some()).then(all);
    let last_turn = turns.iter().max().copied().unwrap_or(-1);
    let rows = || batch.iter().flat_map(|publish| &publish.rows);
    let news = || rows().map(|(_, notification)| notification);
    let publishes = (1_i32..).zip(batch).flat_map(|(n, publish)| publish.rows.iter().map(move |_| n));
    Statement::new(APPEND)
        .bind::<Array<SqlUuid>, _>(batch.iter().map(|publish| publish.event_id.as_uuid()).collect::<Vec<_>>())
        .bind::<Array<Integer>, _>(turns)
        .bind::<Integer, _>(last_turn)
        .bind::<Nullable<Array<Nullable<Text>>>, _>(
            keys().map(|keys| keys.map(|key| Some(key?.scope.as_str())).collect::<Vec<_>>()),
        )
        .bind::<Nullable<Array<Nullable<Text>>>, _>(
            keys().map(|keys| keys.map(|key| Some(key?.key.as_str())).collect::<Vec<_>>()),
        )
        .bind::<Nullable<Array<Nullable<Binary>>>, _>(
            keys().map(|keys| keys.map(|key| Some(&key?.fingerprint[..])).collect::<Vec<_>>()),
        )
        .bind::<Array<BigInt>, _>(batch.iter().map(|publish| publish.at.as_millis()).collect::<Vec<_>>())
        .bind::<Array<Integer>, _>(publishes.collect::<Vec<_>>())
        .bind::<Array<SqlUuid>, _>(news().map(|n| n.id.as_uuid()).collect::<Vec<_>>())
        .bind::<Array<Text>, _>(rows().map(|(room, _)| room.as_str()).collect::<Vec<_>>())
        .bind::<Array<Nullable<Text>>, _>(news().map(|n| n.event.map(EventName::as_str)).collect::<Vec<_>>())
        .bind::<Array<Text>, _>(news().map(|n| n.kind.as_str()).collect::<Vec<_>>())
        .bind::<Array<Text>, _>(news().map(|n| n.title.as_str()).collect::<Vec<_>>())
        .bind::<Array<Text>, _>(news().map(|n| n.message.as_str()).collect::<Vec<_>>())
        .bind::<Array<Text>, _>(news().map(|n| n.data.as_str()).collect::<Vec<_>>())
        .bind::<Array<Text>, _>(news().map(|n| n.priority.as_str()).collect::<Vec<_>>())
        .bind::<Array<Nullable<Text>>, _>(
            news().map(|n| n.action_url.as_ref().map(|url| url.as_str())).collect::<Vec<_>>(),
        )
        .bind::<Array<BigInt>, _>(news().map(|n| n.created_at.as_millis()).collect::<Vec<_>>())
        .bind::<Array<Nullable<BigInt>>, _>(
            news().map(|n| n.expires_at.map(Timestamp::as_millis)).collect::<Vec<_>>(),
        )
}

/// What the server said of each publish, and the rows it has kept: dense after the head, turn after turn.
fn understand(batch: &[Publish], turns: &[i32], answer: Answer) -> Result<Appended, StepError> {
    let (epoch, start, others, codes, firsts, earlier_publishes, earlier_ids, earlier_rooms) = answer;
    let from = position(start, "log_head", 1)?;
    let index = |publish: i32| usize::try_from(publish - 1).unwrap_or(usize::MAX);
    let mut earlier: HashMap<usize, Vec<_>> = HashMap::new();
    let of_publish = earlier_publishes.into_iter().flatten();
    let (ids, rooms) = (earlier_ids.into_iter().flatten(), earlier_rooms.into_iter().flatten());
    for ((publish, id), room) in of_publish.zip(ids).zip(rooms) {
        let corrupt = |_| StepError::Corrupt { table: "notifications", row: id.to_string() };
        let kept = (NotificationId::from_uuid(id), room.parse().map_err(corrupt)?);
        earlier.entry(index(publish)).or_default().push(kept);
    }
    let mut outcomes: Vec<Option<Outcome>> = vec![None; batch.len()];
    for ((publish, code), first) in others.into_iter().zip(codes).zip(firsts) {
        let publish = index(publish);
        let notifications = earlier.remove(&publish).unwrap_or_default();
        let stored = Stored { event_id: EventId::from_uuid(first), notifications };
        let outcome = match code {
            1 => Outcome::Stored(stored),
            2 => Outcome::Replayed(stored),
            _ => Outcome::Mismatch,
        };
        if let Some(place) = outcomes.get_mut(publish) {
            *place = Some(outcome);
        }
    }
    let mut rows = Vec::new();
    let mut order: Vec<usize> = (0..batch.len()).collect();
    order.sort_by_key(|n| turns[*n]);
    for n in order.into_iter().filter(|n| outcomes[*n].is_none()) {
        for (room, notification) in &batch[n].rows {
            let (room, notification) = (room.clone(), notification.clone());
            let position = from.plus(rows.len() + 1);
            rows.push(Arc::new(Row { position, room, event_id: batch[n].event_id, notification }));
        }
    }
    let new = |publish: &Publish| {
        let notifications = publish.rows.iter().map(|(room, n)| (n.id, room.clone())).collect();
        Outcome::Stored(Stored { event_id: publish.event_id, notifications })
    };
    let outcomes = batch.iter().zip(outcomes).map(|(publish, other)| other.unwrap_or_else(|| new(publish)));
    Ok(Appended { epoch: Epoch::new(epoch.cast_unsigned()), from, rows, outcomes: outcomes.collect() })
}
