//! nginx in front of a server, as networks have it that do not let everything through.

use std::fs;
use std::io::ErrorKind;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use stentor_tests::process::SOON;
use tempfile::TempDir;

/// Where Debian has it.
const PROGRAM: &str = "/usr/sbin/nginx";

/// Returns the program, if it is there.
pub(crate) fn find() -> Option<PathBuf> {
    let program = PathBuf::from(PROGRAM);
    program.exists().then_some(program)
}

/// A running nginx, with three ports: none passes upgrades, the second no HTTP streaming, and the
/// third no streams at all.
pub(crate) struct Proxy {
    child: Child,
    ports: [u16; 3],
    _folder: TempDir,
}

impl Proxy {
    pub(crate) fn start(program: &Path, server: u16) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let ports = free_ports();
        let refused: [&[&str]; 3] = [
            &[],
            &["/connection/http_stream"],
            &["/connection/http_stream", "/connection/sse"],
        ];
        let servers: String = ports
            .iter()
            .zip(refused)
            .map(|(port, refused)| {
                let refused: String = refused
                    .iter()
                    .map(|path| format!("location = {path} {{ return 502; }}\n"))
                    .collect();
                format!(
                    "server {{ listen 127.0.0.1:{port};\n{refused}\
                     location / {{ proxy_pass http://127.0.0.1:{server}; proxy_http_version 1.1; }} }}\n"
                )
            })
            .collect();
        let path = folder.path().display();
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|name| format!("{name}_temp_path {path}/{name};\n"))
            .concat();
        let configuration = format!(
            "daemon off; master_process off; pid {path}/pid; error_log {path}/error.log;\n\
             events {{}}\nhttp {{ access_log off;\n{temporary}{servers}}}\n"
        );
        let file = folder.path().join("nginx.conf");
        fs::write(&file, configuration).expect("a file");
        let child = Command::new(program)
            .args(["-p".as_ref(), folder.path(), "-c".as_ref(), &file])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("nginx runs");
        let proxy = Self {
            child,
            ports,
            _folder: folder,
        };
        proxy.wait_until_it_listens();
        proxy
    }

    pub(crate) fn ports(&self) -> impl Iterator<Item = u16> + use<> {
        self.ports.into_iter()
    }

    fn wait_until_it_listens(&self) {
        let end = Instant::now() + SOON;
        for port in self.ports {
            while let Err(error) = TcpStream::connect(("127.0.0.1", port)) {
                let is_early = error.kind() == ErrorKind::ConnectionRefused;
                assert!(is_early && Instant::now() < end, "nginx: {error}");
                thread::sleep(Duration::from_millis(20));
            }
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // It has nothing to save.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns ports that nobody has now.
fn free_ports() -> [u16; 3] {
    let listeners = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0").expect("a port"));
    listeners.map(|listener| listener.local_addr().expect("an address").port())
}
