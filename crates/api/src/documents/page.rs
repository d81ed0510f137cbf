//! The document as a page: plain HTML, made once on the server. No script and nothing from elsewhere, so that it may be as strict as
//! the rest of what we serve.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

const STYLE: &str = include_str!("page.css");

/// Nothing but the style above.
pub(super) fn policy() -> String {
    let style = BASE64_STANDARD.encode(Sha256::digest(STYLE));
    format!(
        "default-src 'none'; style-src 'sha256-{style}'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
    )
}

/// The page of an OpenAPI document.
pub(super) fn render(document: &Value) -> String {
    let info = &document["info"];
    let mut html = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width, initial-scale=1\"><title>{title}</title><style>{STYLE}</style></head><body>\
         <main><h1>{title} <small>{version}</small></h1>",
        title = text(&info["title"]),
        version = text(&info["version"]),
    );
    for paragraph in info["description"].as_str().unwrap_or_default().split("\n\n") {
        push(&mut html, format_args!("<p>{}</p>", escape(paragraph)));
    }
    html.push_str("<p>For programs: <a href=\"/openapi.json\">/openapi.json</a> (OpenAPI 3.1), <a href=\"/asyncapi.json\">/asyncapi.json</a> \
         (AsyncAPI 3.0).</p>");
    for tag in items(&document["tags"]) {
        push(&mut html, format_args!("<h2>{}</h2><p>{}</p>", text(&tag["name"]), text(&tag["description"])));
        for (path, methods) in members(&document["paths"]) {
            for (method, operation) in
                members(methods).filter(|(_, operation)| operation["tags"][0] == tag["name"])
            {
                section(&mut html, document, method, path, operation);
            }
        }
    }
    html.push_str("<h2>Schemas</h2>");
    for (name, schema) in members(&document["components"]["schemas"]) {
        let (name, json) = (escape(name), escape(&format!("{schema:#}")));
        push(
            &mut html,
            format_args!(
                "<details id=\"{name}\"><summary><code>{name}</code></summary><pre>{json}</pre></details>"
            ),
        );
    }
    html.push_str("</main></body></html>");
    html
}

fn section(html: &mut String, document: &Value, method: &str, path: &str, operation: &Value) {
    push(
        html,
        format_args!(
            "<details><summary><b>{}</b> <code>{}</code> {}</summary><table>",
            escape(&method.to_uppercase()),
            escape(path),
            text(&operation["summary"])
        ),
    );
    let who: Vec<_> =
        items(&operation["security"]).flat_map(members).map(|(scheme, _)| escape(scheme)).collect();
    if !who.is_empty() {
        row(html, "Authorization", &who.join(" or "));
    }
    for parameter in items(&operation["parameters"]) {
        let name = format!("{} ({})", text(&parameter["name"]), text(&parameter["in"]));
        row(html, &name, &format!("{} {}", text(&parameter["description"]), kind(&parameter["schema"])));
    }
    let body = &operation["requestBody"];
    if body.is_object() {
        row(html, "body", &format!("{} {}", text(&body["description"]), content(&body["content"])));
    }
    for (status, answer) in members(&operation["responses"]) {
        let answer = resolve(document, answer);
        row(html, status, &format!("{} {}", text(&answer["description"]), content(&answer["content"])));
    }
    html.push_str("</table></details>");
}

fn row(html: &mut String, head: &str, cell: &str) {
    push(html, format_args!("<tr><th>{head}</th><td>{cell}</td></tr>"));
}

/// The media types and the schemas by their names.
fn content(content: &Value) -> String {
    let of = |(media_type, content): (&String, &Value)| {
        format!("{}: {}", escape(media_type), kind(&content["schema"]))
    };
    members(content).map(of).collect::<Vec<_>>().join(", ")
}

/// A link to a schema that has a name, or else the schema.
fn kind(schema: &Value) -> String {
    let named = schema["$ref"].as_str().or(schema["allOf"][0]["$ref"].as_str());
    match named.and_then(|reference| reference.rsplit('/').next()) {
        Some(name) => format!("<a href=\"#{0}\"><code>{0}</code></a>", escape(name)),
        None => format!("<code>{}</code>", escape(&schema.to_string())),
    }
}

fn resolve<'a>(document: &'a Value, answer: &'a Value) -> &'a Value {
    let target =
        answer["$ref"].as_str().and_then(|reference| document.pointer(reference.trim_start_matches('#')));
    target.unwrap_or(answer)
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

fn text(value: &Value) -> String {
    escape(value.as_str().unwrap_or_default())
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn push(html: &mut String, arguments: std::fmt::Arguments<'_>) {
    // Writing into a `String` cannot fail.
    let _ = html.write_fmt(arguments);
}
