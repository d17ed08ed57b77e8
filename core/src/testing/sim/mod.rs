//! A server of any number of shards in one thread: fake sockets, virtual time, one seed.
