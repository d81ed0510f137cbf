//! Packets by chance: such as clients send, and then spoiled in a place or three.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use carillon_protocol::Frame;
use carillon_protocol::engine::Message;
use carillon_protocol::socket::Placeholder;
use carillon_tests::Dice;
use serde_json::Value;

/// What is read, and as what.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Case {
    pub(super) layer: Layer,
    pub(super) parts: Vec<Part>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Layer {
    /// One WebSocket text message.
    Engine,
    /// One polling body.
    Payload,
    /// One client's messages, without their Engine.IO type.
    Socket,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Part {
    Text(String),
    Bytes(Vec<u8>),
}

impl Case {
    pub(super) fn text(layer: Layer, text: impl Into<String>) -> Self {
        Self { layer, parts: vec![Part::Text(text.into())] }
    }

    /// The text of its first part.
    pub(super) fn head(&self) -> &str {
        match self.parts.first() {
            Some(Part::Text(text)) => text,
            _ => "",
        }
    }
}

/// One case by chance.
pub(super) fn case(dice: &mut Dice) -> Case {
    match dice.below(10) {
        0 => Case::text(Layer::Engine, spoiled(dice, engine_packet)),
        1 | 2 => Case::text(Layer::Payload, spoiled(dice, payload)),
        3 => encoded(dice),
        _ => socket_messages(dice),
    }
}

fn engine_packet(dice: &mut Dice) -> String {
    match dice.below(10) {
        0..3 => base64(dice),
        digit => format!("{}{}", digit - 3, dice.pick(&["", "", "probe", "2[\"a\"]", "é😀", "{\"sid\":1}"])),
    }
}

fn base64(dice: &mut Dice) -> String {
    if !dice.one_in(4) {
        return format!("b{}", BASE64_STANDARD.encode(blob(dice)));
    }
    let alphabet = b"ABCXYZabcxyz0189+/+/-_";
    let letters = dice.below(10);
    let mut text: String = (0..letters).map(|_| char::from(dice.pick(alphabet))).collect();
    text.push_str(dice.pick(&["", "", "=", "=="]));
    format!("b{text}")
}

fn payload(dice: &mut Dice) -> String {
    let packets = 1 + dice.below(4);
    let packets: Vec<String> = (0..packets).map(|_| engine_packet(dice)).collect();
    packets.join("\x1e")
}

/// One to three packets with as many attachments as they ask for, give or take.
fn socket_messages(dice: &mut Dice) -> Case {
    let mut parts = Vec::new();
    for _ in 0..dice.pick(&[1, 1, 1, 2, 3]) {
        let (text, count) = socket_packet(dice);
        let text = if dice.one_in(3) { spoil(dice, text) } else { text };
        parts.push(Part::Text(text));
        let count = if dice.one_in(8) { dice.below(4) } else { count };
        parts.extend((0..count).map(|_| Part::Bytes(blob(dice))));
    }
    Case { layer: Layer::Socket, parts }
}

/// A packet's text, and how many attachments it announces.
fn socket_packet(dice: &mut Dice) -> (String, usize) {
    let kind = dice.pick(b"00122222333455556");
    let count = if kind >= b'5' { 1 + dice.below(3) } else { 0 };
    let mut text = String::from(char::from(kind));
    if kind >= b'5' {
        text.push_str(&if dice.one_in(10) { odd_count(dice) } else { format!("{count}-") });
    }
    text.push_str(dice.pick(&["", "", "", "/,", "/a,", "/a/b?c=d,", "/é😀,", "/a", "/1,"]));
    if kind >= b'2' && dice.one_in(2) {
        text.push_str(dice.pick(&["0", "1", "7", "12", "007", "9007199254740993", "18446744073709551615"]));
        if dice.one_in(20) {
            text.push_str(dice.pick(&["18446744073709551616", "00000000000000000000000001", " ", " 3"]));
        }
    }
    match kind {
        b'0' if dice.one_in(3) => text.push_str(&object(dice, 2, count)),
        b'0' | b'1' => {}
        b'4' => text.push_str(dice.pick(&["", "\"no\"", "{\"message\":\"no\"}", "[]"])),
        b'3' | b'6' => text.push_str(&array(dice, "", count)),
        _ if dice.one_in(20) => {}
        _ => {
            let name = event_name(dice);
            text.push_str(&array(dice, &name, count));
        }
    }
    (text, count)
}

fn odd_count(dice: &mut Dice) -> String {
    dice.pick(&["", "0-", "-", "10-", "11-", "01-", "1e0-", " 1-", "+1-", "0x1-", "1.0-", "a-"]).into()
}

fn event_name(dice: &mut Dice) -> String {
    if !dice.one_in(3) {
        return "\"a\"".into();
    }
    let names = [
        "\"message\"",
        "\"\"",
        "\"é😀\"",
        "\"\\u0061\\n\"",
        "\"connection\"",
        "\"error\"",
        "\"__proto__\"",
        "\"toString\"",
        "\"connect\"",
        "\"disconnect\"",
        "\"connect_error\"",
        "\"disconnecting\"",
        "\"newListener\"",
        "\"removeListener\"",
        "\"conn\\u0065ct\"",
        "\"\\ud83d\\ude00\"",
        "\"\\ud800\"",
        "5",
        "-1.50",
        "1e3",
        "1e400",
        "true",
        "null",
        "{}",
        "[]",
        "{\"toString\":\"foo\"}",
    ];
    dice.pick(&names).into()
}

/// An array that begins with `first`, and in which each attachment stands for something.
fn array(dice: &mut Dice, first: &str, attachments: usize) -> String {
    let mut items: Vec<String> = Vec::new();
    items.extend((!first.is_empty()).then(|| first.to_owned()));
    for _ in 0..dice.below(4) {
        items.push(json(dice, 3, attachments));
    }
    items.extend((0..attachments).map(|num| placeholder(dice, num)));
    let space = if dice.one_in(12) { dice.pick(&[" ", "\n", "\t\r", "\u{b}", "\u{a0}"]) } else { "" };
    format!("[{space}{}{space}]{space}", items.join(&format!("{space},{space}")))
}

fn placeholder(dice: &mut Dice, num: usize) -> String {
    let plain = format!("{{\"_placeholder\":true,\"num\":{num}}}");
    if !dice.one_in(12) {
        return plain;
    }
    let odd = [
        "{\"_placeholder\":true,\"num\":0.5}",
        "{\"_placeholder\":true,\"num\":0.0}",
        "{\"_placeholder\":true,\"num\":1e0}",
        "{\"_placeholder\":true,\"num\":-0}",
        "{\"_placeholder\":true,\"num\":-1}",
        "{\"_placeholder\":true,\"num\":3}",
        "{\"_placeholder\":true,\"num\":\"splice\"}",
        "{\"_placeholder\":true}",
        "{\"_placeholder\":1,\"num\":9}",
        "{\"_placeholder\":true,\"num\":7,\"num\":0}",
        "{\"num\":0,\"_placeholder\":true,\"x\":{\"_placeholder\":true,\"num\":\"splice\"}}",
        "{\"__proto__\":{\"_placeholder\":true,\"num\":0}}",
        "{\"a\":{\"_placeholder\":true,\"num\":\"splice\"},\"a\":0}",
        "[[{\"a\":{\"_placeholder\":true,\"num\":0}}]]",
    ];
    dice.pick(&odd).into()
}

fn json(dice: &mut Dice, depth: usize, attachments: usize) -> String {
    match dice.below(if depth == 0 { 4 } else { 6 }) {
        0 => dice.pick(&["null", "true", "false"]).into(),
        1 => number(dice),
        2 | 3 => string(dice),
        4 => object(dice, depth - 1, attachments),
        _ if dice.one_in(12) => nested(dice),
        _ => {
            let items: Vec<String> = (0..dice.below(4)).map(|_| json(dice, depth - 1, attachments)).collect();
            format!("[{}]", items.join(","))
        }
    }
}

fn nested(dice: &mut Dice) -> String {
    let levels = dice.pick(&[3, 120, 125, 126, 127, 128, 200]);
    let (open, close) = dice.pick(&[("[", "]"), ("{\"a\":", "}")]);
    format!("{}0{}", open.repeat(levels), close.repeat(levels))
}

fn number(dice: &mut Dice) -> String {
    let numbers = [
        "0",
        "-0",
        "7",
        "-12",
        "1.5",
        "0.1",
        "-2.5e-3",
        "1E5",
        "9007199254740993",
        "18446744073709551616",
        "123456789012345678901234567890",
        "1e308",
        "1e400",
        "5e-324",
        "1e-400",
        "3.141592653589793",
    ];
    dice.pick(&numbers).into()
}

fn string(dice: &mut Dice) -> String {
    let strings = [
        "\"\"",
        "\"text\"",
        "\"é😀\"",
        "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"",
        "\"[{\\\"\"",
        "\"\\u0000\\u001e\"",
        "\"\\ud83d\\ude00\"",
        "\"\\ud83d\"",
        "\"\\ude00\\ud83d\"",
        "\"\u{2028}\u{7f}\"",
        "\"\u{feff}\"",
        "\"a,b-c/d\"",
    ];
    dice.pick(&strings).into()
}

fn object(dice: &mut Dice, depth: usize, attachments: usize) -> String {
    let keys = ["a", "b", "token", "__proto__", "toJSON", "constructor", "", "é", "\\u0061", "num"];
    let mut fields = Vec::new();
    for _ in 0..dice.below(4) {
        let value = if attachments > 0 && dice.one_in(4) {
            let num = dice.below(attachments);
            placeholder(dice, num)
        } else {
            json(dice, depth, attachments)
        };
        fields.push(format!("\"{}\":{value}", dice.pick(&keys)));
    }
    format!("{{{}}}", fields.join(","))
}

fn blob(dice: &mut Dice) -> Vec<u8> {
    (0..dice.below(6)).map(|_| dice.throw().to_le_bytes()[0]).collect()
}

/// What our own encoder makes of arguments.
fn encoded(dice: &mut Dice) -> Case {
    let mut args = Vec::new();
    for _ in 0..dice.below(4) {
        // Numbers and texts that Rust cannot hold cannot be sent either.
        args.extend(serde_json::from_str::<Value>(&json(dice, 3, 0)));
    }
    let attachments: Vec<Bytes> = (0..dice.below(4)).map(|_| blob(dice).into()).collect();
    args.extend((0..attachments.len()).filter_map(|num| serde_json::to_value(Placeholder(num)).ok()));
    let nsp = dice.pick(&["/", "/a", "/é"]);
    let name = dice.pick(&["a", "\"\n", "😀"]);
    let frame = Frame::binary_event(nsp, name, &args, &attachments).unwrap();
    let parts = frame.messages().iter().map(|message| match message {
        Message::Text(text) => Part::Text(text.strip_prefix('4').unwrap_or_default().to_owned()),
        Message::Binary(bytes) => Part::Bytes(bytes.to_vec()),
    });
    Case { layer: Layer::Socket, parts: parts.collect() }
}

fn spoiled(dice: &mut Dice, make: impl Fn(&mut Dice) -> String) -> String {
    let text = make(dice);
    if dice.one_in(3) { spoil(dice, text) } else { text }
}

/// One to three small changes.
fn spoil(dice: &mut Dice, mut text: String) -> String {
    let letters: Vec<char> = "0123456789-,/[]{}\":b=\\ \u{1e}\t.eé\u{0}true_".chars().collect();
    for _ in 0..=dice.below(3) {
        let mut chars: Vec<char> = text.chars().collect();
        let (from, to) = (dice.below(chars.len() + 1), dice.below(chars.len() + 1));
        let (from, to) = (from.min(to), from.max(to));
        match dice.below(7) {
            0 => drop(chars.drain(from..to.min(from + 1))),
            1 => drop(chars.drain(from..to.min(from + 5))),
            2 | 3 => chars.insert(from, dice.pick(&letters)),
            4 => chars.iter_mut().skip(from).take(1).for_each(|c| *c = dice.pick(&letters)),
            5 => {
                let again: Vec<char> = chars[from..to.min(from + 8)].to_vec();
                chars.splice(to..to, again);
            }
            _ => chars.truncate(to),
        }
        text = chars.into_iter().collect();
    }
    text
}
