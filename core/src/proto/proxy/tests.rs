//! Tests of headers, networks and forwarded requests.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::SocketAddr;

use crate::proto::http::{Fields, HeadLimits, Request};
use crate::proto::proxy::{
    ForwardedField, Network, NotANetwork, NotForwarded, Proxies, ProxyError, ProxyHeader, V1_MAX,
    client_of,
};

const MAX: usize = 4_096;

fn parse(input: &[u8]) -> Result<Option<(Option<SocketAddr>, usize)>, ProxyError> {
    let parsed = ProxyHeader::parse(input, MAX)?;
    Ok(parsed.map(|(header, len)| (header.client, len)))
}

fn address(text: &str) -> Option<SocketAddr> {
    Some(text.parse().expect("an address"))
}

/// A header of version 2 with this command, family and content.
fn v2(command: u8, family: u8, content: &[u8]) -> Vec<u8> {
    let len = (content.len() as u16).to_be_bytes();
    let fixed = [
        &b"\r\n\r\n\0\r\nQUIT\n"[..],
        &[command, family],
        &len,
        content,
    ];
    fixed.concat()
}

fn ipv4() -> Vec<u8> {
    [&[192, 0, 2, 7, 10, 0, 0, 1][..], &[0xC4, 0xEC, 0, 80]].concat()
}

#[test]
fn a_line_of_version_1_has_the_address_of_the_client() {
    for (line, client) in [
        (
            "PROXY TCP4 192.0.2.7 10.0.0.1 50412 80\r\n",
            address("192.0.2.7:50412"),
        ),
        (
            "PROXY TCP6 2001:db8::7 ::1 65535 0\r\n",
            address("[2001:db8::7]:65535"),
        ),
        ("PROXY UNKNOWN\r\n", None),
        ("PROXY UNKNOWN ffff::1 anything 1 2 3\r\n", None),
    ] {
        assert_eq!(parse(line.as_bytes()), Ok(Some((client, line.len()))));
        let more = format!("{line}GET / HTTP/1.1\r\n");
        assert_eq!(parse(more.as_bytes()), Ok(Some((client, line.len()))));
        for end in 0..line.len() {
            assert_eq!(parse(&line.as_bytes()[..end]), Ok(None), "{line} {end}");
        }
    }
}

#[test]
fn other_lines_are_refused() {
    for line in [
        "PROXY TCP4 192.0.2.7 10.0.0.1 50412 80\n",
        "PROXY TCP4 192.0.2.7 10.0.0.1 50412\r\n",
        "PROXY TCP4 192.0.2.7 10.0.0.1 50412 80 \r\n",
        "PROXY TCP4  192.0.2.7 10.0.0.1 50412 80\r\n",
        "PROXY TCP4 192.0.2.7 10.0.0.1 050412 80\r\n",
        "PROXY TCP4 192.0.2.7 10.0.0.1 +5 80\r\n",
        "PROXY TCP4 192.0.2.7 10.0.0.1 65536 80\r\n",
        "PROXY TCP4 192.0.2.07 10.0.0.1 5 80\r\n",
        "PROXY TCP4 ::1 ::1 5 80\r\n",
        "PROXY TCP6 10.0.0.1 10.0.0.1 5 80\r\n",
        "PROXY TCP5 10.0.0.1 10.0.0.1 5 80\r\n",
        "PROXY UNKNOWNS\r\n",
        "PROXY \r\n",
        "PROXY TCP4 192.0.2.7\r10.0.0.1 5 80\r\n",
    ] {
        assert_eq!(
            parse(line.as_bytes()),
            Err(ProxyError::Malformed),
            "{line:?}"
        );
    }
    let long = "PROXY UNKNOWN ".to_string() + &"x".repeat(V1_MAX);
    assert_eq!(parse(&long.as_bytes()[..V1_MAX - 1]), Ok(None));
    assert_eq!(
        parse(&long.as_bytes()[..V1_MAX]),
        Err(ProxyError::TooLong),
        "the longest line is whole by then"
    );
    let longest = format!("{}\r\n", &long[..V1_MAX - 2]);
    assert_eq!(parse(longest.as_bytes()), Ok(Some((None, V1_MAX))));
    for other in ["GET / HTTP/1.1\r\n", "PROXIES", "\r\n\r\nx", "X", "\n"] {
        assert_eq!(parse(other.as_bytes()), Err(ProxyError::Missing));
    }
}

