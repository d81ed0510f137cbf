//! The floor: a server of one thread over epoll with no product behind it, which sends the bytes that the others send. It
//! knows as much HTTP and Socket.IO as the generator needs, and believes whatever it is told but the token.
//!
//! What is pending for one socket when a round of events has been handled leaves in one write.

use std::collections::HashMap;
use std::env;
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use anyhow::Result;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use serde::Deserialize;
use serde_json::value::RawValue;
use socket2::{Domain, Socket, Type};

use crate::swarm::client::ACCEPT;
use crate::swarm::link::Link;
use crate::swarm::poll::{Poll, Ready};
use crate::swarm::{frames, http};

const LISTENER: u64 = u64::MAX;
const OPEN: &str =
    r#"0{"sid":"floor","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":100000}"#;
/// As long as what the peers put there.
const BEFORE: &str = r#"42["notification",{"id":"00000000-0000-7000-8000-000000000000""#;
const AFTER: &str = r#","createdAt":"2026-01-01T00:00:00.000Z"}]"#;
const ACCEPTED: &str =
    r#"{"status":201,"eventId":"00000000-0000-7000-8000-000000000000","notifications":[]}"#;

#[derive(Deserialize)]
struct Auth<'a> {
    token: &'a str,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Claims {
    user_id: String,
}

#[derive(Deserialize)]
struct Draft<'a> {
    to: Vec<&'a str>,
    r#type: &'a str,
    title: &'a str,
    message: &'a str,
    #[serde(borrow)]
    data: &'a RawValue,
}

#[derive(Deserialize)]
struct Batch<'a> {
    #[serde(borrow)]
    items: Vec<Draft<'a>>,
}

struct Connection {
    link: Link,
    is_websocket: bool,
}

struct Floor {
    key: DecodingKey,
    poll: Poll,
    /// By their names; those that are gone leave a gap.
    connections: Vec<Option<Connection>>,
    users: HashMap<String, usize>,
    everyone: Vec<usize>,
    /// Who has something pending.
    pending: Vec<usize>,
}

/// Serves until it is killed, by the settings that the other servers have.
pub(crate) fn serve() -> Result<()> {
    let listener = listen(env::var("SOCKET_PORT")?.parse()?)?;
    println!("listening on http://{}/", listener.local_addr()?);
    serve_on(&listener, &env::var("JWT_SECRET")?)
}

fn listen(port: u16) -> Result<TcpListener> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM.nonblocking(), None)?;
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], port)).into())?;
    socket.listen(4096)?;
    Ok(socket.into())
}

/// Serves in a thread until the process ends.
#[cfg(test)]
pub(crate) fn start_for_tests() -> SocketAddr {
    let listener = listen(0).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || serve_on(&listener, carillon_tests::users::JWT_SECRET).unwrap());
    address
}

fn serve_on(listener: &TcpListener, secret: &str) -> Result<()> {
    let key = DecodingKey::from_secret(secret.as_bytes());
    let poll = Poll::new()?;
    poll.add(listener, LISTENER)?;
    let (connections, users, everyone, pending) = Default::default();
    let mut floor = Floor { key, poll, connections, users, everyone, pending };
    let (mut ready, mut scratch) = (Vec::new(), vec![0; 256 * 1024]);
    loop {
        floor.poll.wait(&mut ready, Duration::from_secs(60))?;
        for &ready in &ready {
            if ready.name == LISTENER {
                floor.accept(listener)?;
            } else {
                floor.turn(ready, &mut scratch)?;
            }
        }
        for index in floor.pending.drain(..) {
            // Who is gone hears nothing; the next event says that it is.
            floor.connections[index].as_mut().map(|connection| connection.link.flush());
        }
    }
}

