//! Replies that the gateway has encoded, read by the second implementation.

use proptest::prelude::*;
use prost::Message;
use stentor_gateway::client_protocol::{ClientCodec, ReplyBatch, encode_publication};
use stentor_sim::client_protocol::{Choices, ProtoReply, decode_json};

use super::gateway_replies;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn replies_are_read_as_they_were(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let mut choices = Choices::new(&bytes);
        let replies: &'static [ProtoReply] = Vec::leak((0..3).map(|_| choices.reply()).collect());
        let (mut protobuf, mut json) = (Vec::new(), Vec::new());
        let mut protobuf_batch = ReplyBatch::new(ClientCodec::Protobuf, &mut protobuf);
        let mut json_batch = ReplyBatch::new(ClientCodec::Json, &mut json);
        for reply in replies {
            let reply = gateway_replies::reply(reply);
            protobuf_batch.push(&reply).expect("any bytes are a payload");
            json_batch.push(&reply).expect("payloads are JSON");
        }
        let mut rest = &protobuf[..];
        for reply in replies {
            let read = ProtoReply::decode_length_delimited(&mut rest).expect("Protobuf");
            prop_assert_eq!(&read, reply);
        }
        prop_assert!(rest.is_empty());
        let json = String::from_utf8(json).expect("UTF-8");
        let values: Vec<_> = replies.iter().map(ProtoReply::to_json).collect();
        prop_assert_eq!(decode_json(&json), values, "{}", json);
    }

    #[test]
    fn a_fan_out_has_the_bytes_of_the_push(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let mut choices = Choices::new(&bytes);
        let reply: &'static ProtoReply = Box::leak(Box::new(choices.reply()));
        let Some(push) = &reply.push else { return Ok(()) };
        let Some(publication) = &push.r#pub else { return Ok(()) };
        let publication = gateway_replies::publication(publication);
        for codec in [ClientCodec::Json, ClientCodec::Protobuf] {
            let (mut fan_out, mut single) = (Vec::new(), Vec::new());
            encode_publication(codec, &push.channel, &publication, &mut fan_out).expect("JSON");
            let mut push = push.clone();
            push.id = 0;
            let reply = ProtoReply { push: Some(push), ..ProtoReply::default() };
            let reply = gateway_replies::reply(Box::leak(Box::new(reply)));
            ReplyBatch::new(codec, &mut single).push(&reply).expect("JSON");
            prop_assert_eq!(fan_out, single);
        }
    }
}
