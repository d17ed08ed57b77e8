//! The command `dev-cert`: makes a certificate for this machine, to try TLS with.

use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use clap::{Arg, ArgAction, ArgMatches, Command};
use rcgen::{CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair};
use rcgen::{IsCa, KeyUsagePurpose};

use crate::calls::CallError;

const NAME: &str = "dev-cert";

/// Runs the command if it is the first argument after the name of the program, and writes what it
/// prints to `out`.
pub(crate) fn run(
    args: &[OsString],
    now: SystemTime,
    out: &mut impl Write,
) -> Option<Result<(), CallError>> {
    if args.get(1)? != NAME {
        return None;
    }
    let matches = Command::new(args[0].to_string_lossy().into_owned())
        .subcommand_required(true)
        .subcommand(command())
        .try_get_matches_from(args);
    Some(matches.map_err(CallError::Usage).and_then(|matches| {
        let (_, matches) = matches.subcommand().expect("clap requires one");
        create(matches, now, out)
    }))
}

fn command() -> Command {
    Command::new(NAME)
        .about("Makes a certificate for this machine and its key, to try TLS with")
        .arg(
            Arg::new("dir")
                .long("dir")
                .value_name("FOLDER")
                .default_value(".")
                .help("Where dev-cert.pem and dev-cert.key are written"),
        )
        .arg(
            Arg::new("host")
                .long("host")
                .value_name("HOST")
                .action(ArgAction::Append)
                .help("A further name or address of the server; repeatable"),
        )
        .arg(
            Arg::new("force")
                .long("force")
                .action(ArgAction::SetTrue)
                .help("Replaces the files if they are there"),
        )
}

fn create(matches: &ArgMatches, now: SystemTime, out: &mut impl Write) -> Result<(), CallError> {
    let folder = matches.get_one::<String>("dir").map(PathBuf::from);
    let folder = folder.unwrap_or_default();
    let given = matches.get_many::<String>("host").unwrap_or_default();
    let mut hosts: Vec<String> = HOSTS.map(Into::into).to_vec();
    hosts.extend(given.cloned());
    let (certificate, key) =
        make(hosts.clone(), now).map_err(|error| CallError::Failed(error.to_string()))?;
    let paths = [folder.join("dev-cert.pem"), folder.join("dev-cert.key")];
    let replaces = matches.get_flag("force");
    if let Some(path) = paths.iter().find(|path| !replaces && path.exists()) {
        let path = path.display();
        return Err(CallError::Failed(format!(
            "{path} is there already; --force replaces it"
        )));
    }
    fs::create_dir_all(&folder)?;
    // The key first: a server that watches them takes the pair once the certificate is there.
    write(&paths[1], &key, 0o600)?;
    write(&paths[0], &certificate, 0o644)?;
    let [certificate, key] = paths.map(|path| path.display().to_string());
    writeln!(
        out,
        "{certificate} and {key} are valid for {DAYS} days, for {}.\n\
         Serve:   --tls-cert {certificate} --tls-key {key}\n\
         Connect: curl --cacert {certificate} https://localhost:8080/healthz",
        hosts.join(", "),
    )?;
    Ok(())
}

/// Returns a certificate that is signed by its own key, and that key, in PEM.
fn make(hosts: Vec<String>, now: SystemTime) -> Result<(String, String), rcgen::Error> {
    let mut params = CertificateParams::new(hosts)?;
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, "Stentor development certificate");
    params.distinguished_name = name;
    params.not_before = (now - HOUR).into();
    params.not_after = (now + DAYS * 24 * HOUR).into();
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let key = KeyPair::generate()?;
    let certificate = params.self_signed(&key)?;
    Ok((certificate.pem(), key.serialize_pem()))
}

/// Writes a file beside its place and renames it, so that nobody reads half of it.
fn write(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    let beside = path.with_extension("new");
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(mode);
    let mut file = options.open(&beside)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&beside, path)
}

const HOSTS: [&str; 3] = ["localhost", "127.0.0.1", "::1"];
const HOUR: Duration = Duration::from_secs(3_600);
/// As long as certificates of public authorities.
const DAYS: u32 = 90;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::tls::{TlsOptions, TlsServer};

    fn run_in(folder: &Path, more: &[&str]) -> Result<String, CallError> {
        let args = ["stentor", NAME, "--dir", folder.to_str().expect("UTF-8")];
        let args: Vec<OsString> = args.iter().chain(more).map(Into::into).collect();
        let mut out = Vec::new();
        let result = run(&args, SystemTime::now(), &mut out).expect("it is this command");
        result.map(|()| String::from_utf8(out).expect("text"))
    }

    #[test]
    fn a_server_takes_the_pair_and_only_its_owner_reads_the_key() {
        let folder = tempfile::tempdir().expect("a folder");
        let below = folder.path().join("below");
        let said = run_in(&below, &["--host", "chat.test"]).expect("made");
        assert!(
            said.contains("--tls-cert ") && said.contains("chat.test"),
            "{said}"
        );
        let pair = (below.join("dev-cert.pem"), below.join("dev-cert.key"));
        let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
        assert_eq!((mode(&pair.0), mode(&pair.1)), (0o644, 0o600));
        let options = TlsOptions {
            pairs: vec![pair.clone()],
            ..TlsOptions::default()
        };
        let now = SystemTime::now();
        let server = TlsServer::new(&options, now).expect("a server takes it");
        let expires = server.certificates().status().expires;
        let now = now
            .duration_since(SystemTime::UNIX_EPOCH)
            .expect("after it");
        assert_eq!((expires - now.as_secs() as i64 + 60) / 86_400, 90);
        // What is there stays, unless that is wanted.
        let before = fs::read(&pair.1).expect("there");
        let refused = run_in(&below, &[]).expect_err("it is there");
        assert!(refused.to_string().contains("--force"), "{refused}");
        assert_eq!(fs::read(&pair.1).expect("there"), before);
        run_in(&below, &["--force"]).expect("made");
        assert_ne!(fs::read(&pair.1).expect("there"), before);
        assert!(TlsServer::new(&options, SystemTime::now()).is_ok());
        assert_eq!(fs::read_dir(&below).expect("there").count(), 2);
    }

    #[test]
    fn other_arguments_are_for_others() {
        for args in [
            &["stentor"][..],
            &["stentor", "config"],
            &["stentor", "--dev-cert"],
        ] {
            let args: Vec<OsString> = args.iter().map(Into::into).collect();
            assert!(run(&args, SystemTime::now(), &mut Vec::new()).is_none());
        }
        let wrong = run_in(Path::new("/"), &["--port", "1"]).expect_err("no such flag");
        assert_eq!(wrong.exit_code(), 2);
    }
}
