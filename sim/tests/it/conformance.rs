//! Runs of the conformance script that need no socket: against the bare protocol machine, and
//! against servers in the simulator.

use std::collections::HashMap;

use stentor_core::{Config, Handler};
use stentor_sim::Rooms;
use stentor_sim::conformance::{Application, Bare, Host, cases, run};
use stentor_sim::simulator::{Incoming, Network, Sim};

struct Simulated<H: Handler> {
    sim: Sim<H>,
    shards: usize,
    clients: Vec<usize>,
    /// How much of what a client has heard was asked for.
    told: HashMap<usize, usize>,
}

impl<H: Handler> Simulated<H> {
    fn new(sim: Sim<H>, shards: usize) -> Self {
        let (clients, told) = (Vec::new(), HashMap::new());
        Self {
            sim,
            shards,
            clients,
            told,
        }
    }
}

impl<H: Handler> Host for Simulated<H> {
    fn open(&mut self) {
        let client = self.sim.connect(self.clients.len() % self.shards);
        self.sim.settle();
        assert!(self.sim.client(client).is_upgraded());
        self.sim.client_mut(client).closes = false;
        self.clients.push(client);
    }

    fn send(&mut self, client: usize, bytes: &[u8]) {
        self.sim.send_bytes(self.clients[client], bytes);
    }

    fn shut(&mut self, client: usize) {
        self.sim.shut(self.clients[client]);
    }

    fn hear(&mut self, client: usize) -> Option<Incoming> {
        self.sim.settle();
        let told = self.told.entry(client).or_insert(1);
        let heard = self
            .sim
            .client(self.clients[client])
            .heard
            .get(*told)
            .cloned();
        *told += usize::from(heard.is_some());
        heard
    }
}

#[test]
fn the_bare_machine() {
    for case in cases().filter(|case| case.application == Application::Echo) {
        run(case, &mut Bare::default()).expect("conformance");
    }
}

#[test]
fn simulated_servers() {
    for shards in [1, 2, 4] {
        for seed in 0..8 {
            for mut network in [Network::smooth(seed), Network::rough(seed)] {
                network.detached = seed % 2 == 1;
                let config = Config::builder()
                    .shards(shards)
                    .seed(seed)
                    .build()
                    .expect("in range");
                for case in cases() {
                    let shards = usize::from(shards);
                    let outcome = match case.application {
                        Application::Echo => run(
                            case,
                            &mut Simulated::new(Sim::echo(network, &config), shards),
                        ),
                        Application::Rooms => run(
                            case,
                            &mut Simulated::new(one_worker(network, &config), shards),
                        ),
                    };
                    outcome.unwrap_or_else(|failure| panic!("seed {seed}: {failure}"));
                }
            }
        }
    }
}

fn one_worker(network: Network, config: &Config) -> Sim<Rooms> {
    Sim::rooms_with(network, config, Rooms::default(), 1, 8)
}
