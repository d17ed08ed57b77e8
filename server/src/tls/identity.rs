//! Who a client is by its certificate.

use std::net::IpAddr;

use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// The subject and the other names in the certificate of a client.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct ClientIdentity {
    /// The subject, as in `CN=device-7, O=Example`.
    pub subject: String,
    /// The common name of the subject, if it has one.
    pub common_name: Option<String>,
    /// The names of hosts.
    pub dns_names: Vec<String>,
    /// The URIs, such as `spiffe://example.org/device-7`.
    pub uris: Vec<String>,
    /// The addresses of electronic mail.
    pub emails: Vec<String>,
    /// The IP addresses.
    pub addresses: Vec<IpAddr>,
}

impl ClientIdentity {
    /// Returns what is in a certificate, as
    /// [`HttpRequest::client_certificate`](stentor_core::HttpRequest::client_certificate) returns it, or
    /// `None` if it is none. It is not verified here.
    #[must_use]
    pub fn parse(certificate: &[u8]) -> Option<Self> {
        let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
        let subject = parsed.subject();
        let common_name = subject
            .iter_common_name()
            .find_map(|name| name.as_str().ok());
        let mut identity = Self {
            subject: subject.to_string(),
            common_name: common_name.map(Into::into),
            dns_names: Vec::new(),
            uris: Vec::new(),
            emails: Vec::new(),
            addresses: Vec::new(),
        };
        let names = parsed.subject_alternative_name().ok().flatten();
        for name in names.iter().flat_map(|names| &names.value.general_names) {
            match name {
                GeneralName::DNSName(name) => identity.dns_names.push((*name).into()),
                GeneralName::URI(uri) => identity.uris.push((*uri).into()),
                GeneralName::RFC822Name(email) => identity.emails.push((*email).into()),
                GeneralName::IPAddress(bytes) => identity.addresses.extend(address(bytes)),
                _ => {}
            }
        }
        Some(identity)
    }
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    let v6 = <[u8; 16]>::try_from(bytes).map(IpAddr::from);
    v4.or(v6).ok()
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, SanType};

    use super::*;

    #[test]
    fn a_subject_and_all_kinds_of_names_are_found() {
        let mut params = CertificateParams::new(["device-7.example".to_owned()]).expect("a name");
        let mut subject = DistinguishedName::new();
        subject.push(DnType::OrganizationName, "Example");
        subject.push(DnType::CommonName, "device-7");
        params.distinguished_name = subject;
        let text = |text: &str| text.try_into().expect("ASCII");
        let address = IpAddr::from(Ipv4Addr::new(192, 0, 2, 7));
        params.subject_alt_names.extend([
            SanType::URI(text("spiffe://example/device-7")),
            SanType::Rfc822Name(text("device-7@example.org")),
            SanType::IpAddress(address),
            SanType::IpAddress("2001:db8::7".parse().expect("an address")),
        ]);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("signed");
        let identity = ClientIdentity::parse(certificate.der()).expect("a certificate");
        assert_eq!(identity.subject, "O=Example, CN=device-7");
        assert_eq!(identity.common_name.as_deref(), Some("device-7"));
        assert_eq!(identity.dns_names, ["device-7.example"]);
        assert_eq!(identity.uris, ["spiffe://example/device-7"]);
        assert_eq!(identity.emails, ["device-7@example.org"]);
        let second = "2001:db8::7".parse().expect("an address");
        assert_eq!(identity.addresses, [address, second]);
        assert_eq!(ClientIdentity::parse(b"nothing"), None);
        assert_eq!(ClientIdentity::parse(&certificate.der()[..100]), None);
    }

    #[test]
    fn a_certificate_without_names_has_none() {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("signed");
        let identity = ClientIdentity::parse(certificate.der()).expect("a certificate");
        assert_eq!((&*identity.subject, identity.common_name), ("", None));
        assert!(identity.dns_names.is_empty() && identity.addresses.is_empty());
    }
}
