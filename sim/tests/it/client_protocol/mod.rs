//! Codecs of the client protocol against a second implementation of its messages.

mod commands;
mod gateway_replies;
mod replies;
