//! What an application can do besides answering, on a simulated server: be in
//! many rooms, speak to one connection, ask who is there, speak from outside, keep state.

mod direct;
mod remote;
mod rooms;
mod state;
mod switchboard;
