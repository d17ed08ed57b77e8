//! The application of `stentor-gateway`, compiled for the simulator and the fuzz targets.

#[path = "../../../gateway/src/command.rs"]
pub mod command;
#[path = "../../../gateway/src/rooms.rs"]
mod rooms;

pub use rooms::{NoRoomPolicy, RoomOutcome, RoomTask, Rooms};
