//! Unresponsive members of a room, each on a socket of its own: one that never reads, one with its
//! read side shut, one that only sends, and one whose process is stopped.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use socket2::{Domain, Socket, Type};
use stentor_core::MessageType;

use super::arguments::LoadTarget;
use super::broadcast::ROOM;
use crate::error::Error;
use stentor_benches::messages;

/// A member that never reads after it has joined.
#[derive(Debug)]
pub(super) struct NonReader(TcpStream);

impl NonReader {
    /// Joins the room, with a small receive buffer.
    pub(super) fn join(target: &LoadTarget) -> Result<Self, Error> {
        let failed = || Error::system("a member that does not read");
        let address = target.endpoint.address;
        let socket =
            Socket::new(Domain::for_address(address), Type::STREAM, None).map_err(failed())?;
        socket.set_recv_buffer_size(BUFFER).map_err(failed())?;
        socket.connect(&address.into()).map_err(failed())?;
        let mut stream = TcpStream::from(socket);
        let request = target.endpoint.request.as_deref().unwrap_or_default();
        let mut join = Vec::new();
        messages::client_frame(&mut join, MessageType::Text, &[b"join:", ROOM]);
        stream.write_all(request.as_bytes()).map_err(failed())?;
        stream.write_all(&join).map_err(failed())?;
        let answer = [b"joined:", ROOM].concat();
        let mut received = Vec::new();
        // A longer read could take messages that follow the answer.
        while !received.ends_with(&answer) {
            let mut byte = [0];
            stream.read_exact(&mut byte).map_err(failed())?;
            received.push(byte[0]);
            if received.len() > LONGEST_ANSWER {
                let response = String::from_utf8_lossy(&received).into_owned();
                return Err(Error::HandshakeRefused(response));
            }
        }
        Ok(Self(stream))
    }

    /// Shuts the read side, and stays a member.
    pub(super) fn shut_read(&self) -> Result<(), Error> {
        let shut = self.0.shutdown(Shutdown::Read);
        shut.map_err(Error::system("shutting a read side"))
    }
}

/// A member that sends without end, at most one megabyte per second, and never reads.
#[derive(Debug)]
pub(super) struct SendOnly {
    stream: TcpStream,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl SendOnly {
    pub(super) fn start(NonReader(stream): NonReader) -> Result<Self, Error> {
        let failed = || Error::system("a member that only sends");
        let mut writer = stream.try_clone().map_err(failed())?;
        let stop = Arc::new(AtomicBool::new(false));
        let mut frame = Vec::new();
        messages::client_frame(&mut frame, MessageType::Text, &[&[b'x'; 1_000]]);
        let thread_stop = Arc::clone(&stop);
        let send = move || {
            while !thread_stop.load(Ordering::Relaxed) {
                // The server may close this connection; the load does not depend on it.
                if writer.write_all(&frame).is_err() {
                    return;
                }
                std::thread::sleep(Duration::from_millis(1));
            }
        };
        let thread = std::thread::Builder::new().name("send-only".into());
        let thread = Some(thread.spawn(send).map_err(failed())?);
        Ok(Self {
            stream,
            stop,
            thread,
        })
    }
}

impl Drop for SendOnly {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // Unblocks a write that waits for the server.
        let _ = self.stream.shutdown(Shutdown::Both);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A member in another process, which is stopped.
#[derive(Debug)]
pub(super) struct StoppedProcess(Child);

impl StoppedProcess {
    /// Starts the process, waits until it has joined the room, and stops it.
    pub(super) fn join(url: &str) -> Result<Self, Error> {
        let failed = || Error::system("a member in a process of its own");
        let program = std::env::current_exe().map_err(failed())?;
        let mut child = Command::new(program)
            .args(["listen", "--url", url])
            .stdout(Stdio::piped())
            .spawn()
            .map_err(failed())?;
        let mut line = String::new();
        if let Some(out) = child.stdout.take() {
            BufReader::new(out).read_line(&mut line).map_err(failed())?;
        }
        let stopped = Self(child);
        if line.trim() != JOINED {
            return Err(Error::Failed(
                "the process that is to be stopped did not join".into(),
            ));
        }
        stopped.signal(Signal::SIGSTOP)?;
        Ok(stopped)
    }

    /// Resumes the process. Returns its exit status, or `None` if it still runs after two seconds.
    pub(super) fn resume(&mut self) -> Result<Option<String>, Error> {
        self.signal(Signal::SIGCONT)?;
        for _ in 0..20 {
            let ended = self.0.try_wait();
            if let Some(status) = ended.map_err(Error::system("a process"))? {
                return Ok(Some(status.to_string()));
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(None)
    }

    fn signal(&self, signal: Signal) -> Result<(), Error> {
        let sent = kill(Pid::from_raw(self.0.id() as i32), signal);
        sent.map_err(|errno| Error::system("a signal")(errno.into()))
    }
}

impl Drop for StoppedProcess {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs the command `listen`: joins the room, and reads until the server closes the connection.
pub(crate) fn listen(target: &LoadTarget) -> Result<(), Error> {
    let NonReader(mut stream) = NonReader::join(target)?;
    println!("{JOINED}");
    let mut scratch = vec![0; 64 << 10];
    loop {
        match stream.read(&mut scratch) {
            Ok(0) => return Ok(()),
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(Error::system("the connection")(error)),
        }
    }
}

/// Printed when the process has joined the room.
const JOINED: &str = "joined";
/// The receive buffer; the kernel allows hardly less.
const BUFFER: usize = 4 << 10;
/// The maximum length of the responses to the handshake and to joining, in bytes.
const LONGEST_ANSWER: usize = 4 << 10;