impl Floor {
    fn accept(&mut self, listener: &TcpListener) -> Result<()> {
        loop {
            let socket = match listener.accept() {
                Ok((socket, _)) => socket,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error.into()),
            };
            socket.set_nonblocking(true)?;
            socket.set_nodelay(true)?;
            self.poll.add(&socket, self.connections.len() as u64)?;
            self.connections.push(Some(Connection { link: Link::of(socket), is_websocket: false }));
        }
    }

    fn turn(&mut self, ready: Ready, scratch: &mut [u8]) -> Result<()> {
        let index = usize::try_from(ready.name)?;
        let Some(mut connection) = self.connections[index].take() else { return Ok(()) };
        let Connection { link, is_websocket } = &mut connection;
        let (mut out, was_pending) = (Vec::new(), link.has_unsent());
        let read = link.receive(scratch, |bytes| {
            let mut taken = 0;
            while !*is_websocket {
                let Some(request) = http::next(&bytes[taken..])? else { return Ok(taken) };
                *is_websocket = self.request(&request, &mut out)?;
                taken += request.end;
            }
            while let Some((packet, length)) = frames::next(&bytes[taken..])? {
                self.packet(index, packet, &mut out)?;
                taken += length;
            }
            Ok(taken)
        });
        if read.is_err() || ready.is_over {
            return Ok(());
        }
        link.queue(&out);
        if link.has_unsent() || was_pending {
            self.pending.push(index);
        }
        self.connections[index] = Some(connection);
        Ok(())
    }

    /// Answers a request; whether it was that of a WebSocket.
    fn request(&mut self, request: &http::Message<'_>, out: &mut Vec<u8>) -> Result<bool> {
        let path = request.head.split(' ').nth(1).unwrap_or_default();
        if path.starts_with("/socket.io/") {
            let head = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n";
            out.extend(format!("{head}Sec-WebSocket-Accept: {ACCEPT}\r\n\r\n").bytes());
            frames::unmasked(OPEN.as_bytes(), out);
            return Ok(true);
        }
        let (status, body) = match path {
            "/api/v1/notifications" => {
                self.tell(&serde_json::from_slice(request.body)?);
                ("201 Created", ACCEPTED.to_owned())
            }
            "/api/v1/notifications/batch" => {
                let Batch { items } = serde_json::from_slice(request.body)?;
                items.iter().for_each(|draft| self.tell(draft));
                let results = vec![ACCEPTED; items.len()].join(",");
                ("207 Multi-Status", format!("{{\"results\":[{results}]}}"))
            }
            _ => ("200 OK", String::new()),
        };
        let length = body.len();
        out.extend(format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n{body}").bytes());
        Ok(false)
    }

    /// Takes an Engine.IO packet: a CONNECT, or a pong.
    fn packet(&mut self, index: usize, packet: &[u8], out: &mut Vec<u8>) -> Result<()> {
        let Some(auth) = packet.strip_prefix(b"40") else { return Ok(()) };
        let Auth { token } = serde_json::from_slice(auth)?;
        let Claims { user_id } = decode(token, &self.key, &Validation::new(Algorithm::HS256))?.claims;
        self.users.insert(user_id, index);
        self.everyone.push(index);
        frames::unmasked(br#"40{"sid":"floor"}"#, out);
        Ok(())
    }

    /// Makes the frame, once, and puts it behind what waits for whoever is in those rooms.
    fn tell(&mut self, draft: &Draft<'_>) {
        let Draft { to, r#type, title, message, data } = draft;
        let text = format!(
            r#"{BEFORE},"type":"{type}","title":"{title}","message":"{message}","data":{data}{AFTER}"#
        );
        let mut frame = Vec::with_capacity(text.len() + 4);
        frames::unmasked(text.as_bytes(), &mut frame);
        for room in to {
            let user = room.strip_prefix("user:").and_then(|user| self.users.get(user));
            let readers = match user {
                Some(user) => std::slice::from_ref(user),
                None if room.starts_with("user:") => &[],
                None => self.everyone.as_slice(),
            };
            for reader in readers {
                if let Some(connection) = &mut self.connections[*reader] {
                    if !connection.link.has_unsent() {
                        self.pending.push(*reader);
                    }
                    connection.link.queue(&frame);
                }
            }
        }
    }
}
