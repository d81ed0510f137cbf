//! `/asyncapi.json`: what is said on sockets and streams, in AsyncAPI 3.0.
//!
//! The gateway says and hears it, and may not depend on this crate, nor this crate on it. What holds the two together is that the
//! integration tests' official client checks each event, each question and each answer against this document.

mod payloads;
mod table;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::openapi::Document;

const ABOUT: &str = "Socket.IO 5 over Engine.IO 4, for official clients from 3.x on. What is done over HTTP is in /openapi.json.

A message's payload is the list of an event's arguments. Each event to the server takes an acknowledgement, whose one argument is \
`{ok: true, …}` or `{ok: false, error: {code, message}}`. `notification` and `inbox:state` end in an offset, and no other event ends in a \
string: official clients (4.6 and later) send the last such string back when they return, and so may a page, as `since`.";

/// The document.
#[must_use]
pub fn asyncapi() -> Value {
    let mut talk = Talk::default();
    table::fill(&mut talk);
    talk.finish()
}

/// What has been described so far.
#[derive(Default)]
struct Talk {
    schemas: Document,
    messages: BTreeMap<String, Value>,
    operations: BTreeMap<String, Value>,
    streamed: Vec<String>,
}

/// A message: what it is for, its payload's schema, and an example of it.
struct Message<'a> {
    name: &'a str,
    summary: &'a str,
    payload: Value,
    example: Value,
}

impl Talk {
    /// What a client comes with, and how it is let in or turned away.
    fn connects(&mut self, asked: (Value, Value), accepted: (Value, Value), refused: (Value, Value)) {
        for (key, name, summary, (payload, example)) in [
            ("asks.connect", "CONNECT", "The client's `auth`", asked),
            ("answers.connect", "CONNECT", "Let in", accepted),
            ("answers.connect.error", "CONNECT_ERROR", "Turned away, for good", refused),
        ] {
            self.message(key, Message { name, summary, payload, example });
        }
        self.operations.insert("asks.connect".into(), json!({
            "action": "receive", "channel": channel("socket"), "summary": "Come in", "messages": [on_channel("asks.connect")],
            "reply": {"channel": channel("socket"), "messages": [on_channel("answers.connect"), on_channel("answers.connect.error")]},
        }));
    }

    /// An event to clients, with these arguments. The schemas of a list of arguments are the way of JSON Schema's draft 7, which is
    /// AsyncAPI's.
    fn tells(&mut self, event: &str, summary: &str, arguments: &[Value], example: Value) {
        let key = format!("tells.{}", dotted(event));
        self.message(
            &key,
            Message { name: event, summary, payload: list(arguments, arguments.len()), example },
        );
        self.operations.insert(key.clone(), json!({
            "action": "send", "channel": channel("socket"), "summary": summary, "messages": [on_channel(&key)],
        }));
    }

    /// The same on streams: the first argument as `data`, the offset as `id`.
    fn streams(&mut self, event: &str) {
        self.streamed.push(format!("tells.{}", dotted(event)));
    }

    /// An event to the server with one argument, and its acknowledgement when it has an effect.
    fn hears(
        &mut self,
        event: &str,
        summary: &str,
        (argument, least): (Value, usize),
        (asked, answer): (Value, Value),
        told: Value,
    ) {
        let (asks, answers) = (format!("asks.{}", dotted(event)), format!("answers.{}", dotted(event)));
        self.message(
            &asks,
            Message { name: event, summary, payload: list(&[argument], least), example: json!([asked]) },
        );
        let answer = json!({"oneOf": [done(answer), self.refused()]});
        let summary_of_answer = format!("Acknowledges `{event}`");
        let example = Value::Array(vec![told]);
        self.message(
            &answers,
            Message { name: event, summary: &summary_of_answer, payload: list(&[answer], 1), example },
        );
        self.operations.insert(asks.clone(), json!({
            "action": "receive", "channel": channel("socket"), "summary": summary, "messages": [on_channel(&asks)],
            "reply": {"channel": channel("socket"), "messages": [on_channel(&answers)]},
        }));
    }

    /// The answer to what had no effect, told from the others by its `ok`.
    fn refused(&mut self) -> Value {
        let mut refused = self.schemas.plain::<payloads::Refused>();
        refused["properties"]["ok"] = json!({"const": false});
        self.schemas.keep("Refused", refused)
    }

    fn message(&mut self, key: &str, message: Message<'_>) {
        let Message { name, summary, payload, example } = message;
        let described =
            json!({"name": name, "summary": summary, "payload": payload, "examples": [{"payload": example}]});
        self.messages.insert(key.to_owned(), described);
    }

    fn finish(self) -> Value {
        let on = |key: &String| (key.clone(), json!({"$ref": format!("#/components/messages/{key}")}));
        let socket: BTreeMap<_, _> = self.messages.keys().map(on).collect();
        let stream: BTreeMap<_, _> = self.streamed.iter().map(on).collect();
        json!({
            "asyncapi": "3.0.0",
            "info": {
                "title": "Carillon", "version": env!("CARGO_PKG_VERSION"), "description": ABOUT,
                "license": {"name": "Apache-2.0"},
            },
            "defaultContentType": "application/json",
            "servers": {"node": {"host": "localhost:5000", "pathname": "/socket.io/", "protocol": "ws", "protocolVersion": "Socket.IO 5",
                "description": "WebSocket, or long polling of HTTP, or the one upgraded to the other."}},
            "channels": {
                "socket": {"address": "/", "title": "The main namespace", "messages": socket},
                "stream": {"address": "/api/v1/stream", "title": "Server-sent events", "messages": stream,
                    "description": "`data` is the first argument, `id` the offset."},
            },
            "operations": self.operations,
            "components": {"messages": self.messages, "schemas": self.schemas.into_schemas()},
        })
    }
}

/// A list of arguments.
fn list(arguments: &[Value], least: usize) -> Value {
    json!({"type": "array", "items": arguments, "minItems": least, "maxItems": arguments.len()})
}

/// The answer to what had an effect: these fields, and `ok`.
fn done(mut fields: Value) -> Value {
    fields["properties"]["ok"] = json!({"const": true});
    if let Some(required) = fields["required"].as_array_mut() {
        required.insert(0, "ok".into());
    }
    fields
}

fn dotted(event: &str) -> String {
    event.replace(':', ".")
}

fn channel(name: &str) -> Value {
    json!({"$ref": format!("#/channels/{name}")})
}

fn on_channel(key: &str) -> Value {
    json!({"$ref": format!("#/channels/socket/messages/{key}")})
}
