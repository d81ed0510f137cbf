//! Statements written by hand, where diesel's builder has no words for them. Unlike `diesel::sql_query` they have typed
//! rows and are prepared once a connection.

use std::marker::PhantomData;

use diesel::expression::{AsExpression, TypedExpressionType};
use diesel::pg::Pg;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::result::{Error, QueryResult};
use diesel::sql_types::SqlType;

/// A statement whose rows are of the SQL type `R`. Its values stand in the text as `$1`, `$2`, …, up to `$99`, each as
/// often as it likes.
pub(crate) struct Statement<'a, R> {
    text: &'static str,
    binds: Vec<Box<dyn QueryFragment<Pg> + Send + 'a>>,
    row: PhantomData<fn() -> R>,
}

impl<'a, R> Statement<'a, R> {
    pub(crate) const fn new(text: &'static str) -> Self {
        Self { text, binds: Vec::new(), row: PhantomData }
    }

    /// Binds the next value, of the SQL type `S`.
    pub(crate) fn bind<S, V>(mut self, value: V) -> Self
    where
        S: SqlType + TypedExpressionType,
        V: AsExpression<S>,
        V::Expression: QueryFragment<Pg> + Send + 'a,
    {
        self.binds.push(Box::new(value.as_expression()));
        self
    }
}

/// The one row of a statement that changes something, which is to be `load`ed: `get_result` answers as soon as the row is
/// there, and a statement that is its own transaction commits only after that. It may still fail, or its server end.
pub(crate) fn done<T>(mut rows: Vec<T>) -> QueryResult<T> {
    rows.pop().ok_or(Error::NotFound)
}

impl<R> QueryFragment<Pg> for Statement<'_, R> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let mut pieces = self.text.split('$');
        out.push_sql(pieces.next().unwrap_or_default());
        for piece in pieces {
            let digits = piece.bytes().take_while(u8::is_ascii_digit).count();
            let (number, rest) = piece.split_at(digits);
            let bind = number.parse::<usize>().ok().and_then(|n| self.binds.get(n.wrapping_sub(1)));
            bind.ok_or_else(|| Error::QueryBuilderError(format!("no value for ${number}").into()))?
                .walk_ast(out.reborrow())?;
            out.push_sql(rest);
        }
        Ok(())
    }
}

impl<R> QueryId for Statement<'_, R> {
    // The text is the key under which a connection keeps the prepared statement.
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<R> Query for Statement<'_, R> {
    type SqlType = R;
}
