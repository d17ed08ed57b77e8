//! TLS as the transport of a link, with a client that is not ours: whole and in parts, hostile
//! records, and how both ends say that they are done.

use std::io::{Read as _, Write as _};
use std::sync::Arc;

use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConfig, SupportedProtocolVersion, version,
};
use stentor_core::proto::tls::TlsTransport;
use stentor_core::testing::wire::Opcode;
use stentor_core::{
    CloseCause, Config, ConnId, Context, Decision, Handler, HttpRequest, HttpResponse, Message,
};

use super::{Chat, Net, frame, masked, request};

/// A server's configuration, and that of clients that trust it.
struct Pair {
    server: Arc<ServerConfig>,
    client: Arc<ClientConfig>,
}

fn pair(versions: &[&'static SupportedProtocolVersion]) -> Pair {
    pair_of_clients_with(versions, None)
}

/// Returns configurations of a server whose clients may have this certificate.
fn pair_of_clients_with(
    versions: &[&'static SupportedProtocolVersion],
    certificate_of_client: Option<CertificateDer<'static>>,
) -> Pair {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a name");
    let certificate = CertificateDer::from(made.cert);
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let server = ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(versions)
        .expect("the provider has them");
    let server = match certificate_of_client {
        None => server.with_no_client_auth(),
        Some(certificate) => {
            let mut roots = RootCertStore::empty();
            roots.add(certificate).expect("a certificate");
            let verifier =
                WebPkiClientVerifier::builder_with_provider(roots.into(), provider.clone());
            let verifier = verifier.allow_unauthenticated().build();
            server.with_client_cert_verifier(verifier.expect("roots"))
        }
    };
    let server = server
        .with_single_cert(vec![certificate.clone()], key.into())
        .expect("they match");
    let mut roots = RootCertStore::empty();
    roots.add(certificate).expect("a certificate");
    let client = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .expect("the provider has them")
        .with_root_certificates(roots)
        .with_no_client_auth();
    Pair {
        server: Arc::new(server),
        client: Arc::new(client),
    }
}

/// A client of one connection.
struct Client {
    tls: ClientConnection,
    id: ConnId,
    /// The server has said that it sends nothing more.
    is_over: bool,
    /// The most bytes that are handed in at a time.
    piece: usize,
}

impl Client {
    fn new<H: Handler>(net: &mut Net<H>, pair: &Pair, piece: usize) -> Self {
        let transport = TlsTransport::new(pair.server.clone()).expect("a valid configuration");
        let name = ServerName::try_from("localhost").expect("a name");
        Self {
            tls: ClientConnection::new(pair.client.clone(), name).expect("a valid configuration"),
            id: net.accept(0, Some(Box::new(transport))),
            is_over: false,
            piece,
        }
    }

    /// Exchanges records until both are still; returns what the server said.
    fn exchange<H: Handler>(&mut self, net: &mut Net<H>) -> Vec<u8> {
        let mut heard = Vec::new();
        loop {
            let mut out = Vec::new();
            while self.tls.wants_write() {
                self.tls.write_tls(&mut out).expect("a vector");
            }
            for piece in out.chunks(self.piece) {
                net.send(self.id, piece);
            }
            let bytes = net.take(self.id);
            let mut bytes = &bytes[..];
            if bytes.is_empty() && out.is_empty() {
                return heard;
            }
            while !bytes.is_empty() {
                self.tls.read_tls(&mut bytes).expect("a slice");
                let state = self.tls.process_new_packets().expect("a good server");
                self.is_over |= state.peer_has_closed();
                let mut plain = vec![0; state.plaintext_bytes_to_read()];
                self.tls
                    .reader()
                    .read_exact(&mut plain)
                    .expect("it is there");
                heard.extend(plain);
            }
        }
    }

    fn send<H: Handler>(&mut self, net: &mut Net<H>, bytes: &[u8]) -> Vec<u8> {
        self.tls.writer().write_all(bytes).expect("a buffer");
        self.exchange(net)
    }
}

#[test]
fn a_conversation_in_both_versions_in_any_pieces() {
    for version in [&version::TLS13, &version::TLS12] {
        let pair = pair(&[version]);
        for piece in [1, 2, 5, 6, 100, usize::MAX] {
            for takes in [1, 1_000, usize::MAX] {
                let mut net = Net::new(1, Config::builder(), || Chat);
                net.takes = takes;
                let mut client = Client::new(&mut net, &pair, piece);
                let response = client.send(&mut net, request("/ws").as_bytes());
                assert!(response.starts_with(b"HTTP/1.1 101 "), "{response:?}");
                assert_eq!(client.tls.protocol_version(), Some(version.version));
                let long = vec![b'x'; 50_000];
                let mut said = masked(Opcode::Text, b"?short");
                said.extend(masked(Opcode::Text, &[b"?", &long[..]].concat()));
                let heard = client.send(&mut net, &said);
                let header = [&[0x81, 126][..], &50_000_u16.to_be_bytes()].concat();
                let expected = [frame(Opcode::Text, b"short"), header, long];
                assert!(heard == expected.concat(), "{} bytes", heard.len());
                let close = client.send(&mut net, &masked(Opcode::Close, &[0x03, 0xE8]));
                assert_eq!(close, [0x88, 2, 0x03, 0xE8]);
                assert!(
                    client.is_over,
                    "a close without a word could be somebody else's"
                );
                assert_eq!(net.closed, [client.id]);
            }
        }
    }
}

#[test]
fn what_a_handshake_needs_is_used_again_for_the_next() {
    let pair = pair(&[&version::TLS13]);
    let mut net = Net::new(1, Config::builder(), || Chat);
    let charged = |net: &mut Net<Chat>, connections: usize| {
        for _ in 0..connections {
            let mut client = Client::new(net, &pair, usize::MAX);
            client.send(net, request("/ws").as_bytes());
        }
        net.stats().links.charged_bytes
    };
    let before = charged(&mut net, 30);
    let each = (charged(&mut net, 200) - before) / 200;
    // Much of it is the state of rustls, and nothing is of its flight of a thousand bytes.
    assert!((3_000..4_200).contains(&each), "{each} bytes each");
}

/// Answers each request with the certificate of the client.
struct Mirror;

impl Handler for Mirror {
    type State = ();
    type Task = ();
    type Outcome = ();

    fn on_request(&mut self, request: &HttpRequest<'_>) -> Decision<Self> {
        if request.path() == "/held" {
            return Decision::Hold(());
        }
        Decision::Respond(certificate_of(request))
    }

    fn on_held(&mut self, ctx: &mut Context<'_, Self>, request: &HttpRequest<'_>) {
        ctx.respond(certificate_of(request));
    }

    fn on_message(&mut self, _: &mut Context<'_, Self>, _: Message<'_>) {}
}

fn certificate_of(request: &HttpRequest<'_>) -> HttpResponse {
    let certificate = request.client_certificate().unwrap_or(b"none");
    HttpResponse::new(200).body("text/plain", certificate.to_vec())
}

#[test]
fn the_application_gets_the_certificate_of_the_client() {
    for version in [&version::TLS13, &version::TLS12] {
        let made = rcgen::generate_simple_self_signed(["device-7".to_owned()]).expect("a name");
        let certificate = CertificateDer::from(made.cert);
        let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
        let without = pair_of_clients_with(&[version], Some(certificate.clone()));
        let provider = without.client.crypto_provider();
        let own = CertifiedKey::from_der(vec![certificate.clone()], key.into(), provider);
        let own = SingleCertAndKey::from(own.expect("they match"));
        let mut client = ClientConfig::clone(&without.client);
        client.client_auth_cert_resolver = Arc::new(own);
        let with = Pair {
            server: without.server.clone(),
            client: Arc::new(client),
        };
        for path in ["/", "/held"] {
            let request = format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n");
            let mut net = Net::new(1, Config::builder(), || Mirror);
            let mut client = Client::new(&mut net, &without, usize::MAX);
            let response = client.send(&mut net, request.as_bytes());
            assert!(response.ends_with(b"\r\n\r\nnone"), "{path}");
            let mut client = Client::new(&mut net, &with, 7);
            let response = client.send(&mut net, request.as_bytes());
            assert!(response.ends_with(&certificate), "{path}");
        }
    }
}

#[test]
fn a_client_that_says_it_is_done_has_ended() {
    let pair = pair(&[&version::TLS13]);
    let mut net = Net::new(1, Config::builder(), || Chat);
    let mut client = Client::new(&mut net, &pair, usize::MAX);
    client.send(&mut net, request("/ws").as_bytes());
    client.tls.send_close_notify();
    client.exchange(&mut net);
    assert_eq!(net.stats().closed[CloseCause::Eof as usize], 1);
    assert_eq!(net.closed, [client.id]);
}

#[test]
fn a_client_that_does_not_speak_tls_is_told_so() {
    let pair = pair(&[&version::TLS13]);
    let mut net = Net::new(1, Config::builder(), || Chat);
    let client = Client::new(&mut net, &pair, usize::MAX);
    net.send(client.id, request("/ws").as_bytes());
    let answer = String::from_utf8(net.take(client.id)).expect("text");
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert!(answer.ends_with("https or wss.\n"), "{answer}");
    assert_eq!(net.closed, [client.id]);
}

#[test]
fn changed_bytes_end_the_connection_with_an_alert() {
    let pair = pair(&[&version::TLS13]);
    let mut net = Net::new(1, Config::builder(), || Chat);
    let mut victim = Client::new(&mut net, &pair, usize::MAX);
    let mut other = Client::new(&mut net, &pair, usize::MAX);
    victim.send(&mut net, request("/ws").as_bytes());
    other.send(&mut net, request("/ws").as_bytes());
    let mut record = Vec::new();
    let frame = masked(Opcode::Text, b"?x");
    victim.tls.writer().write_all(&frame).expect("a buffer");
    victim.tls.write_tls(&mut record).expect("a vector");
    let last = record.len() - 1;
    record[last] ^= 1;
    net.send(victim.id, &record);
    assert!(!net.take(victim.id).is_empty(), "an alert");
    assert_eq!(net.closed, [victim.id]);
    assert_eq!(net.stats().closed[CloseCause::Transport as usize], 1);
    let heard = other.send(&mut net, &masked(Opcode::Text, b"?y"));
    assert!(heard.ends_with(b"y"), "{heard:?}");
}

#[test]
fn nothing_that_is_no_handshake_is_taken() {
    let pair = pair(&[&version::TLS13]);
    for junk in [
        &b"\x16\x03\x01\xFF\xFF"[..],
        b"\x17\x03\x03\0\x05hello",
        b"\x15\x03\x03\0\x02\x02\x28",
        b"\0\0\0\0\0\0\0\0",
        b"\x80\x2E\x01\0\x02",
        &[0xFF; 20_000],
    ] {
        let mut net = Net::new(1, Config::builder(), || Chat);
        let client = Client::new(&mut net, &pair, usize::MAX);
        net.send(client.id, junk);
        assert_eq!(net.closed, [client.id], "{junk:?}");
        net.shards[0].assert_bare();
    }
}
