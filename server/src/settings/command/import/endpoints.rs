//! Addresses and certificates of Centrifugo, which have a key for each part.

use serde_json::Value;

use super::Import;
use super::value::switch;
use crate::settings::flag::Flag;

/// Keys of certificates there and here, and whether TLS needs them.
const CERTIFICATES: [(&str, &str, bool); 3] = [
    ("cert_pem", "tls.cert", true),
    ("key_pem", "tls.key", true),
    ("client_ca_pem", "tls.client_ca", false),
];

/// Where Centrifugo listens unless something else is said.
const PORT: &str = "8000";

impl Import {
    /// Returns a part as text, empty if it is not there.
    pub(super) fn part(&self, names: &[&str]) -> String {
        let found = names.iter().find_map(|name| self.parts.get(*name));
        match found {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Null) | None => String::new(),
            Some(other) => other.to_string(),
        }
    }

    /// Puts the addresses together.
    pub(super) fn listen(&mut self) {
        let address = self.part(&["http_server.address", "address"]);
        let port = self.part(&["http_server.port", "port"]);
        let port = if port.is_empty() { PORT } else { &port };
        let listen = format!("{}:{port}", host(&address));
        self.values.insert("server.listen", vec![listen].into());
        let internal = self.part(&["http_server.internal_port", "internal_port"]);
        if !internal.is_empty() && internal != port {
            let host = self.part(&["http_server.internal_address", "internal_address"]);
            let host = if host.is_empty() { address } else { host };
            let listen = format!("{}:{internal}", self::host(&host));
            self.values.insert("admin.listen", listen.into());
            self.note(
                "http_server.internal_port",
                "became `admin.listen`, whose pages have no password: let only operators reach it",
            );
        }
    }

    /// Takes certificates, which must be in files.
    pub(super) fn certificates(&mut self) {
        for section in ["http_server.tls", "tls"] {
            let enabled = self.part(&[&format!("{section}.enabled")]);
            if switch(&enabled) != Some(true) {
                continue;
            }
            for (name, ours, is_required) in CERTIFICATES {
                let names = [
                    format!("{section}.{name}_file"),
                    format!("{section}.{name}"),
                    format!("{section}.{name}_b64"),
                ];
                let file = self.part(&names.each_ref().map(String::as_str));
                if file.is_empty() && !is_required {
                    continue;
                }
                let is_inline = file.contains("-----BEGIN") || file.len() > 512;
                let file = if file.is_empty() || is_inline {
                    let file = format!("{}.pem", name.trim_end_matches("_pem"));
                    let advice = format!("has to be in a file; it is to be {file}, see `{ours}`");
                    self.note(&names[1], &advice);
                    file
                } else {
                    file
                };
                let is_list = Flag::of(ours).is_list();
                let file = if is_list {
                    vec![file].into()
                } else {
                    file.into()
                };
                self.set(&names[1], ours, &file);
            }
        }
        let parts: Vec<_> = self.parts.keys().cloned().collect();
        for key in parts.iter().filter(|key| key.contains("tls.")) {
            let name = key.rsplit('.').next().unwrap_or_default();
            let name = name.trim_end_matches("_file").trim_end_matches("_b64");
            let is_known = CERTIFICATES.iter().any(|(known, ..)| *known == name);
            if name != "enabled" && !is_known {
                self.note(key, "use the settings of `tls`");
            }
        }
    }
}

/// Returns whether a key is of an address or a certificate, which are put together.
pub(super) fn is_part(key: &str) -> bool {
    let of_server = key.strip_prefix("http_server.").unwrap_or(key);
    let is_address = ["address", "port", "internal_address", "internal_port"].contains(&of_server);
    is_address || of_server.starts_with("tls.")
}

fn host(address: &str) -> String {
    let is_v6 = address.contains(':') && !address.starts_with('[');
    if is_v6 {
        format!("[{address}]")
    } else {
        address.into()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{imported, nested};
    use super::*;

    #[test]
    fn addresses_are_put_together() {
        let listen = |table: Value| imported(&table).values["server.listen"].clone();
        for (table, expected) in [
            (serde_json::json!({}), ":8000"),
            (serde_json::json!({"http_server": {"port": 9000}}), ":9000"),
            (
                serde_json::json!({"http_server": {"address": "::1"}}),
                "[::1]:8000",
            ),
            (
                serde_json::json!({"address": "localhost", "port": "80"}),
                "localhost:80",
            ),
        ] {
            assert_eq!(listen(table), serde_json::json!([expected]));
        }
    }

    #[test]
    fn a_certificate_has_to_be_in_a_file() {
        let pem = "-----BEGIN CERTIFICATE-----";
        let tls = serde_json::json!({
            "enabled": true, "cert_pem": pem, "key_pem": "/key", "client_ca_pem": pem
        });
        let import = imported(&nested("http_server.tls", tls));
        // A server without it would be another one, so it does not start until the file is there.
        assert_eq!(import.values["tls.cert"], serde_json::json!(["cert.pem"]));
        assert_eq!(import.values["tls.key"], serde_json::json!(["/key"]));
        assert_eq!(import.values["tls.client_ca"], "client_ca.pem");
        let expected = [
            "http_server.tls.cert_pem: has to be in a file; it is to be cert.pem, see `tls.cert`",
            "http_server.tls.client_ca_pem: has to be in a file; it is to be client_ca.pem, see \
             `tls.client_ca`",
        ];
        assert_eq!(import.notes, expected);
        assert!(!import.settings().contains(pem));
        let off = serde_json::json!({"enabled": false, "cert_pem": "/cert"});
        let off = imported(&nested("http_server.tls", off));
        assert!(!off.values.contains_key("tls.cert"));
    }
}
