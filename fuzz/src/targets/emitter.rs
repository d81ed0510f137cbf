//! What anyone who can write to Redis says in the official emitter's name.

use carillon_domain::{Posting, Timestamp};
use carillon_fanout_redis::emitter::{read_emit, read_request};
use serde_json::Value;

/// The longest that a message may become.
const MOST_BYTES: usize = 256 * 1024;

/// A message of either channel.
pub fn emitter(data: &[u8]) {
    let _ = read_request(data);
    let Ok(emit) = read_emit(data) else { return };
    let args: Vec<Value> = serde_json::from_str(emit.args.get()).expect("a list");
    assert!(emit.args.get().len() <= MOST_BYTES && emit.attachments.len() <= 10);
    if !emit.attachments.is_empty() {
        args.iter().for_each(|arg| check(arg, emit.attachments.len()));
    }
    let now = Timestamp::from_millis(0).expect("a time");
    if let Ok(posting) = Posting::read(&emit, [0; 32], "minted".to_owned(), now) {
        assert!(emit.attachments.is_empty() && emit.audience.except.is_empty());
        let _ = posting.has_id();
    }
}

/// Each placeholder names an attachment: another one would cost the client its connection.
fn check(value: &Value, attachments: usize) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| check(item, attachments)),
        Value::Object(map) => {
            if map.contains_key("_placeholder") {
                let number = map["num"].as_u64().expect("a number");
                assert!(number < attachments as u64, "{number} of {attachments}");
            }
            map.values().for_each(|item| check(item, attachments));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
