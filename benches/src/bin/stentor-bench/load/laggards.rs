//! Owns the proof that members who do not read hurt nobody but themselves: a room
//! is told things at a part of the rate that the server can keep up, first without
//! such members, then with them. It speaks Stentor's room protocol, and asks its
//! metrics what became of everything.

use std::time::Duration;

use clap::Args;
use serde::Serialize;
use stentor_core::MessageType;

use super::crowd::{Crowd, Speech, join};
use super::misfit::{Chatterbox, Mute, Sleeper};
use super::sustain::{Flow, PATIENCE, Shape, Timing, sustain};
use super::{Place, at_least_one};
use crate::fault::Fault;
use crate::measure::Page;
use crate::net::{Fleet, raise_open_files};

/// A room of which some members do not read, beside the same room without them
#[derive(Clone, Debug, Args)]
pub(crate) struct Laggards {
    /// Members who read
    #[arg(short, long, default_value_t = 900, value_parser = at_least_one)]
    pub(crate) members: usize,
    /// Members who never read
    #[arg(long, default_value_t = 100)]
    pub(crate) stuck: usize,
    /// Adds one whose process is stopped, one that has shut its read side, and one
    /// that sends and never reads
    #[arg(long)]
    pub(crate) misfits: bool,
    /// Bytes of a message
    #[arg(short = 's', long, default_value_t = 128, value_parser = at_least_one)]
    pub(crate) bytes: usize,
    /// Percent of the rate that the server can keep up
    #[arg(long, default_value_t = 70, value_parser = clap::value_parser!(u8).range(1..=100))]
    pub(crate) load: u8,
}

/// What came of it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Lagged {
    pub(crate) stuck: usize,
    /// Messages to the room each second, as many as the server can keep up.
    pub(crate) saturated: f64,
    /// Without those who do not read.
    pub(crate) without: Flow,
    /// With them.
    pub(crate) with: Flow,
    /// Messages that could not be said when they were due, without and with them.
    pub(crate) late: [u64; 2],
    /// What the server counted while they were there.
    pub(crate) counted: Counters,
    /// How the process that was stopped ended once it went on, if it did.
    pub(crate) woken: Option<String>,
}

/// What the server says became of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Counters {
    pub(crate) published: u64,
    pub(crate) offered: u64,
    pub(crate) written: u64,
    pub(crate) refused: u64,
    pub(crate) lost: u64,
    pub(crate) waiting: u64,
}

impl Laggards {
    pub(crate) fn run(&self, place: &Place, timing: Timing) -> Result<Lagged, Fault> {
        raise_open_files(self.members + self.stuck)?;
        let saturated = self.saturate(place)?;
        let every = Duration::from_secs_f64(100.0 / (saturated * f64::from(self.load)));
        let (without, _, late_without) = self.speak(place, timing, every)?;

        let before = Page::scrape(place.target.address)?;
        let stuck = (0..self.stuck).map(|_| Mute::join(place));
        let _stuck = stuck.collect::<Result<Vec<_>, Fault>>()?;
        let mut sleeper = None;
        let mut others = None;
        if self.misfits {
            sleeper = Some(Sleeper::join(&place.url)?);
            let half = Mute::join(place)?;
            half.shut_read()?;
            others = Some((half, Chatterbox::begin(Mute::join(place)?)?));
        }
        let (with, published, late_with) = self.speak(place, timing, every)?;
        let woken = match &mut sleeper {
            Some(sleeper) => sleeper.wake()?,
            None => None,
        };
        drop(others);
        let after = Page::scrape(place.target.address)?;
        let counted = Counters::between(&before, &after, published);
        counted.check(self.members as u64)?;
        Ok(Lagged {
            stuck: self.stuck,
            saturated,
            without,
            with,
            late: [late_without, late_with],
            counted,
            woken,
        })
    }

    /// How many messages a second come to all members who read.
    fn saturate(&self, place: &Place) -> Result<f64, Fault> {
        let mut fleet = self.gather(place)?;
        let mut crowd = self.crowd(None);
        let timing = Timing {
            seconds: 3.0,
            warm_up: 1.0,
        };
        let flow = sustain(
            &mut fleet,
            &mut crowd,
            place,
            timing,
            self.shape("as fast as it goes"),
        )?;
        crowd.finish(&mut fleet)?;
        Ok(flow.messages_a_second / self.members as f64)
    }

    /// Tells the room things at this pace: what came of it, how many things, and
    /// how many of them were late.
    fn speak(
        &self,
        place: &Place,
        timing: Timing,
        every: Duration,
    ) -> Result<(Flow, u64, u64), Fault> {
        let mut fleet = self.gather(place)?;
        let mut crowd = self.crowd(Some(every));
        let flow = sustain(
            &mut fleet,
            &mut crowd,
            place,
            timing,
            self.shape("at a pace"),
        )?;
        let late = crowd.late;
        let published = crowd.finish(&mut fleet)?;
        Ok((flow, published, late))
    }

    fn gather(&self, place: &Place) -> Result<Fleet, Fault> {
        let mut fleet = Fleet::new(&place.target)?;
        fleet.open(self.members, PATIENCE)?;
        join(&mut fleet)?;
        Ok(fleet)
    }

    fn crowd(&self, every: Option<Duration>) -> Crowd {
        Crowd::new(Speech {
            members: self.members,
            in_flight: if every.is_some() {
                MOST_UNDER_WAY
            } else {
                UNDER_WAY
            },
            bytes: self.bytes,
            kind: MessageType::Text,
            every,
            acknowledged: false,
            is_raw: false,
        })
    }

    const fn shape<'a>(&self, name: &'a str) -> Shape<'a> {
        Shape {
            name,
            connections: self.members,
            in_flight: UNDER_WAY,
            bytes: self.bytes,
        }
    }
}

impl Counters {
    fn between(before: &Page, after: &Page, published: u64) -> Self {
        let more = |name: &str| after.sum(name).saturating_sub(before.sum(name));
        let dropped = |why| {
            more(&format!(
                "stentor_messages_dropped_total{{reason=\"{why}\"}}"
            ))
        };
        let refused = dropped("refused_full") + dropped("refused_closing");
        Self {
            published,
            offered: more("stentor_messages_offered_total"),
            written: more("ws_messages_sent_total"),
            refused,
            lost: more("stentor_messages_dropped_total") - refused,
            waiting: more("ws_send_queue_length"),
        }
    }

    /// Whether it adds up: everything offered has become something, and those who
    /// read, so many, were offered and got everything.
    fn check(&self, readers: u64) -> Result<(), Fault> {
        let Self {
            published,
            offered,
            written,
            refused,
            lost,
            waiting,
        } = *self;
        let heard = published * readers;
        if offered == refused + written + lost + waiting && offered >= heard && written >= heard {
            return Ok(());
        }
        Err(Fault::Program(format!(
            "the server's counters do not add up: {self:?}, with {readers} readers"
        )))
    }
}

/// Messages that may be on their way while the server is driven as fast as it goes.
const UNDER_WAY: usize = 16;
/// Messages that may be on their way at a pace before one counts as late.
const MOST_UNDER_WAY: usize = 4_096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_add_up_is_told() {
        let right = Counters {
            published: 10,
            offered: 60,
            written: 52,
            refused: 3,
            lost: 4,
            waiting: 1,
        };
        assert!(right.check(5).is_ok());
        assert!(right.check(6).is_err(), "one of them missed something");
        let wrong = Counters { lost: 5, ..right };
        assert!(wrong.check(5).is_err());
    }
}
