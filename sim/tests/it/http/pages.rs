//! Pages of the configuration: their fields, their methods, and what has none.

use super::*;

#[test]
fn a_page_has_its_fields_whether_it_is_fixed_or_rendered() {
    let mut one = One::new(config());
    let fixed = one.send(get("/healthz").as_bytes());
    assert_eq!(
        fixed,
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nCache-Control: no-store\r\n\
         Content-Length: 3\r\n\r\nok\n"
    );
    let behind = get("/page");
    assert_eq!(one.send((get("/table") + &behind).as_bytes()), "");
    assert_eq!(one.pages, [TABLE]);
    assert!(one.seen().is_empty(), "the request behind it waits");
    one.shard
        .handle_answer(one.now, one.id, 201, "text/csv", b"a,b");
    let written = one.turn();
    let head = "HTTP/1.1 201 \r\nContent-Type: text/csv\r\nX-Content-Type-Options: nosniff\r\n\
                Content-Length: 3\r\n\r\n";
    assert!(written.starts_with(head), "{written}");
    let both = [answered(201, "a,b"), answered(200, "GET ")];
    assert_eq!(responses(&written), both);
    // An answer to nobody.
    one.shard
        .handle_answer(one.now, one.id, 200, "text/csv", b"c");
    assert_eq!(one.turn(), "");
    let head = one.send(b"HEAD /healthz HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(head, fixed.strip_suffix("ok\n").expect("its content"));
}

#[test]
fn a_page_says_whether_the_server_takes_traffic() {
    let page = Page::readiness("/readyz", "text/plain").field("Cache-Control", "no-store");
    let mut one = One::new(Config::builder().page(page));
    let ready = one.send(get("/readyz").as_bytes());
    assert_eq!(responses(&ready), [answered(200, "ready\n")]);
    assert!(ready.contains("\r\nCache-Control: no-store\r\n"), "{ready}");
    one.shard.handle_leaving();
    let leaving = one.send(get("/readyz").as_bytes());
    assert_eq!(responses(&leaving), [answered(503, "about to end\n")]);
    // All else goes on.
    let other = one.send(get("/other").as_bytes());
    assert!(other.starts_with("HTTP/1.1 404 "), "{other}");
    assert_eq!(one.seen(), ["GET /other \"\""]);
}

#[test]
fn a_page_whose_fields_cannot_be_sent_becomes_a_500() {
    let page = Page::fixed("/", "text/plain", "ok").field("Bad Name", "x");
    let mut one = One::new(Config::builder().page(page));
    assert_eq!(
        responses(&one.send(get("/").as_bytes())),
        [answered(500, "")]
    );
}

#[test]
fn without_pages_every_path_is_the_applications() {
    let mut one = One::new(Config::builder());
    let refused = one.send(get("/healthz").as_bytes());
    assert!(refused.starts_with("HTTP/1.1 404 "), "{refused}");
    assert_eq!(one.seen(), ["GET /healthz \"\""]);
}

#[test]
fn options_of_a_page_has_its_methods_and_no_content() {
    let mut one = One::new(config());
    let methods = one.send(b"OPTIONS /healthz HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    assert!(methods.starts_with("HTTP/1.1 200 "), "{methods}");
    for line in [
        "Allow: GET, HEAD, OPTIONS",
        "Content-Length: 0",
        "Connection: close",
    ] {
        assert_eq!(methods.matches(line).count(), 1, "{methods}");
    }
    assert!(methods.ends_with("\r\n\r\n") && one.is_shut, "{methods}");
}
