//! Tests of TLS: the client's end is of another make than the server's machine, and certificates are
//! of the moment.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, HandshakeKind, RootCertStore, StreamOwned, version};
use stentor_tests::Adapter;
use stentor_tests::process::SOON;
use tempfile::TempDir;

use crate::raw::{RawSocket, TEXT, get, upgrade};
use crate::server::{Metrics, ServerProcess, eventually};

stentor_tests::for_each_adapter! {
    pages_and_sessions_are_served_in_both_versions,
    a_client_that_speaks_without_tls_is_told_and_one_that_speaks_tls_to_a_plain_port_is_closed,
    the_name_of_the_host_chooses_the_certificate,
    new_certificates_serve_new_connections_and_bad_ones_change_nothing,
    sessions_are_resumed_by_another_process_with_the_same_secret,
    clients_without_a_certificate_are_refused_if_they_must_have_one,
    a_pair_that_cannot_be_used_ends_the_program_with_what_is_wrong,
}

/// An authority, and files in a folder.
struct Authority {
    folder: TempDir,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        Self {
            folder: tempfile::tempdir().expect("a folder"),
            issuer: CertifiedIssuer::self_signed(params, key).expect("signed"),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a certificate for this host and its key into files, and returns their names.
    fn issue(&self, file: &str, host: &str) -> (PathBuf, PathBuf) {
        let params = CertificateParams::new([host.to_owned()]).expect("a name");
        self.write(file, params)
    }

    fn write(&self, file: &str, params: CertificateParams) -> (PathBuf, PathBuf) {
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("signed");
        let paths = (
            self.path(&format!("{file}.pem")),
            self.path(&format!("{file}.key")),
        );
        fs::write(&paths.0, certificate.pem()).expect("written");
        fs::write(&paths.1, key.serialize_pem()).expect("written");
        paths
    }

    /// Writes its own certificate into a file.
    fn write_own(&self) -> PathBuf {
        let path = self.path("authority.pem");
        fs::write(&path, self.issuer.pem()).expect("written");
        path
    }

    fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).expect("a certificate");
        roots
    }

    /// Returns the configuration of a client that trusts it.
    fn client(&self) -> Arc<ClientConfig> {
        let builder = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .expect("the provider has them");
        let builder = builder.with_root_certificates(self.roots());
        Arc::new(builder.with_no_client_auth())
    }
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

fn flags((certificate, key): &(PathBuf, PathBuf)) -> String {
    format!(
        "--handler rooms --tls-cert {} --tls-key {} --admin-listen 127.0.0.1:0",
        certificate.display(),
        key.display()
    )
}

/// Returns the metrics, which the listener of TLS does not show to this client.
fn metrics(server: &ServerProcess) -> Metrics {
    let line = server.log().wait_for("admin pages on");
    Metrics::scrape(line.text("address").parse().expect("an address"))
}

type TlsStream = StreamOwned<ClientConnection, TcpStream>;

/// Connects, and finishes the handshake.
fn connect(address: SocketAddr, client: &Arc<ClientConfig>, host: &str) -> io::Result<TlsStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(SOON))?;
    stream.set_nodelay(true)?;
    let host = ServerName::try_from(host.to_owned()).expect("a name");
    let connection = ClientConnection::new(client.clone(), host).expect("a configuration");
    let mut stream = StreamOwned::new(connection, stream);
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock)?;
    }
    Ok(stream)
}

/// Opens a session, says something, and returns the connection.
fn converse(mut stream: TlsStream) -> TlsStream {
    stream.write_all(&upgrade(&[])).expect("it is served");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("a response");
        head.extend(byte);
    }
    assert!(head.starts_with(b"HTTP/1.1 101 "), "{head:?}");
    say(&mut stream, "hello");
    stream
}

/// Says something, of which an echo comes.
fn say(stream: &mut TlsStream, text: &str) {
    let mut frame = vec![0x80 | TEXT, 0x80 | text.len() as u8, 0, 0, 0, 0];
    frame.extend(text.as_bytes());
    stream.write_all(&frame).expect("it is served");
    let mut echo = vec![0; 2 + 5 + text.len()];
    stream.read_exact(&mut echo).expect("an echo");
    assert_eq!(echo[2..], *format!("echo:{text}").as_bytes());
}

