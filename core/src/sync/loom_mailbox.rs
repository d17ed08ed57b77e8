//! Models of [`Mailbox`]: every interleaving of writers, reader and close.

use alloc::collections::VecDeque;
use alloc::vec;
use alloc::vec::Vec;

use crate::sync::primitive::{Arc, thread};
use crate::sync::{Mailbox, model};

/// The reader sleeps after every drain, even one that found something, which is the hardest
/// reader there is: any wake lost leaves it asleep for good, which loom reports as a deadlock.
#[test]
fn loom_no_wake_is_lost() {
    model(|| {
        let mailbox = Arc::new(Mailbox::new());
        let writers: Vec<_> = (0..2)
            .map(|writer| {
                let (mailbox, reader) = (mailbox.clone(), thread::current());
                thread::spawn(move || {
                    for n in 0..2 {
                        if mailbox.push((writer, n)).expect("open") {
                            reader.unpark();
                        }
                    }
                })
            })
            .collect();
        let (mut to, mut seen) = (VecDeque::new(), 0);
        while seen < 4 {
            thread::park();
            seen += mailbox.drain_into(&mut to);
            to.clear();
        }
        join(writers);
    });
}

#[test]
fn loom_no_wake_is_lost_with_push_all() {
    model(|| {
        let mailbox = Arc::new(Mailbox::new());
        let writers: Vec<_> = (0..2)
            .map(|_| {
                let (mailbox, reader) = (mailbox.clone(), thread::current());
                thread::spawn(move || {
                    let mut nothing = Vec::new();
                    assert!(
                        !mailbox.push_all(&mut nothing).expect("open"),
                        "nothing came, nobody wakes"
                    );
                    if mailbox.push_all(&mut vec![1, 2]).expect("open") {
                        reader.unpark();
                    }
                })
            })
            .collect();
        let (mut to, mut seen) = (VecDeque::new(), 0);
        while seen < 4 {
            thread::park();
            let count = mailbox.drain_into(&mut to);
            assert!(count % 2 == 0, "a bundle comes whole");
            seen += count;
            to.clear();
        }
        join(writers);
    });
}

#[test]
fn loom_each_writer_is_read_in_its_order() {
    model(|| {
        let mailbox = Arc::new(Mailbox::new());
        let (one, other) = (mailbox.clone(), mailbox.clone());
        let writers = vec![
            thread::spawn(move || {
                for n in 0..3 {
                    one.push((0, n)).expect("open");
                }
            }),
            thread::spawn(move || {
                other.push_all(&mut vec![(1, 0), (1, 1)]).expect("open");
                other.push((1, 2)).expect("open");
            }),
        ];
        let mut to = VecDeque::new();
        mailbox.drain_into(&mut to);
        mailbox.drain_into(&mut to);
        join(writers);
        mailbox.drain_into(&mut to);
        for writer in 0..2 {
            let order: Vec<_> = to
                .iter()
                .filter(|message| message.0 == writer)
                .map(|message| message.1)
                .collect();
            assert_eq!(order, [0, 1, 2]);
        }
    });
}

#[test]
fn loom_a_message_is_read_or_returned() {
    model(|| {
        let mailbox = Arc::new(Mailbox::new());
        let writers: Vec<_> = (0..2)
            .map(|writer| {
                let mailbox = mailbox.clone();
                thread::spawn(move || {
                    let mut back: Vec<_> = mailbox.push(writer * 10).err().into_iter().collect();
                    let mut bundle = vec![writer * 10 + 1, writer * 10 + 2];
                    if mailbox.push_all(&mut bundle).is_err() {
                        back.append(&mut bundle);
                    }
                    back
                })
            })
            .collect();
        mailbox.close();
        let mut all = VecDeque::new();
        mailbox.drain_into(&mut all);
        let back: Vec<_> = writers
            .into_iter()
            .flat_map(|w| w.join().expect("a model does not panic"))
            .collect();
        assert!(
            mailbox.is_empty(),
            "nothing comes after the drain that follows the close"
        );
        all.extend(back);
        all.make_contiguous().sort_unstable();
        assert_eq!(all, [0, 1, 2, 10, 11, 12]);
    });
}

fn join(threads: Vec<thread::JoinHandle<()>>) {
    for thread in threads {
        thread.join().expect("a model does not panic");
    }
}
