//! Secrets: from files, and nowhere shown.

use std::ffi::OsString;
use std::io;
use std::path::Path;

use stentor_server::metrics::{self, Snapshot};
use stentor_server::{Settings, SettingsError};

const KEYS: [&str; 6] = [
    "client.token.hmac_secret_key",
    "client.token.hmac_previous_secret_key",
    "client.subscription_token.hmac_secret_key",
    "client.subscription_token.hmac_previous_secret_key",
    "http_api.key",
    "http_api.previous_key",
];

fn parse(args: &[&str], file: &str) -> Result<Settings, SettingsError> {
    let args = ["stentor", "--config=stentor.toml"].iter().chain(args);
    let read = |path: &Path| match path.to_str() {
        Some("stentor.toml") => Ok(file.into()),
        Some("unix") => Ok("a secret\n".into()),
        Some("windows") => Ok("a secret\r\n".into()),
        Some("bare") => Ok("a secret".into()),
        Some("lines") => Ok("a secret\n\n".into()),
        Some("empty") => Ok("\n".into()),
        _ => Err(io::ErrorKind::NotFound.into()),
    };
    Settings::parse(args, |_| None, read)
}

fn error_text(args: &[&str], file: &str) -> String {
    parse(args, file).expect_err("invalid settings").to_string()
}

#[test]
fn a_file_has_a_secret_and_perhaps_one_line_break() {
    use stentor_gateway::token::{Algorithm, HmacKey, TokenBuilder};
    let verifies = |file: &str, secret: &str| {
        let settings = parse(&["--client.token.hmac-secret-key-file", file], "");
        let settings = settings.expect("valid settings");
        let key = HmacKey::new(secret.as_bytes()).expect("a secret");
        let token = TokenBuilder::new()
            .sign(&key, Algorithm::Hs256)
            .expect("signed");
        let verifier = settings.gateway.tokens.as_ref().expect("a key");
        verifier
            .verify_connection(&token, 0, &mut Vec::new())
            .is_ok()
    };
    for file in ["unix", "windows", "bare"] {
        assert!(verifies(file, "a secret"), "{file}");
    }
    assert!(verifies("lines", "a secret\n"));
    assert!(!verifies("lines", "a secret"));
}

#[test]
fn a_file_that_gives_no_secret_is_an_error() {
    for key in KEYS {
        let rest = "client.token.hmac_secret_key";
        let flag = format!("--{}-file", key.replace('_', "-"));
        for (file, problem) in [
            ("none", "names a file that cannot be read: none: "),
            ("empty", "names a file that is empty: empty"),
        ] {
            let text = error_text(&[&flag, file], "");
            let begin = format!("`{key}_file` from the flag {flag} {problem}");
            assert!(text.starts_with(&begin), "{text}");
        }
        let both = format!("{key} = \"hidden\"\n{key}_file = \"unix\"\n");
        let text = error_text(&[], &both);
        let begin =
            format!("`{key}` from the file stentor.toml cannot be used together with `{key}_file`");
        assert!(
            text.contains(&begin) && !text.contains("hidden"),
            "{rest}: {text}"
        );
    }
}

#[test]
fn errors_show_no_secret() {
    const SECRET: &str = "hidden-from-all";
    let bytes = |text: &str| OsString::from(text);
    for key in KEYS {
        let files = [
            format!("{key} = [\"{SECRET}\"]"),
            format!("{key} = {{ value = \"{SECRET}\" }}"),
            format!("{key} = {SECRET}"),
            format!("{key} = \"{SECRET}\n"),
            format!("{key} = \"{SECRET}\"\n{key} = \"{SECRET}\""),
            format!("{key}s = \"{SECRET}\""),
            format!("{key} = \"{SECRET}\"\n{key}_file = \"{key}\""),
        ];
        for file in files {
            let text = error_text(&[], &file);
            assert!(!text.contains(SECRET), "{file}: {text}");
        }
        let section = key.rsplit_once('.').expect("a section").0;
        let text = error_text(&[], &format!("{section} = \"{SECRET}\""));
        assert!(!text.contains(SECRET), "{text}");
        let json = format!("{{\"{}\": \"{SECRET}\" x}}", key.replace('.', "\": {\""));
        let args = ["stentor", "--config=stentor.json"];
        let error = Settings::parse(args, |_| None, |_| Ok(json.clone()));
        assert!(!error.expect_err("no JSON").to_string().contains(SECRET));
        let flag = format!("--{}", key.replace('_', "-"));
        for args in [
            vec![format!("{flag}={SECRET}"), format!("{flag}={SECRET}")],
            vec![format!("{flag}x={SECRET}")],
            vec![format!("{flag}x"), SECRET.into()],
        ] {
            let args: Vec<_> = args.iter().map(String::as_str).collect();
            let text = error_text(&args, "");
            assert!(!text.contains(SECRET), "{text}");
        }
        #[cfg(unix)]
        {
            use std::os::unix::ffi::OsStringExt as _;
            let variable = format!("STENTOR_{}", key.replace('.', "_").to_uppercase());
            let find = |name: &str| {
                let value = [SECRET.as_bytes(), b"\xff"].concat();
                (name == variable).then(|| OsString::from_vec(value))
            };
            let error = Settings::parse([bytes("stentor")], find, |_| Ok(String::new()));
            let text = error.expect_err("not UTF-8").to_string();
            assert!(text.contains("UTF-8") && !text.contains(SECRET), "{text}");
        }
    }
}

#[test]
fn neither_debug_nor_metrics_show_a_secret() {
    const SECRET: &str = "hidden-from-all";
    let file: String = KEYS
        .iter()
        .map(|key| format!("{key} = \"{SECRET}\"\n"))
        .collect();
    let settings = parse(&["--client.subscription-token.enabled"], &file).expect("valid");
    assert!(!format!("{settings:?}").contains(SECRET));
    assert!(!metrics::render(&Snapshot::new(&settings)).contains(SECRET));
    assert!(!Settings::reference().contains(SECRET));
    let Err(SettingsError::Page(help)) = parse(&["--help"], &file) else {
        panic!("no help")
    };
    assert!(!help.contains(SECRET));
}

#[test]
fn what_hides_a_secret_is_not_one() {
    let text = error_text(&["--client.token.hmac-secret-key=***"], "");
    assert!(text.contains("is shown in place of a secret"), "{text}");
}

#[test]
fn what_tls_needs_a_certificate_for_is_an_error_without_one() {
    for flag in ["--tls.ticket-secret-file=unix", "--tls.client-ca=unix"] {
        let text = error_text(&[flag], "");
        assert!(text.contains("needs `tls.cert`"), "{flag}: {text}");
    }
    let text = error_text(&["--tls-cert=unix"], "");
    assert!(
        text.contains("must be given as often as `tls.key`"),
        "{text}"
    );
}