#[test]
fn a_header_of_version_2_has_the_address_and_its_tlvs_are_skipped() {
    let tlv = [&ipv4()[..], b"\x02\0\x03abc\xE0\0\0"].concat();
    let ipv6 = [&[0x20, 1, 0xD, 0xB8][..], &[0; 11], &[7], &[0; 16]].concat();
    let ipv6 = [&ipv6[..], &[1, 2, 3, 4]].concat();
    let unix = [b'a'; 216];
    for (header, client) in [
        (v2(0x21, 0x11, &ipv4()), address("192.0.2.7:50412")),
        (v2(0x21, 0x11, &tlv), address("192.0.2.7:50412")),
        (v2(0x21, 0x21, &ipv6), address("[2001:db8::7]:258")),
        (v2(0x21, 0x31, &unix), None),
        (v2(0x21, 0x00, b""), None),
        (v2(0x21, 0x00, b"\x01\0\0"), None),
        (v2(0x20, 0x00, b""), None),
        (v2(0x20, 0x11, &ipv4()), None),
        (v2(0x20, 0xFF, b"x"), None),
    ] {
        assert_eq!(parse(&header), Ok(Some((client, header.len()))));
        for end in 0..header.len() {
            assert_eq!(parse(&header[..end]), Ok(None), "{end}");
        }
    }
}

#[test]
fn other_headers_of_version_2_are_refused() {
    for (command, family, content) in [
        (0x11, 0x11, &ipv4()[..]),
        (0x22, 0x11, &ipv4()),
        (0x21, 0x12, &ipv4()),
        (0x21, 0x41, &ipv4()),
        (0x21, 0x10, &ipv4()),
        (0x21, 0x11, &ipv4()[..11]),
        (0x21, 0x21, &[0; 35]),
        (0x21, 0x31, &[0; 215]),
    ] {
        let header = v2(command, family, content);
        assert_eq!(parse(&header), Err(ProxyError::Malformed), "{header:?}");
    }
    let long = v2(0x21, 0x00, &[0; MAX - 16]);
    assert_eq!(parse(&long), Ok(Some((None, MAX))));
    let too_long = v2(0x21, 0x00, &[0; MAX - 15]);
    assert_eq!(parse(&too_long[..16]), Err(ProxyError::TooLong));
}

#[test]
fn a_network_has_its_addresses() {
    let contains = |network: &str, address: &str| {
        let network: Network = network.parse().expect("a network");
        network.contains(address.parse().expect("an address"))
    };
    for (network, inside, outside) in [
        ("10.0.0.0/8", "10.255.0.1", "11.0.0.0"),
        ("10.0.0.0/8", "::ffff:10.1.2.3", "::10.1.2.3"),
        ("192.0.2.7", "192.0.2.7", "192.0.2.8"),
        ("192.0.2.6/31", "192.0.2.7", "192.0.2.8"),
        ("2001:db8::/32", "2001:db8:1::1", "2001:db9::"),
        ("::1", "::1", "::2"),
        ("::ffff:10.0.0.0/104", "10.1.2.3", "11.0.0.0"),
    ] {
        assert!(contains(network, inside), "{network} {inside}");
        assert!(!contains(network, outside), "{network} {outside}");
    }
    assert!(contains("0.0.0.0/0", "255.1.2.3") && !contains("0.0.0.0/0", "::1"));
    assert!(contains("::/0", "255.1.2.3") && contains("::/0", "::1"));
    for text in ["10.0.0.0/8", "192.0.2.7/32", "2001:db8::/32", "::/0"] {
        let network: Network = text.parse().expect("a network");
        assert_eq!(network.to_string(), text);
    }
    for text in [
        "",
        "10.0.0.1/8",
        "10.0.0.0/33",
        "::/129",
        "10.0.0.0/",
        "10.0.0.0/+8",
        "a/8",
        "10.0.0/8",
        "10.0.0.0/8/8",
        "2001:db8::1/32",
        "localhost",
    ] {
        assert_eq!(text.parse::<Network>(), Err(NotANetwork), "{text}");
    }
}

