//! Runner of a case against a host.

use stentor_core::testing::wire::Opcode;

use super::{Case, CaseStep, Fin};
use crate::simulator::{Incoming, masked};

/// A server, and clients of it. It runs one worker.
pub trait Host {
    /// Lets another client come and be upgraded.
    fn open(&mut self);
    /// Lets a client send bytes, all at once.
    fn send(&mut self, client: usize, bytes: &[u8]);
    /// Lets a client shut its side.
    fn shut(&mut self, client: usize);
    /// Returns the next thing that a client hears after its upgrade; `None` if nothing comes.
    fn hear(&mut self, client: usize) -> Option<Incoming>;
}

/// Runs a case.
///
/// # Errors
/// The first step that did not go as it must, and what was heard instead.
pub fn run(case: &Case, host: &mut impl Host) -> Result<(), String> {
    for (n, &step) in case.steps.iter().enumerate() {
        take(step, host).map_err(|heard| format!("{}: step {n}, {step:?}: {heard}", case.name))?;
    }
    Ok(())
}

fn take(step: CaseStep, host: &mut impl Host) -> Result<(), String> {
    match step {
        CaseStep::Open => host.open(),
        CaseStep::Frame(client, opcode, fin, data) => {
            host.send(
                client,
                &masked(opcode, fin == Fin::Last, KEY, &data.to_vec()),
            );
        }
        CaseStep::Raw(client, bytes) => host.send(client, bytes),
        CaseStep::Say(client, texts) => {
            let frames = texts
                .iter()
                .map(|text| masked(Opcode::Text, true, KEY, text.as_bytes()));
            host.send(client, &frames.collect::<Vec<_>>().concat());
        }
        CaseStep::Shut(client) => host.shut(client),
        CaseStep::Hear(client, kind, data) => {
            expect(host, client, &Incoming::Message(kind, data.to_vec()))?;
        }
        CaseStep::HearAll(client, texts) => {
            let mut heard = Vec::new();
            for _ in texts {
                match hear(host, client) {
                    Some(Incoming::Message(_, text)) => heard.push(text),
                    other => return Err(brief(other.as_ref())),
                }
            }
            heard.sort();
            let mut expected: Vec<_> = texts.iter().map(|text| text.as_bytes().to_vec()).collect();
            expected.sort();
            if heard != expected {
                return Err(format!("{heard:?}"));
            }
        }
        CaseStep::Pong(client, data) => expect(host, client, &Incoming::Pong(data.to_vec()))?,
        CaseStep::Closed(client, code) => {
            expect(host, client, &Incoming::Close(code))?;
            expect(host, client, &Incoming::Eof)?;
        }
        CaseStep::End(client) => expect(host, client, &Incoming::Eof)?,
    }
    Ok(())
}

fn expect(host: &mut impl Host, client: usize, expected: &Incoming) -> Result<(), String> {
    let heard = hear(host, client);
    if heard.as_ref() == Some(expected) {
        Ok(())
    } else {
        Err(brief(heard.as_ref()))
    }
}

/// Returns the next thing of note: a ping may come at any time.
fn hear(host: &mut impl Host, client: usize) -> Option<Incoming> {
    loop {
        match host.hear(client) {
            Some(Incoming::Ping(_)) => {}
            other => return other,
        }
    }
}

fn brief(heard: Option<&Incoming>) -> String {
    let Some(heard) = heard else {
        return "heard nothing".to_string();
    };
    let mut text = format!("heard {heard:?}");
    if let Some((end, _)) = text.char_indices().nth(200) {
        text.truncate(end);
    }
    text
}

const KEY: [u8; 4] = [0x37, 0xFA, 0x21, 0x3D];
