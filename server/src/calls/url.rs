//! Address of a server that is called.

use std::io;
use std::net::TcpStream;
use std::time::Duration;

use stentor_core::proto::client::Uri;

use super::CallError;

/// How long the server has to answer.
const TIMEOUT: Duration = Duration::from_secs(10);

/// A server, `http://HOST:PORT`, perhaps with a path in front of its own.
#[derive(Debug)]
pub(super) struct ServerUrl {
    /// What follows the scheme, without a slash at the end.
    rest: String,
}

impl ServerUrl {
    /// Parses `http://…` or `ws://…`.
    ///
    /// # Errors
    /// Returns an error for another scheme, or what is no address.
    pub(super) fn parse(text: &str) -> Result<Self, CallError> {
        let (scheme, rest) = text.split_once("://").unwrap_or(("http", text));
        if scheme.eq_ignore_ascii_case("https") || scheme.eq_ignore_ascii_case("wss") {
            return Err(CallError::new("TLS is not available here; use http://"));
        }
        let rest = rest.trim_end_matches('/');
        let is_known = ["http", "ws"]
            .iter()
            .any(|known| scheme.eq_ignore_ascii_case(known));
        let url = Self { rest: rest.into() };
        if !is_known || Uri::parse(&url.socket("")).is_err() || rest.contains('?') {
            return Err(CallError::new(format!(
                "`{text}` is no address of a server"
            )));
        }
        Ok(url)
    }

    /// Returns the URI of a WebSocket at this path.
    pub(super) fn socket(&self, path: &str) -> String {
        format!("ws://{}{path}", self.rest)
    }

    /// Returns host and port, and what stands in front of the paths.
    pub(super) fn parts(&self) -> (&str, &str) {
        let end = self.rest.find('/').unwrap_or(self.rest.len());
        self.rest.split_at(end)
    }

    /// Connects.
    ///
    /// # Errors
    /// Returns an error if nobody listens there.
    pub(super) fn connect(&self) -> Result<TcpStream, CallError> {
        let socket = self.socket("");
        // It was parsed before.
        let uri = Uri::parse(&socket).map_err(|error| CallError::new(error.to_string()))?;
        let stream = TcpStream::connect((uri.host(), uri.port())).and_then(|stream| {
            stream.set_read_timeout(Some(TIMEOUT))?;
            stream.set_write_timeout(Some(TIMEOUT))?;
            stream.set_nodelay(true)?;
            Ok(stream)
        });
        stream.map_err(|error: io::Error| {
            CallError::new(format!("cannot connect to {}: {error}", self.parts().0))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_host_and_perhaps_a_path() {
        for (text, parts, socket) in [
            ("http://a", ("a", ""), "ws://a/x"),
            ("HTTP://a:80/", ("a:80", ""), "ws://a:80/x"),
            ("ws://[::1]:8080", ("[::1]:8080", ""), "ws://[::1]:8080/x"),
            ("a:1/below/", ("a:1", "/below"), "ws://a:1/below/x"),
        ] {
            let url = ServerUrl::parse(text).expect(text);
            assert_eq!(url.parts(), parts, "{text}");
            assert_eq!(url.socket("/x"), socket, "{text}");
        }
        for text in [
            "",
            "https://a",
            "ftp://a",
            "http://",
            "http://a b",
            "http://a/?x",
        ] {
            assert!(ServerUrl::parse(text).is_err(), "{text}");
        }
    }
}