fn forwarded(
    field: ForwardedField,
    lines: &[(&str, &str)],
) -> Result<Option<SocketAddr>, NotForwarded> {
    let networks = ["10.0.0.0/8", "::1"].map(|text| text.parse().expect("a network"));
    let proxies = Proxies {
        networks: networks.into(),
        unix: false,
        field,
    };
    let mut head = String::from("GET / HTTP/1.1\r\nHost: a\r\n");
    for (name, value) in lines {
        head += &format!("{name}: {value}\r\n");
    }
    head += "\r\n";
    let mut fields = Fields::new();
    let parsed = Request::parse(head.as_bytes(), &mut fields, HeadLimits::default());
    let (request, _) = parsed.expect("well-formed").expect("whole");
    client_of(&request, &proxies)
}

#[test]
fn the_client_is_the_last_address_that_is_not_a_proxys() {
    const NAME: &str = "X-Forwarded-For";
    for (lines, client) in [
        (&[][..], None),
        (&[(NAME, "")], None),
        (&[(NAME, "192.0.2.7")], address("192.0.2.7:0")),
        (&[(NAME, "192.0.2.7:81")], address("192.0.2.7:81")),
        (&[(NAME, "[2001:db8::7]:81")], address("[2001:db8::7]:81")),
        (&[(NAME, "2001:db8::7")], address("[2001:db8::7]:0")),
        (&[(NAME, "[2001:db8::7]")], address("[2001:db8::7]:0")),
        // What the client has filled in counts for nothing.
        (&[(NAME, "1.1.1.1, 192.0.2.7")], address("192.0.2.7:0")),
        (
            &[(NAME, "1.1.1.1"), ("x-forwarded-for", "192.0.2.7")],
            address("192.0.2.7:0"),
        ),
        (
            &[(NAME, "\"x, 192.0.2.7, 10.1.2.3")],
            address("192.0.2.7:0"),
        ),
        (&[(NAME, "10.2.2.2, 10.1.1.1")], address("10.2.2.2:0")),
        (
            &[(NAME, "1.1.1.1, unknown, 10.1.1.1")],
            address("10.1.1.1:0"),
        ),
        (&[(NAME, "1.1.1.1, unix:")], None),
        (&[(NAME, "1.1.1.1, [10.0.0.1]")], None),
        (&[("Forwarded", "for=192.0.2.7")], None),
    ] {
        let found = forwarded(ForwardedField::XForwardedFor, lines);
        assert_eq!(found, Ok(client), "{lines:?}");
    }
    let ignored = forwarded(ForwardedField::None, &[(NAME, "192.0.2.7")]);
    assert_eq!(ignored, Ok(None));
}

#[test]
fn the_standard_field_has_pairs_and_quotes() {
    for (value, client) in [
        ("for=192.0.2.7", address("192.0.2.7:0")),
        ("For=\"192.0.2.7:81\"", address("192.0.2.7:81")),
        ("for=\"[2001:db8::7]:81\"", address("[2001:db8::7]:81")),
        ("for=192.0.2.7:81", address("192.0.2.7:81")),
        (
            "proto=https;for=192.0.2.7;by=10.0.0.1",
            address("192.0.2.7:0"),
        ),
        ("for=1.1.1.1, for=192.0.2.7", address("192.0.2.7:0")),
        (
            "for=192.0.2.7 , for=10.1.1.1;host=\"a,b;c\"",
            address("192.0.2.7:0"),
        ),
        ("for=\"192.0.2\\.7\"", address("192.0.2.7:0")),
        ("for=1.1.1.1, for=_hidden", None),
        ("for=1.1.1.1, proto=http", None),
        ("for=192.0.2.7,, ;", address("192.0.2.7:0")),
        ("", None),
    ] {
        let found = forwarded(ForwardedField::Forwarded, &[("Forwarded", value)]);
        assert_eq!(found, Ok(client), "{value}");
    }
    // What would hide that the proxy has added something.
    for value in [
        "for=\"1.1.1.1, for=192.0.2.7",
        "for=\"1.1.1.1\\",
        "for",
        "for=",
        "=1.1.1.1",
        "for=1.1.1.1 for=192.0.2.7",
        "for=1.1.1.1;for=192.0.2.7",
        "f r=1",
    ] {
        let found = forwarded(ForwardedField::Forwarded, &[("Forwarded", value)]);
        assert_eq!(found, Err(NotForwarded), "{value}");
    }
}
