//! HTTP/1.1 messages of a known length, as far as a client and a server of this machine need them.

use anyhow::{Context as _, Result};
use memchr::memmem;

/// One request or answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Message<'a> {
    /// The first line and the headers.
    pub(crate) head: &'a str,
    pub(crate) body: &'a [u8],
    /// Where the next message begins.
    pub(crate) end: usize,
}

/// The first message in there; `None` until it is whole.
///
/// # Errors
/// When its length is not told, or its head is no text.
pub(crate) fn next(bytes: &[u8]) -> Result<Option<Message<'_>>> {
    let Some(at) = memmem::find(bytes, b"\r\n\r\n") else { return Ok(None) };
    let head = std::str::from_utf8(&bytes[..at])?;
    let length = match header(head, "content-length") {
        Some(length) => length.parse::<usize>().with_context(|| format!("a length of {length:?}"))?,
        None => {
            anyhow::ensure!(header(head, "transfer-encoding").is_none(), "a message in chunks");
            0
        }
    };
    let end = at + 4 + length;
    Ok(bytes.get(at + 4..end).map(|body| Message { head, body, end }))
}

/// The value of a header, by its name in lower case.
pub(crate) fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut headers = head.split("\r\n").skip(1).filter_map(|line| line.split_once(':'));
    headers.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

impl Message<'_> {
    /// The status of an answer; 0 for what is none.
    pub(crate) fn status(&self) -> u16 {
        self.head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default()
    }
}

/// Appends a POST of JSON or text.
pub(crate) fn post(path: &str, headers: &str, body: &[u8], out: &mut Vec<u8>) {
    let length = body.len();
    let head =
        format!("POST {path} HTTP/1.1\r\nHost: localhost\r\n{headers}Content-Length: {length}\r\n\r\n");
    out.extend_from_slice(head.as_bytes());
    out.extend_from_slice(body);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_told_apart() {
        let mut bytes = b"HTTP/1.1 201 Created\r\nX: 1\r\nContent-Length: 2\r\n\r\nokHTTP".to_vec();
        let first = next(&bytes).unwrap().unwrap();
        assert_eq!((first.status(), first.body, &bytes[first.end..]), (201, &b"ok"[..], &b"HTTP"[..]));
        bytes.truncate(first.end - 1);
        assert_eq!(next(&bytes).unwrap(), None);
        assert!(next(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").is_err());
    }
}
