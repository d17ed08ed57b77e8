//! Rules of a server for the decision on a request.

use alloc::borrow::Cow;
use alloc::string::String;
#[cfg(test)]
use alloc::vec::Vec;

use crate::proto::http::{Hosts, Pages};
use crate::proto::ws::deflate::Terms;
use crate::proto::ws::upgrade::origin::Origins;

/// The rules of a server for [`decide`](crate::proto::ws::upgrade::decide).
#[derive(Clone, Copy, Debug)]
pub struct Policy<'a> {
    /// The only paths that are upgraded; none leaves that to the application.
    pub paths: &'a [Cow<'static, str>],
    /// Allowed values of `Host`.
    pub hosts: &'a Hosts,
    /// Allowed values of `Origin`.
    pub origins: &'a Origins,
    /// Supported subprotocols in order of preference.
    pub subprotocols: &'a [String],
    /// The terms for offers of permessage-deflate; `None` declines every offer.
    pub deflate: Option<Terms>,
    /// The pages that are answered without the application.
    pub pages: &'a Pages,
}

impl Policy<'_> {
    /// Returns whether this is one of the paths.
    pub(super) fn has_path(&self, path: &str) -> bool {
        self.paths.iter().any(|listed| *listed == *path)
    }
}

#[cfg(test)]
impl Policy<'_> {
    /// Any host, no foreign origin, no subprotocol, no compression, no page.
    pub(crate) const TEST: Policy<'static> = Policy {
        paths: &[Cow::Borrowed("/ws")],
        hosts: &Hosts {
            any: true,
            allowed: Vec::new(),
        },
        origins: &Origins {
            loopback: false,
            any: false,
            allowed: Vec::new(),
        },
        subprotocols: &[],
        deflate: None,
        pages: &Pages::new(),
    };
}
