//! What readers ask for, read from JSON: the same arguments arrive as a query string, a body or a socket
//! event.

use std::collections::HashSet;

use serde_json::Value;

use super::{ListQuery, Mark, ReadStatus};
use crate::fault::{Fields, text};
use crate::{Faults, NotificationId};

impl ListQuery {
    /// Reads `{limit?, before?, status?}`: `limit` a whole number from 1 to [`Self::MAX_LIMIT`], `before` a
    /// notification's id, `status` one of `all`, `unread`, `read`.
    ///
    /// # Errors
    /// Every fault, each with its pointer.
    pub fn parse(argument: Value) -> Result<Self, Faults> {
        let mut fields = Fields::of(argument)?;
        let limit = fields.limit(Self::DEFAULT_LIMIT, Self::MAX_LIMIT);
        let before = take_id(&mut fields, "before");
        let status = fields.take("status");
        let status = fields.parse("status", status, |value| match text(value)?.as_str() {
            "all" => Ok(ReadStatus::All),
            "unread" => Ok(ReadStatus::Unread),
            "read" => Ok(ReadStatus::Read),
            _ => Err("must be one of all, unread, read"),
        });
        fields.finish()?;
        Ok(Self { limit, before, status: status.unwrap_or(ReadStatus::All) })
    }
}

impl Mark {
    /// The most ids one mark may name; more are marked by `upTo` or `all`, which cost the same for any
    /// number.
    pub const MAX_IDS: usize = 1_000;

    /// Reads what is to be marked read: exactly one of `{ids: [1 to 1,000]}`, `{upTo: id}` and `{all: true}`.
    /// Repeated ids count once.
    ///
    /// # Errors
    /// Every fault, each with its pointer.
    pub fn parse_read(argument: Value) -> Result<Self, Faults> {
        let mut fields = Fields::of(argument)?;
        let ids = fields.take("ids");
        let up_to = fields.take("upTo");
        let all = fields.take("all");
        if [&ids, &up_to, &all].iter().filter(|field| field.is_some()).count() != 1 {
            fields.fault("", "must have exactly one of ids, upTo and all");
        }
        let ids = ids.and_then(|ids| parse_ids(&mut fields, ids)).map(Self::Read);
        let up_to = parse_id(&mut fields, "upTo", up_to).map(Self::ReadUpTo);
        let all = fields.parse("all", all, |value| match value {
            Value::Bool(true) => Ok(Self::ReadAll),
            _ => Err("must be true"),
        });
        fields.finish()?;
        ids.or(up_to).or(all).ok_or_else(|| Faults::one("", "is incomplete"))
    }

    /// Reads what is to be marked unread again: `{ids: [1 to 1,000]}`.
    ///
    /// # Errors
    /// Every fault, each with its pointer.
    pub fn parse_unread(argument: Value) -> Result<Self, Faults> {
        let mut fields = Fields::of(argument)?;
        let ids = fields.require("ids");
        let ids = ids.and_then(|ids| parse_ids(&mut fields, ids));
        fields.finish()?;
        ids.map(Self::Unread).ok_or_else(|| Faults::one("", "is incomplete"))
    }

    /// Reads the change of a single notification: `{isRead: true|false}`.
    ///
    /// # Errors
    /// Every fault, each with its pointer.
    pub fn parse_patch(id: NotificationId, argument: Value) -> Result<Self, Faults> {
        let mut fields = Fields::of(argument)?;
        let is_read = fields.require("isRead");
        let is_read = fields.parse("isRead", is_read, |value| value.as_bool().ok_or("must be true or false"));
        fields.finish()?;
        match is_read {
            Some(true) => Ok(Self::Read(vec![id])),
            Some(false) => Ok(Self::Unread(vec![id])),
            None => Err(Faults::one("", "is incomplete")),
        }
    }
}

fn take_id(fields: &mut Fields, name: &str) -> Option<NotificationId> {
    let value = fields.take(name);
    parse_id(fields, name, value)
}

fn parse_id(fields: &mut Fields, name: &str, value: Option<Value>) -> Option<NotificationId> {
    fields.parse(name, value, |value| {
        text(value)?.parse().map_err(|_| "must be the id of a notification, a UUID")
    })
}

