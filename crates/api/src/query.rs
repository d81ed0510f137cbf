//! Query strings, read by the same parsers as bodies.

use actix_web::{HttpRequest, web};
use carillon_domain::Faults;
use serde_json::{Map, Value};

use crate::problem::Problem;

/// The query string as a JSON object, where a text of digits alone is a number.
pub(crate) fn query(request: &HttpRequest) -> Result<Value, Problem> {
    let pairs = web::Query::<Vec<(String, String)>>::from_query(request.query_string())
        .map_err(|_| Faults::one("", "is not a query string"))?;
    let mut object = Map::new();
    for (name, text) in pairs.into_inner() {
        let is_number = text.bytes().all(|c| c.is_ascii_digit());
        let number = is_number.then(|| text.parse::<u64>().ok()).flatten();
        let value = number.map_or(Value::String(text), Value::from);
        if object.contains_key(&name) {
            return Err(Faults::one(format!("/{name}"), "is given twice").into());
        }
        object.insert(name, value);
    }
    Ok(Value::Object(object))
}
