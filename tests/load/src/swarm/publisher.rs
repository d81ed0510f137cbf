//! What is published, as bytes: POSTs on connections that stay open, one at a time on each.

use std::io::Write as _;

use anyhow::Result;
use memchr::memmem;

use super::http;
use super::link::Link;
use super::tally::{Audience, Tally};

/// What makes the event that a peer sends of it 300 bytes; ours has more members.
const MESSAGE: &str = "Your appointment with the cardiologist has been moved to Thursday at ten; please bring your last \
    results with you.";

/// One connection, and the request that is under way on it.
#[derive(Debug)]
pub(crate) struct Publisher {
    pub(crate) link: Link,
    pub(crate) request: Option<usize>,
}

/// Appends the POST of so many notifications, the first of which is `tally`'s next.
pub(crate) fn request(
    tally: &Tally,
    audience: Audience,
    batch: usize,
    key: &str,
    out: &mut Vec<u8>,
) -> Result<()> {
    let headers = format!("Authorization: Bearer {key}\r\nContent-Type: application/json\r\n");
    let mut body = Vec::with_capacity(64 + 300 * batch);
    if batch == 1 {
        item(tally, audience, tally.next(), &mut body)?;
        http::post("/api/v1/notifications", &headers, &body, out);
        return Ok(());
    }
    body.extend(b"{\"items\":[");
    for seq in tally.next()..tally.next() + batch {
        if seq > tally.next() {
            body.push(b',');
        }
        item(tally, audience, seq, &mut body)?;
    }
    body.extend(b"]}");
    http::post("/api/v1/notifications/batch", &headers, &body, out);
    Ok(())
}

fn item(tally: &Tally, audience: Audience, seq: usize, out: &mut Vec<u8>) -> Result<()> {
    match audience {
        Audience::All => out.extend(b"{\"to\":[\"role:patient\"]"),
        Audience::Each => write!(out, "{{\"to\":[\"user:load-{}\"]", tally.reader(seq))?,
    }
    write!(
        out,
        ",\"type\":\"LOAD\",\"title\":\"A notification under load\",\"message\":\"{MESSAGE}\",\"data\":{{\"seq\":{seq}}}}}"
    )?;
    Ok(())
}

/// How many notifications an answer says were accepted.
pub(crate) fn accepted(answer: &http::Message<'_>) -> usize {
    match answer.status() {
        201 => 1,
        207 => memmem::find_iter(answer.body, b"\"status\":201").count(),
        _ => 0,
    }
}
