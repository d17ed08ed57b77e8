//! Drives one shard by hand with real bytes.
use stentor_core::*;

fn mask(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let key = [1, 2, 3, 4];
    let mut out = vec![0x80 | opcode];
    assert!(payload.len() < 126);
    out.push(0x80 | payload.len() as u8);
    out.extend(key);
    out.extend(payload.iter().enumerate().map(|(i, b)| b ^ key[i % 4]));
    out
}

fn drain<H: Handler>(shard: &mut Shard<H>, now: Timestamp) -> Vec<(ConnId, Vec<u8>)> {
    let mut out = vec![];
    while let Some(output) = shard.poll_output() {
        if let Output::Flush(id) = output {
            let mut chunks = Chunks::new();
            shard.poll_transmit(id, &mut chunks);
            let bytes = chunks.as_slices().concat();
            let n = bytes.len();
            drop(chunks);
            out.push((id, bytes));
            shard.handle_transmitted(now, id, n);
        }
    }
    out
}

#[test]
fn a_session() {
    let config = Config::builder().build().unwrap();
    let mut shard = Shard::new(ShardId(0), &config, Rooms::default());
    let now = Timestamp::from_micros(1);
    let id = shard.accept(now, Admission::Normal);
    let req = b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    shard.read_buffer()[..req.len()].copy_from_slice(req);
    shard.handle_read(now, id, req.len());
    let out = drain(&mut shard, now);
    assert!(out[0].1.starts_with(b"HTTP/1.1 101"), "{out:?}");
    let mut bytes = vec![];
    for text in ["hello", "join:a", "msg:one", "leave:", "leave:"] {
        bytes.extend(mask(1, text.as_bytes()));
    }
    shard.read_buffer()[..bytes.len()].copy_from_slice(&bytes);
    shard.handle_read(now, id, bytes.len());
    for (_, bytes) in drain(&mut shard, now) {
        println!("{:?}", String::from_utf8_lossy(&bytes));
    }
    let close = mask(8, &[0x03, 0xe8]);
    shard.handle_input(now, id, &mut close.clone());
    println!("{:?}", drain(&mut shard, now));
    println!("{:#?}", shard.stats().delivery);
    shard.handle_eof(now, id);
    println!("{:?}", drain(&mut shard, now));
    assert!(shard.is_empty());
}
