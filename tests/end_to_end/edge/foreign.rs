//! Tests behind nginx and HAProxy, with the configurations that `docs/proxies.md` shows. Where one of
//! them is not installed, its test is left out, and says so.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use socket2::{Domain, Socket, Type};
use stentor_tests::Adapter;
use tempfile::TempDir;

use super::{listener, peers};
use crate::raw::{RawSocket, frame, get, upgrade};
use crate::server::{ServerProcess, eventually};

stentor_tests::for_each_adapter! {
    behind_nginx_clients_have_their_addresses,
    behind_nginx_on_a_unix_socket_too,
    behind_haproxy_clients_have_their_addresses,
}

const PAGE: &str = include_str!("../../../docs/proxies.md");

/// A proxy that runs. It ends with the value.
struct Proxy {
    child: Child,
    address: SocketAddr,
    _folder: TempDir,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns the configuration of the page in this language.
fn documented(language: &str) -> &'static str {
    let begin = format!("```{language}\n");
    let rest = PAGE.split_once(&begin).expect("a configuration").1;
    rest.split_once("```").expect("its end").0
}

/// Returns an address that is free, though perhaps not for long.
fn free() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("bound")
}

fn is_installed(program: &str) -> bool {
    let found = Path::new("/usr/sbin").join(program).exists();
    if !found {
        eprintln!("{program} is not installed, so this is not tested");
    }
    found
}

impl Proxy {
    fn start(program: &str, args: &[&str], config: &str, address: SocketAddr) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("config");
        let config = config.replace("FOLDER", &folder.path().display().to_string());
        fs::write(&path, config).expect("written");
        let child = Command::new(Path::new("/usr/sbin").join(program))
            .args(args)
            .arg(&path)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::inherit())
            .spawn();
        let proxy = Self {
            child: child.expect("it is installed"),
            address,
            _folder: folder,
        };
        eventually("the proxy listens", || TcpStream::connect(address).is_ok());
        proxy
    }

    fn nginx(server: &str) -> Self {
        let address = free();
        let documented = documented("nginx")
            .replace("127.0.0.1:8080", server)
            .replace("listen 80;", &format!("listen {address};"));
        let config = format!(
            "daemon off; master_process off; pid FOLDER/pid; error_log stderr;\n\
             events {{}}\nhttp {{\naccess_log off;\nclient_body_temp_path FOLDER/a;\n\
             proxy_temp_path FOLDER/b; fastcgi_temp_path FOLDER/c; uwsgi_temp_path FOLDER/d;\n\
             scgi_temp_path FOLDER/e;\n{documented}\n}}\n"
        );
        Self::start("nginx", &["-e", "stderr", "-c"], &config, address)
    }
}

/// Connects from another address than the proxy's, which is trusted.
fn connect_from(ip: [u8; 4], to: SocketAddr) -> RawSocket {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    let own = SocketAddr::from((ip, 0));
    socket.bind(&own.into()).expect("loopback");
    socket.connect(&to.into()).expect("the proxy listens");
    RawSocket::over_any(socket.into())
}

/// Speaks with a server behind a proxy.
fn check(server: &ServerProcess, proxy: &Proxy) {
    let mut open = connect_from([127, 0, 0, 5], proxy.address);
    // A client that pretends to be somebody else.
    open.send(&upgrade(&["X-Forwarded-For: 203.0.113.9"]));
    open.expect_upgrade();
    for n in 0..50 {
        open.say(&format!("join:room{}", n % 3));
        open.expect(&format!("joined:room{}", n % 3));
    }
    let long = "x".repeat(300 << 10);
    open.send(&frame(1, format!("msg:{long}").as_bytes()));
    assert!(open.hear().expect("not the end").text().ends_with(&long));
    let seen: SocketAddr = peers(server)[0].parse().expect("an address");
    assert_eq!(seen.ip().to_string(), "127.0.0.5");
    for _ in 0..10 {
        let mut page = RawSocket::connect(proxy.address);
        page.send(&get("/healthz"));
        assert_eq!(page.response().status, 200);
    }
    open.send(&crate::raw::close(1000));
    assert_eq!(open.expect_close_answer(), Some(1000));
}

fn behind_nginx_clients_have_their_addresses(adapter: Adapter) {
    if !is_installed("nginx") {
        return;
    }
    let flags = "--handler rooms --admin-listen 127.0.0.1:0 --proxy.trusted 127.0.0.1";
    let server = ServerProcess::start(adapter, flags);
    let proxy = Proxy::nginx(&server.address().to_string());
    check(&server, &proxy);
}

fn behind_nginx_on_a_unix_socket_too(adapter: Adapter) {
    if !is_installed("nginx") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("s");
    let unix = format!("unix:{}", path.display());
    let flags =
        format!("--handler rooms --admin-listen 127.0.0.1:0 --proxy.trusted unix --listen {unix}");
    let server = ServerProcess::start(adapter, &flags);
    eventually("it listens", || path.exists());
    let proxy = Proxy::nginx(&unix);
    check(&server, &proxy);
}

fn behind_haproxy_clients_have_their_addresses(adapter: Adapter) {
    if !is_installed("haproxy") {
        return;
    }
    let flags = "--handler rooms --admin-listen 127.0.0.1:0 --proxy.listen 127.0.0.1:0 \
                 --proxy.trusted 127.0.0.1";
    let server = ServerProcess::start(adapter, flags);
    let address = free();
    let config = documented("haproxy")
        .replace("127.0.0.1:8081", &listener(&server, 1).to_string())
        .replace("bind :80", &format!("bind {address}"));
    let proxy = Proxy::start("haproxy", &["-db", "-f"], &config, address);
    // Its checks have a header too.
    server.await_metrics("checked", |metrics| {
        metrics.get("stentor_proxy_headers_total") > 0
    });
    check(&server, &proxy);
    let refused = "stentor_proxy_headers_refused_total";
    assert_eq!(
        server
            .metrics()
            .family(refused)
            .map(|(_, n)| n)
            .sum::<u64>(),
        0
    );
}