/// Returns what comes until the end.
fn read_all(stream: &mut TlsStream) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("a proper end");
    text
}

fn serial_of(stream: &TlsStream) -> Vec<u8> {
    let chain = stream.conn.peer_certificates().expect("a chain");
    chain[0].to_vec()
}

fn pages_and_sessions_are_served_in_both_versions(adapter: Adapter) {
    let authority = Authority::new();
    let pair = authority.issue("a", "localhost");
    let mut server = ServerProcess::start(adapter, &flags(&pair));
    for version in [&version::TLS13, &version::TLS12] {
        let client = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[version])
            .expect("the provider has it")
            .with_root_certificates(authority.roots())
            .with_no_client_auth();
        let client = Arc::new(client);
        let mut page = connect(server.address(), &client, "localhost").expect("a handshake");
        let request = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        page.write_all(request).expect("it is served");
        let answer = read_all(&mut page);
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        let session = connect(server.address(), &client, "localhost").expect("a handshake");
        let mut session = converse(session);
        // A close frame, then the end of TLS, then that of the socket.
        session
            .write_all(&[0x88, 0x82, 0, 0, 0, 0, 0x03, 0xE8])
            .expect("it is served");
        assert_eq!(session.read(&mut [0; 64]).expect("a close frame"), 4);
        assert_eq!(session.read(&mut [0; 64]).expect("a proper end"), 0);
    }
    assert_eq!(metrics(&server).get("stentor_tls_handshakes_total"), 4);
    server.terminate();
    assert!(server.exit_within(SOON).success());
}

fn a_client_that_speaks_without_tls_is_told_and_one_that_speaks_tls_to_a_plain_port_is_closed(
    adapter: Adapter,
) {
    let authority = Authority::new();
    let pair = authority.issue("a", "localhost");
    let server = ServerProcess::start(adapter, &flags(&pair));
    let mut plain = RawSocket::connect(server.address());
    plain.send(&get("/healthz"));
    assert_eq!(plain.response().status, 400);
    assert!(plain.rest().is_empty());
    let other = ServerProcess::start(adapter, "--handler rooms");
    let begun = std::time::Instant::now();
    let error = connect(other.address(), &authority.client(), "localhost");
    assert!(error.is_err());
    assert!(begun.elapsed() < SOON, "at once, not after a time limit");
}

fn the_name_of_the_host_chooses_the_certificate(adapter: Adapter) {
    let authority = Authority::new();
    let first = authority.issue("a", "localhost");
    let second = authority.issue("b", "*.example.com");
    let flags = format!(
        "{} --tls-cert {} --tls-key {}",
        flags(&first),
        second.0.display(),
        second.1.display()
    );
    let server = ServerProcess::start(adapter, &flags);
    let client = authority.client();
    let of = |pair: &(PathBuf, PathBuf)| {
        let read = CertificateDer::from_pem_file(&pair.0);
        read.expect("a certificate").to_vec()
    };
    let stream = connect(server.address(), &client, "localhost").expect("a handshake");
    assert_eq!(serial_of(&stream), of(&first));
    let stream = connect(server.address(), &client, "Chat.example.com").expect("a handshake");
    assert_eq!(serial_of(&stream), of(&second));
    // Who is nobody here gets the first, and does not take it.
    let error = connect(server.address(), &client, "other.org").expect_err("another name");
    assert!(error.to_string().contains("certificate"), "{error}");
}

fn new_certificates_serve_new_connections_and_bad_ones_change_nothing(adapter: Adapter) {
    let authority = Authority::new();
    let pair = authority.issue("a", "localhost");
    let flags = flags(&pair) + " --tls.reload-interval 100ms";
    let server = ServerProcess::start(adapter, &flags);
    let client = authority.client();
    let mut old = converse(connect(server.address(), &client, "localhost").expect("a handshake"));
    let before = serial_of(&old);
    authority.issue("a", "localhost");
    eventually("the new certificate is served", || {
        // Between the two files the pair does not match, which changes nothing.
        let stream = connect(server.address(), &client, "localhost").expect("a handshake");
        serial_of(&stream) != before
    });
    let new = connect(server.address(), &client, "localhost").expect("a handshake");
    let now = serial_of(&new);
    say(&mut old, "still here");
    fs::write(&pair.0, "nonsense").expect("written");
    server.log().wait_for("new certificates cannot be used");
    let stream = connect(server.address(), &client, "localhost").expect("a handshake");
    assert_eq!(serial_of(&stream), now);
    let refused = metrics(&server).get("stentor_tls_reloads_total{result=\"refused\"}");
    assert!(refused >= 1);
    say(&mut old, "and still");
}

