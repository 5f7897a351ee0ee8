//! The future of a transaction's body.

use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};

/// What the body of [`Sqlite::read`](crate::Sqlite::read), [`Postgres::write`](crate::Postgres::write) and their like
/// answers: made by [`scoped`].
///
/// An `async |tx|` closure would read better, but a future that awaits one which borrows anything is not `Send` in the
/// eyes of today's compiler, and could neither be spawned nor stand behind a port. The box says what is missing there:
/// that the borrowed surroundings (`'env`) outlive the borrowed connection (`'c`).
#[must_use = "a body does nothing until it is awaited by the transaction"]
pub struct Scoped<'env, 'c, T> {
    future: Pin<Box<dyn Future<Output = T> + Send + 'c>>,
    surroundings: PhantomData<&'c &'env ()>,
}

/// Makes a body out of an `async move` block.
pub fn scoped<'env: 'c, 'c, T>(body: impl Future<Output = T> + Send + 'c) -> Scoped<'env, 'c, T> {
    Scoped {
        future: Box::pin(body),
        surroundings: PhantomData,
    }
}

impl<T> Future for Scoped<'_, '_, T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        self.future.as_mut().poll(context)
    }
}
