//! Settings of addresses, and what follows from them: origins, hosts, and where the metrics are.

use stentor_server::Settings;

use super::{addresses, error_text, ok};

#[test]
fn origins_follow_what_is_listened_on() {
    let origins = |args: &[&str]| ok(args, &[], None).config.origins().clone();
    assert!(
        origins(&[
            "--listen",
            "127.9.9.9:1",
            "--listen",
            "[::ffff:127.0.0.1]:1"
        ])
        .loopback
    );
    assert!(!origins(&["--listen", "127.0.0.1:1", "--listen", "0.0.0.0:1"]).loopback);
    let named = origins(&[
        "--allow-origin",
        "https://a.example",
        "--allow-origin",
        "https://b.example:444",
    ]);
    assert_eq!((named.any, named.allowed.len()), (false, 2));
    let any = origins(&["--allow-origin", "*"]);
    assert!(any.any && any.allowed.is_empty());
    let files = origins(&["--allow-origin=null", "--allow-origin=file://"]);
    assert_eq!((files.any, files.allowed.len()), (false, 2));
    for bad in ["https://a.example/", "a.example", "https://a:99999", "nul"] {
        let text = error_text(&["--allow-origin", bad], &[], None);
        assert!(
            text.contains(&format!("`{bad}`")) && text.contains("null or file://"),
            "{text}"
        );
    }
}

#[test]
fn an_address_may_be_a_name_or_a_port_wherever_it_comes_from() {
    let every = ["0.0.0.0:8081", "[::]:8081"];
    let loopback = ["127.0.0.1:8081", "[::1]:8081"];
    let admin = |settings: &Settings| {
        let endpoint = settings.admin_listen.as_ref().expect("asked for");
        let addresses = endpoint.addresses().iter();
        addresses.map(ToString::to_string).collect::<Vec<_>>()
    };
    for (text, meant) in [
        ("localhost:8081", loopback),
        (":8081", every),
        ("8081", every),
    ] {
        let by_file = format!("server.listen = \"{text}\"");
        for settings in [
            ok(&["--listen", text], &[], None),
            ok(&[], &[("STENTOR_SERVER_LISTEN", text)], None),
            ok(&[], &[], Some(&by_file)),
        ] {
            assert_eq!(addresses(&settings), meant, "{text}");
        }
        let by_file = format!("admin.listen = \"{text}\"");
        for settings in [
            ok(&["--admin-listen", text], &[], None),
            ok(&[], &[("STENTOR_ADMIN_LISTEN", text)], None),
            ok(&[], &[], Some(&by_file)),
        ] {
            assert_eq!(admin(&settings), meant, "{text}");
        }
    }
    let both = ok(
        &[],
        &[],
        Some("server.listen = [8081, \"localhost:8082\"]\nadmin.listen = 8083"),
    );
    assert_eq!(addresses(&both).len(), 4);
    assert_eq!(admin(&both), ["0.0.0.0:8083", "[::]:8083"]);
    let some = ok(
        &[],
        &[("STENTOR_SERVER_LISTEN", "8081, localhost:8082")],
        None,
    );
    assert_eq!(addresses(&some).len(), 4);
}

#[test]
fn an_error_about_a_name_has_key_value_and_source() {
    for (flag, key) in [
        ("listen", "server.listen"),
        ("admin-listen", "admin.listen"),
    ] {
        // A label of 64 bytes: no resolver sends a query for it (RFC 1035 §2.3.4).
        let value = &format!("{}:80", "a".repeat(64));
        let variable = format!("STENTOR_{}", key.replace('.', "_").to_uppercase());
        let file = format!("{key} = \"{value}\"");
        for (text, source) in [
            (
                error_text(&[&format!("--{flag}"), value], &[], None),
                format!("the flag --{flag}"),
            ),
            (
                error_text(&[], &[(&variable, value)], None),
                format!("the environment variable {variable}"),
            ),
            (
                error_text(&[], &[], Some(&file)),
                "the file stentor.toml".into(),
            ),
        ] {
            let begin = format!("--{flag}: `{value}` from {source} cannot be resolved: ");
            assert!(text.starts_with(&begin), "{text}");
        }
    }
}

#[test]
fn hosts_and_metrics_follow_what_is_listened_on() {
    let seen = |args: &[&str]| {
        let settings = ok(args, &[], None);
        let hosts = settings.config.hosts();
        (
            hosts.any,
            hosts.allowed.len(),
            settings.config.pages().at("/metrics").is_some(),
        )
    };
    let outside = "--listen=0.0.0.0:1";
    assert_eq!(seen(&[]), (false, 0, true));
    assert_eq!(seen(&[outside]), (true, 0, false));
    assert_eq!(seen(&["--listen=127.0.0.1:1", outside]), (true, 0, false));
    assert_eq!(seen(&["--listen=1"]), (true, 0, false));
    assert_eq!(seen(&[outside, "--metrics.public"]), (true, 0, true));
    assert_eq!(seen(&["--metrics.public=false"]), (false, 0, true));
    let host = "--client.allowed-hosts=chat.example";
    assert_eq!(seen(&[host]), (false, 1, true));
    assert_eq!(
        seen(&[host, "--client.allowed-hosts=*.b:8"]),
        (false, 2, true)
    );
    assert_eq!(seen(&[host, outside]), (false, 1, false));
    assert_eq!(seen(&["--client.allowed-hosts=*"]), (true, 0, true));
    // A proxy may serve both the pages and the server.
    assert_eq!(
        seen(&["--allow-origin=https://a.example"]),
        (false, 1, true)
    );
    assert_eq!(seen(&["--allow-origin=*"]), (false, 0, true));
    assert_eq!(
        seen(&["--allow-origin=null", "--allow-origin=file://"]),
        (false, 0, true)
    );

    let admin = |args: &[&str]| ok(args, &[], None).admin_hosts.any;
    assert!(!admin(&["--admin-listen=localhost:2", outside]));
    assert!(admin(&["--admin-listen=2"]));
    assert!(!admin(&["--admin-listen=2", host]));

    for bad in ["", "http://a", "a.*", "*.", "a b"] {
        let text = error_text(&["--client.allowed-hosts", bad], &[], None);
        let allowed = "it takes host, host:port, *.host for names below it, or * for any";
        assert!(
            text.contains(&format!("`{bad}`")) && text.contains(allowed),
            "{text}"
        );
    }
}
