//! Server on fastwebsockets, as in its examples: one for the echo, and one with split halves for
//! rooms. The library has no write buffer and writes frames one by one; for rooms it writes through
//! a `BufWriter`.

use std::process::ExitCode;
use std::sync::Arc;

use bytes::Bytes;
use fastwebsockets::upgrade::{UpgradeFut, upgrade as accept};
use fastwebsockets::{
    FragmentCollector, FragmentCollectorRead, Frame, OpCode, Payload, WebSocketError,
};
use stentor_peers::{Application, BATCH, Data, Member, Room, serve, upgrade};
use tokio::io::BufWriter;
use tokio::net::TcpStream;

/// A message for members. Frames borrow from their reader.
#[derive(Clone)]
struct Message {
    opcode: OpCode,
    payload: Bytes,
}

impl Data for Message {
    fn is_data(&self) -> bool {
        matches!(self.opcode, OpCode::Text | OpCode::Binary)
    }

    fn into_parts(self) -> (bool, Bytes) {
        (self.opcode == OpCode::Text, self.payload)
    }

    fn from_parts(is_text: bool, payload: Bytes) -> Option<Self> {
        let opcode = match is_text {
            true => OpCode::Text,
            false => OpCode::Binary,
        };
        Some(Self { opcode, payload })
    }
}

impl From<Frame<'_>> for Message {
    fn from(frame: Frame<'_>) -> Self {
        let payload = match frame.payload {
            Payload::Bytes(bytes) => bytes.freeze(),
            Payload::Owned(bytes) => bytes.into(),
            other => Bytes::copy_from_slice(&other),
        };
        Self {
            opcode: frame.opcode,
            payload,
        }
    }
}

fn main() -> ExitCode {
    serve(drive)
}

async fn drive(stream: TcpStream, application: Application<Message>) {
    upgrade(stream, |mut request| {
        let (response, socket) = accept(&mut request)?;
        let application = application.clone();
        tokio::spawn(tokio::task::unconstrained(async move {
            let _ = match application {
                Application::Echo => echo(socket).await,
                Application::Rooms(room) => chat(socket, room).await,
            };
        }));
        Ok::<_, WebSocketError>(response)
    })
    .await;
}

async fn echo(socket: UpgradeFut) -> Result<(), WebSocketError> {
    let mut socket = FragmentCollector::new(socket.await?);
    loop {
        let frame = socket.read_frame().await?;
        match frame.opcode {
            OpCode::Close => return Ok(()),
            OpCode::Text | OpCode::Binary => socket.write_frame(frame).await?,
            _ => {}
        }
    }
}

async fn chat(socket: UpgradeFut, room: Arc<Room<Message>>) -> Result<(), WebSocketError> {
    let (reader, mut writer) = socket.await?.split(|stream| {
        let (reader, writer) = tokio::io::split(stream);
        (reader, BufWriter::with_capacity(WRITE_BUFFER, writer))
    });
    let mut reader = FragmentCollectorRead::new(reader);
    let (mut member, mut heard) = Member::new(room);
    let inbox = member.inbox().clone();
    // A read that is dropped before it is ready loses bytes, so reading and writing run side by
    // side.
    let reading = async {
        loop {
            let mut send = |frame: Frame<'_>| {
                let _ = inbox.send(frame.into());
                std::future::ready(Ok::<_, WebSocketError>(()))
            };
            let message = Message::from(reader.read_frame(&mut send).await?);
            if message.opcode == OpCode::Close {
                return Ok(());
            }
            if message.is_data()
                && let Some(answer) = member.say(message)
            {
                let _ = inbox.send(answer);
            }
        }
    };
    let writing = async {
        let mut batch = Vec::new();
        while heard.recv_many(&mut batch, BATCH).await > 0 {
            for Message { opcode, payload } in batch.drain(..) {
                let frame = Frame::new(true, opcode, None, Payload::Borrowed(&payload));
                writer.write_frame(frame).await?;
            }
            writer.flush().await?;
        }
        Ok(())
    };
    tokio::select! {
        end = reading => end,
        end = writing => end,
    }
}

const WRITE_BUFFER: usize = 4 << 10;
