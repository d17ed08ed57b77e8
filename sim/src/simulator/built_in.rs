//! Simulated servers of the built-in applications.

use stentor_core::{Config, Echo};

use super::{Network, Sim};
use crate::Rooms;

impl Sim<Rooms> {
    /// Returns a server of rooms and tasks, with three workers and room for eight tasks.
    pub fn rooms(network: Network, config: &Config) -> Self {
        Self::rooms_with(network, config, Rooms::default(), 3, 8)
    }

    /// Returns a server of rooms and tasks with so many workers and so much room for tasks.
    pub fn rooms_with(
        network: Network,
        config: &Config,
        rooms: Rooms,
        workers: u16,
        tasks: usize,
    ) -> Self {
        let work = Box::new(|worker, task: &crate::RoomTask| task.run(worker));
        Self::new(network, config, workers, tasks, work, move |_| rooms)
    }
}

impl Sim<Echo> {
    /// Returns a server that echoes.
    pub fn echo(network: Network, config: &Config) -> Self {
        Self::new(
            network,
            config,
            0,
            0,
            Box::new(|_, task| match *task {}),
            |_| Echo,
        )
    }
}
