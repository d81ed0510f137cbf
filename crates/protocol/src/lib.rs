//! Engine.IO v4 and Socket.IO v5 as state machines: no IO, no clock, no runtime.
//!
//! A driver owns the links (HTTP requests, a WebSocket) and a clock; [`Connection`] decides. What happens
//! goes in with the time it happened at, as a `Duration` since an origin of the driver's choice; what to do
//! comes out as [`Output`]s; [`Connection::deadline`] says when to wake it. Ids are arguments too. So the same
//! script always gives the same dialogue, and tests run in virtual time.
//!
//! From below to above: [`engine`] (packets, polling payloads, handshake, heartbeat, upgrade), [`socket`]
//! (namespaces, events, acknowledgements, attachments), [`Connection`] (both together). Each layer's session
//! can be driven alone, and a driver of any [`Machine`] drives an Engine.IO session and a whole connection alike. A [`Frame`] is an event encoded once for all its recipients. Every queue is bounded
//! by [`Config`] or by the size of one client message; JSON stays raw text, cut into views.
//!
//! A whole dialogue over a WebSocket:
//!
//! ```
//! use std::time::Duration;
//!
//! use carillon_protocol::engine::{Input, Message, Transport};
//! use carillon_protocol::socket::Event;
//! use carillon_protocol::{Config, Connection, Frame, Output, Reason};
//!
//! let at = Duration::from_millis;
//! let text = |text: &'static str| Message::Text(text.into());
//! let mut connection = Connection::open(Config::default(), "n1.secret", Transport::Websocket, at(0));
//! assert!(matches!(connection.poll_output(), Some(Output::Socket(_)))); // 0{"sid":"n1.secret",...}
//!
//! connection.handle(Input::Socket(text(r#"40{"token":"t"}"#)), at(10));
//! let Some(Output::Event(Event::Connect { nsp, auth })) = connection.poll_output() else { panic!() };
//! assert_eq!((&*nsp, auth.as_deref()), ("/", Some(r#"{"token":"t"}"#)));
//! connection.accept(&nsp, "public", None);
//! assert_eq!(connection.poll_output(), Some(Output::Socket(text(r#"40{"sid":"public"}"#))));
//!
//! connection.send(&Frame::event("/", "notification", &("hello", 7))?)?;
//! assert_eq!(connection.poll_output(), Some(Output::Socket(text(r#"42["notification","hello",7]"#))));
//!
//! connection.handle(Input::Socket(text(r#"421["sum",2,3]"#)), at(20));
//! let Some(Output::Event(Event::Emitted { args, ack: Some(id), .. })) = connection.poll_output() else { panic!() };
//! connection.ack("/", id, &[args.get::<u64>(0)? + args.get::<u64>(1)?], &[])?;
//! assert_eq!(connection.poll_output(), Some(Output::Socket(text("431[5]"))));
//!
//! assert_eq!(connection.deadline(), Some(at(25_000)));
//! connection.handle(Input::Timer, at(25_000));
//! assert_eq!(connection.poll_output(), Some(Output::Socket(text("2"))));
//! connection.handle(Input::Timer, at(85_000));
//! let outputs: Vec<_> = std::iter::from_fn(|| connection.poll_output()).collect();
//! assert!(matches!(&outputs[..], [
//!     Output::CloseSocket(None),
//!     Output::Event(Event::Disconnected { .. }),
//!     Output::Closed(why),
//!     Output::Finished,
//! ] if why.reason == Reason::PingTimeout));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod config;
mod connection;
pub mod engine;
mod error;
mod frame;
mod machine;
mod reason;
pub mod socket;

pub use config::Config;
pub use connection::Connection;
pub use engine::Output;
pub use error::{EncodeError, Malformed, SendError, Violation};
pub use frame::Frame;
pub use machine::Machine;
pub use reason::Reason;