fn sessions_are_resumed_by_another_process_with_the_same_secret(adapter: Adapter) {
    let authority = Authority::new();
    let pair = authority.issue("a", "localhost");
    let secret = authority.path("secret");
    fs::write(&secret, "0123456789abcdef0123456789abcdef\n").expect("written");
    let flags = format!(
        "{} --tls.ticket-secret-file {}",
        flags(&pair),
        secret.display()
    );
    let first = ServerProcess::start(adapter, &flags);
    let client = authority.client();
    let mut stream = converse(connect(first.address(), &client, "localhost").expect("a handshake"));
    assert_eq!(stream.conn.handshake_kind(), Some(HandshakeKind::Full));
    say(&mut stream, "the ticket has come by now");
    drop(first);
    let second = ServerProcess::start(adapter, &flags);
    let stream = converse(connect(second.address(), &client, "localhost").expect("a handshake"));
    assert_eq!(stream.conn.handshake_kind(), Some(HandshakeKind::Resumed));
    // Others do not take it.
    let other = ServerProcess::start(adapter, &self::flags(&pair));
    let stream = converse(connect(other.address(), &client, "localhost").expect("a handshake"));
    assert_eq!(stream.conn.handshake_kind(), Some(HandshakeKind::Full));
}

fn clients_without_a_certificate_are_refused_if_they_must_have_one(adapter: Adapter) {
    let authority = Authority::new();
    let pair = authority.issue("a", "localhost");
    let own = authority.issue("client", "client");
    let flags = format!(
        "{} --tls.client-ca {}",
        flags(&pair),
        authority.write_own().display()
    );
    let without = authority.client();
    let with = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .expect("the provider has them")
        .with_root_certificates(authority.roots())
        .with_client_auth_cert(chain_of(&own.0), key_of(&own.1))
        .expect("they match");
    let required = ServerProcess::start(adapter, &flags);
    converse(connect(required.address(), &Arc::new(with), "localhost").expect("a handshake"));
    let refused = connect(required.address(), &without, "localhost").and_then(|mut stream| {
        // In TLS 1.3 a client hears of that behind its handshake.
        stream.read(&mut [0; 1])
    });
    assert!(refused.is_err(), "{refused:?}");
    let optional = ServerProcess::start(adapter, &(flags + " --tls.client-auth optional"));
    converse(connect(optional.address(), &without, "localhost").expect("a handshake"));
}

fn chain_of(path: &Path) -> Vec<CertificateDer<'static>> {
    vec![CertificateDer::from_pem_file(path).expect("a certificate")]
}

fn key_of(path: &Path) -> PrivateKeyDer<'static> {
    PrivateKeyDer::from_pem_file(path).expect("a key")
}

fn a_pair_that_cannot_be_used_ends_the_program_with_what_is_wrong(adapter: Adapter) {
    let authority = Authority::new();
    let good = authority.issue("a", "localhost");
    let other = authority.issue("b", "localhost");
    let mut params = CertificateParams::new(["localhost".to_owned()]).expect("a name");
    params.not_after = date_time_ymd(2020, 1, 1);
    let expired = authority.write("old", params);
    let missing = authority.path("missing.pem");
    let cases: [(&Path, &Path, &str); 4] = [
        (&good.0, &other.1, "does not belong"),
        (&expired.0, &expired.1, "has expired"),
        (&missing, &good.1, "cannot be read"),
        (&good.1, &good.1, "is not in the file"),
    ];
    for (certificate, key, problem) in cases {
        let mut program = adapter.command();
        program.arg("--tls-cert").arg(certificate);
        let output = program.arg("--tls-key").arg(key).output();
        let output = output.expect("the binary runs");
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(text.contains(problem), "{text}");
    }
}
