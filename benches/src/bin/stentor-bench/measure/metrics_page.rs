//! Metrics page of a Stentor server, and the values on it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::error::Error;

/// A page in the text format of Prometheus.
#[derive(Clone, Debug)]
pub(crate) struct MetricsPage(String);

impl MetricsPage {
    /// Requests the page from a server.
    pub(crate) fn scrape(address: SocketAddr) -> Result<Self, Error> {
        let failed = || Error::system("the page of metrics");
        let mut socket = TcpStream::connect_timeout(&address, TIMEOUT).map_err(failed())?;
        socket.set_read_timeout(Some(TIMEOUT)).map_err(failed())?;
        let request = "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        socket.write_all(request.as_bytes()).map_err(failed())?;
        let mut page = String::new();
        socket.read_to_string(&mut page).map_err(failed())?;
        Ok(Self(page))
    }

    pub(crate) fn lines(&self) -> impl Iterator<Item = &str> {
        self.0.lines()
    }

    /// Returns the value of a series with its labels, or the sum over all series of a metric if the
    /// name has no labels; 0 if there is none.
    pub(crate) fn sum(&self, name: &str) -> u64 {
        let value = |line: &str| {
            let (series, value) = line.rsplit_once(' ')?;
            let is_meant = match series.strip_prefix(name)? {
                "" => true,
                rest => rest.starts_with('{') && !name.ends_with('}'),
            };
            // Counters are integers, even if they are written as floats.
            let value: f64 = value.parse().ok()?;
            is_meant.then_some(value as u64)
        };
        self.lines().filter_map(value).sum()
    }
}

const TIMEOUT: Duration = Duration::from_secs(5);

#[cfg(test)]
pub(super) fn of(text: &str) -> MetricsPage {
    MetricsPage(text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_behind_their_names() {
        let page = of("# HELP a what it is\na 3\na_b 4\nc{why=\"x\"} 5\nc{why=\"y\"} 6\n");
        assert_eq!([page.sum("a"), page.sum("a_b"), page.sum("c")], [3, 4, 11]);
        assert_eq!([page.sum("c{why=\"y\"}"), page.sum("b")], [6, 0]);
    }
}
