//! A name server that knows a few names, for what asks one (RFC 1035): A records over UDP.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::UdpSocket;
use tokio::task::AbortHandle;

const A: u16 = 1;
const NO_SUCH_NAME: u8 = 3;

/// A running name server. It ends when dropped.
#[derive(Debug)]
pub struct Names {
    address: SocketAddr,
    task: AbortHandle,
}

impl Names {
    /// Answers for these names and no others.
    ///
    /// # Panics
    /// When there is no port for it.
    pub async fn serve(names: impl IntoIterator<Item = (String, Ipv4Addr)>) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await;
        let bound = socket.and_then(|socket| Ok((socket.local_addr()?, socket)));
        let (address, socket) = bound.unwrap_or_else(|error| panic!("a name server: {error}"));
        let names: HashMap<String, Ipv4Addr> = names.into_iter().collect();
        let task = tokio::spawn(async move {
            let mut query = [0; 512];
            while let Ok((length, from)) = socket.recv_from(&mut query).await {
                if let Some(answer) = answer(&query[..length], &names) {
                    // Whoever does not get it asks again.
                    drop(socket.send_to(&answer, from).await);
                }
            }
        });
        Self { address, task: task.abort_handle() }
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Names {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The answer to a query of one question; none to what is no query.
fn answer(query: &[u8], names: &HashMap<String, Ipv4Addr>) -> Option<Vec<u8>> {
    let mut labels = Vec::new();
    let mut at = 12;
    while let length @ 1.. = usize::from(*query.get(at)?) {
        labels.push(std::str::from_utf8(query.get(at + 1..=at + length)?).ok()?);
        at += 1 + length;
    }
    let kind = u16::from_be_bytes([*query.get(at + 1)?, *query.get(at + 2)?]);
    let address = names.get(&labels.join("."));
    let found = address.filter(|_| kind == A);
    let code = if address.is_some() { 0 } else { NO_SUCH_NAME };
    let mut answer = query.get(..2)?.to_vec();
    // A response with recursion, one question, and an answer at most.
    answer.extend([0x81, 0x80 | code, 0, 1, 0, u8::from(found.is_some()), 0, 0, 0, 0]);
    answer.extend(query.get(12..at + 5)?);
    if let Some(address) = found {
        // The name of the question, A, IN, for a second, four bytes.
        answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4]);
        answer.extend(address.octets());
    }
    Some(answer)
}