/// The ids, each once and in their order; `None` after noting a fault.
fn parse_ids(fields: &mut Fields, value: Value) -> Option<Vec<NotificationId>> {
    let items = match value {
        Value::Array(items) if (1..=Mark::MAX_IDS).contains(&items.len()) => items,
        _ => {
            fields.fault("/ids", format!("must be a list of 1 to {} ids", Mark::MAX_IDS));
            return None;
        }
    };
    let mut seen = HashSet::with_capacity(items.len());
    let mut ids = Vec::with_capacity(items.len());
    for (i, item) in items.into_iter().enumerate() {
        let id = parse_id(fields, &format!("ids/{i}"), Some(item));
        ids.extend(id.filter(|id| seen.insert(*id)));
    }
    Some(ids)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const A: &str = "01980000-0000-7000-8000-00000000000a";
    const B: &str = "01980000-0000-7000-8000-00000000000b";

    fn id(text: &str) -> NotificationId {
        text.parse().unwrap()
    }

    fn pointers<T: std::fmt::Debug>(parsed: Result<T, Faults>) -> Vec<String> {
        parsed.unwrap_err().iter().map(|fault| fault.pointer.clone()).collect()
    }

    #[test]
    fn a_listing_has_defaults() {
        assert_eq!(ListQuery::parse(json!({})), Ok(ListQuery::default()));
        assert_eq!(
            ListQuery::parse(json!({"limit": null, "before": null, "status": null})),
            Ok(ListQuery::default())
        );
        let query = ListQuery { limit: 100, before: Some(id(A)), status: ReadStatus::Unread };
        assert_eq!(ListQuery::parse(json!({"limit": 100, "before": A, "status": "unread"})), Ok(query));
    }

    #[test]
    fn every_fault_of_a_listing_is_named_at_once() {
        for limit in [json!(0), json!(101), json!(-1), json!(1.5), json!("20"), json!(u64::MAX)] {
            assert_eq!(pointers(ListQuery::parse(json!({"limit": limit}))), ["/limit"], "{limit}");
        }
        let all = json!({"limit": 0, "before": "x", "status": "READ", "page": 2});
        assert_eq!(pointers(ListQuery::parse(all)), ["/limit", "/before", "/status", "/page"]);
        assert_eq!(pointers(ListQuery::parse(json!([20]))), [""]);
    }

    #[test]
    fn a_mark_names_its_targets_in_exactly_one_way() {
        assert_eq!(Mark::parse_read(json!({"ids": [A, B, A]})), Ok(Mark::Read(vec![id(A), id(B)])));
        assert_eq!(Mark::parse_read(json!({"upTo": B})), Ok(Mark::ReadUpTo(id(B))));
        assert_eq!(Mark::parse_read(json!({"all": true, "ids": null})), Ok(Mark::ReadAll));
        for (bad, pointer) in [
            (json!({}), ""),
            (json!({"ids": [A], "all": true}), ""),
            (json!({"upTo": A, "all": true}), ""),
            (json!({"all": false}), "/all"),
            (json!({"upTo": 7}), "/upTo"),
            (json!({"ids": []}), "/ids"),
            (json!({"ids": A}), "/ids"),
            (json!({"ids": vec![A; Mark::MAX_IDS + 1]}), "/ids"),
            (json!({"ids": [A, null, "x"]}), "/ids/1"),
            (json!({"all": true, "since": A}), "/since"),
            (json!("all"), ""),
        ] {
            assert_eq!(pointers(Mark::parse_read(bad.clone()))[0], pointer, "{bad}");
        }
    }

    #[test]
    fn only_named_ids_become_unread() {
        assert_eq!(Mark::parse_unread(json!({"ids": [B, B]})), Ok(Mark::Unread(vec![id(B)])));
        assert_eq!(pointers(Mark::parse_unread(json!({"all": true}))), ["/ids", "/all"]);
    }

    #[test]
    fn a_patch_says_read_or_unread() {
        assert_eq!(Mark::parse_patch(id(A), json!({"isRead": true})), Ok(Mark::Read(vec![id(A)])));
        assert_eq!(Mark::parse_patch(id(A), json!({"isRead": false})), Ok(Mark::Unread(vec![id(A)])));
        assert_eq!(
            pointers(Mark::parse_patch(id(A), json!({"isRead": 1, "title": "x"}))),
            ["/isRead", "/title"]
        );
        assert_eq!(pointers(Mark::parse_patch(id(A), json!({}))), ["/isRead"]);
    }
}
