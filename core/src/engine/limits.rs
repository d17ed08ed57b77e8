//! Limits for strangers: connections and sessions of an address, messages and bytes of a connection.

use core::net::IpAddr;

use crate::engine::Engine;
use crate::inspect::closed::CloseInfo;
use crate::proto::http::{HandshakeError, HttpConnection};
use crate::session::address_limiter::{AddressLimiter, Standing};
use crate::session::app_types::AppTypes;
use crate::session::peer::{PeerAddr, RequestOrigin};
use crate::session::phase::Phase;
use crate::session::rate_limits::RateLimits;
use crate::stats::CloseCause;
use crate::sync::Counted;
use crate::time::Timestamp;

impl<A: AppTypes> Engine<A> {
    /// Counts addresses together with other shards.
    pub(crate) fn share_addresses(&mut self, addresses: &AddressLimiter) {
        if let Some(own) = &mut self.addresses {
            own.share(addresses);
        }
    }

    /// Sets who the client of a connection is, which counts among the connections of its address. One
    /// that is too many is told so, and closed.
    pub(crate) fn set_client(&mut self, at: u32, client: PeerAddr) {
        self.leave_address(at);
        self.slots[at].peer = client;
        let address = self.limited(client);
        let (Some(addresses), Some(address)) = (&mut self.addresses, address) else {
            return;
        };
        match addresses.limiter().enter(address) {
            Counted::Yes => addresses.set_standing(at, Standing::Counted),
            Counted::NoPlace => self.counts.links.addresses_untracked += 1,
            Counted::NoLimit => {}
            Counted::Full => {
                let is_told = !self.slots[at].is_answered()
                    && !self.out.is_sealed(at)
                    && addresses.limiter().enter_excess();
                if is_told {
                    addresses.set_standing(at, Standing::Excess);
                    let connection = HttpConnection::new();
                    self.refuse(at, connection, HandshakeError::AddressFull);
                } else {
                    self.count_refused(at, HandshakeError::AddressFull);
                    self.close_socket(at);
                }
            }
        }
    }

    /// Sets who the client of a session is that was [admitted](Self::admit_session).
    pub(crate) fn set_client_of_session(&mut self, at: u32, client: PeerAddr) {
        if self.slots[at].peer == client {
            return;
        }
        self.leave_address(at);
        self.slots[at].peer = client;
        let address = self.limited(client);
        if let (Some(addresses), Some(address)) = (&mut self.addresses, address) {
            let counted = addresses.limiter().enter(address);
            if counted == Counted::Yes {
                addresses.set_standing(at, Standing::Counted);
            }
            self.counts.links.addresses_untracked += u64::from(counted == Counted::NoPlace);
        }
    }

    /// Returns the address of a client whose connections are counted: not that of a trusted proxy, whose
    /// clients are others.
    fn limited(&self, client: PeerAddr) -> Option<IpAddr> {
        let address = client.get().map(|client| client.ip());
        let is_proxy = self.config.proxies.trusts(address);
        address.filter(|_| !is_proxy)
    }

    /// Decides whether the client of a request may open a session.
    ///
    /// # Errors
    /// If its address has too many connections, or opens sessions too fast.
    pub(crate) fn admit_session(
        &mut self,
        at: u32,
        origin: RequestOrigin,
    ) -> Result<(), HandshakeError> {
        let (Some(addresses), Some(address)) = (&self.addresses, self.limited(origin.peer)) else {
            return Ok(());
        };
        let addresses = addresses.limiter();
        if !addresses.may_open(address, self.now) {
            return Err(HandshakeError::AddressRate);
        }
        // A client behind a proxy is known by now only.
        if self.slots[at].peer != origin.peer && addresses.is_full(address) {
            return Err(HandshakeError::AddressFull);
        }
        Ok(())
    }

    /// Counts a connection no longer, since its socket is closed.
    pub(crate) fn leave_address(&mut self, at: u32) {
        if let Some(rates) = &mut self.rates {
            rates.forget(at);
        }
        let peer = self.slots[at].peer;
        if let Some(addresses) = &mut self.addresses
            && addresses.standing(at) != Standing::None
        {
            addresses.leave(at, peer.get().map(|peer| peer.ip()));
        }
    }

    /// Takes note of what a connection has sent. Returns false if it is closed for that.
    pub(crate) fn charge_rate(&mut self, at: u32, bytes: usize, is_message: bool) -> bool {
        let Some(rates) = &mut self.rates else {
            return true;
        };
        let is_excess = rates.charge(at, self.now, u64::from(is_message), bytes);
        if !is_excess || self.slots[at].phase() != Phase::Open {
            return true;
        }
        if self.config.closes_excess {
            let (code, reason) = (self.too_many_messages)(self.out.form(at).codec());
            self.slots[at]
                .decoder
                .handle_failure(&mut self.decode_buffers);
            self.push_close(at, Some(code), reason);
            let ending = CloseInfo::with_code(CloseCause::MessageRate, Some(code));
            self.end(at, ending);
            self.set_deadline(at, self.config.close_timeout);
            return false;
        }
        if rates.set_throttled(at, true) {
            self.counts.links.throttled += 1;
            self.rearm(at);
        }
        true
    }

    /// Returns when a connection that has sent more than it may is read again.
    #[inline]
    pub(crate) fn throttled_until(&self, at: u32) -> Option<Timestamp> {
        let rates = self.rates.as_ref()?;
        let slot = &self.slots[at];
        (rates.is_throttled(at) && slot.phase() == Phase::Open).then(|| rates.resumes(at))
    }

    /// Returns whether a connection has sent more than it may, and is not read.
    #[inline]
    pub(crate) fn is_throttled(&self, at: u32) -> bool {
        let rates = self.rates.as_ref();
        rates.is_some_and(|rates| rates.is_throttled(at))
    }

    /// Has a connection go on that may send again. Returns whether it is one.
    pub(crate) fn end_throttle(&mut self, at: u32) -> bool {
        let is_over = self.throttled_until(at).is_some_and(|end| end <= self.now);
        if is_over && let Some(rates) = &mut self.rates {
            rates.set_throttled(at, false);
            self.schedule(at);
            self.update_reading(at);
        }
        is_over
    }

    /// Returns the bytes of memory of the limits; of a table that shards share, a share.
    pub(crate) fn limit_bytes(&self) -> usize {
        let rates = self.rates.as_ref().map_or(0, RateLimits::memory);
        let addresses = self.addresses.as_ref();
        rates + addresses.map_or(0, |addresses| addresses.memory(self.config.shards))
    }
}
