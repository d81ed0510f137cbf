//! Who may speak: messages are signed with what the nodes over one log share.
//!
//! Anyone who can write to Redis could otherwise invent notifications, or tell the nodes that the log has come further than
//! it has, which would make them skip what is real.

use aws_lc_rs::hmac;
use carillon_domain::ports::Secret;

/// The form of messages. One that begins with another number is of another version of Carillon, and ignored.
const VERSION: u8 = 1;
/// Of HMAC-SHA-256's 32 bytes as many as nobody can guess.
const TAG: usize = 16;
/// Longer messages are nobody's.
pub(crate) const MOST_BYTES: usize = 256 * 1024;

/// Why a message is ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ignored {
    /// Of another version.
    Version,
    /// Too long or too short.
    Size,
    /// Not signed by a node over this log.
    Signature,
    /// Signed, and yet not what we say.
    Form,
}

impl Ignored {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Version => "version",
            Self::Size => "size",
            Self::Signature => "signature",
            Self::Form => "form",
        }
    }
}

/// Signs and checks.
pub(crate) struct Seal {
    key: hmac::Key,
    namespace: String,
}

impl Seal {
    pub(crate) fn new(Secret(secret): &Secret) -> Self {
        let root = hmac::Key::new(hmac::HMAC_SHA256, secret);
        let derived = |purpose: &str| hmac::sign(&root, purpose.as_bytes());
        let name = derived("carillon redis namespace");
        let namespace = name.as_ref().iter().take(4).map(|byte| format!("{byte:02x}")).collect();
        let key = hmac::Key::new(hmac::HMAC_SHA256, derived("carillon redis messages").as_ref());
        Self { key, namespace }
    }

    /// What tells the keys and channels of nodes over this log from those of others on the same Redis.
    pub(crate) fn namespace(&self) -> &str {
        &self.namespace
    }

    /// A message that says `body`.
    pub(crate) fn close(&self, body: &[u8]) -> Vec<u8> {
        let tag = hmac::sign(&self.key, body);
        let mut message = Vec::with_capacity(1 + TAG + body.len());
        message.push(VERSION);
        message.extend_from_slice(&tag.as_ref()[..TAG]);
        message.extend_from_slice(body);
        message
    }

    /// What a message says.
    pub(crate) fn open<'a>(&self, message: &'a [u8]) -> Result<&'a [u8], Ignored> {
        if !(1 + TAG..=MOST_BYTES).contains(&message.len()) {
            return Err(Ignored::Size);
        }
        if message[0] != VERSION {
            return Err(Ignored::Version);
        }
        let (tag, body) = message[1..].split_at(TAG);
        let expected = hmac::sign(&self.key, body);
        let is_ours =
            aws_lc_rs::constant_time::verify_slices_are_equal(&expected.as_ref()[..TAG], tag).is_ok();
        if is_ours { Ok(body) } else { Err(Ignored::Signature) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_signed_by_a_node_over_this_log_is_opened() {
        let (ours, theirs) = (Seal::new(&Secret([1; 32])), Seal::new(&Secret([2; 32])));
        assert_ne!(ours.namespace(), theirs.namespace());
        let message = ours.close(b"word");
        assert_eq!(ours.open(&message), Ok(&b"word"[..]));
        assert_eq!(theirs.open(&message), Err(Ignored::Signature));
        for at in 0..message.len() {
            let mut changed = message.clone();
            changed[at] ^= 1;
            let why = if at == 0 { Ignored::Version } else { Ignored::Signature };
            assert_eq!(ours.open(&changed), Err(why), "changed at {at}");
        }
        assert_eq!(ours.open(b""), Err(Ignored::Size));
        assert_eq!(ours.open(&vec![1; MOST_BYTES + 1]), Err(Ignored::Size));
    }
}
