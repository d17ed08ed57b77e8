"""Tests of the server API with the published Python client, against a server that this starts.

    server_api.py PROGRAM CONFIGURATION
"""

import asyncio
import base64
import hashlib
import hmac
import json
import subprocess
import sys
import time
import unittest

import cent
import centrifuge

URL = "http://localhost:8000/api"
LIMIT = 10



def token(user):
    """Returns a connection token."""

    def part(data):
        return base64.urlsafe_b64encode(data).rstrip(b"=")

    signed = part(b'{"alg":"HS256"}') + b"." + part(json.dumps({"sub": user}).encode())
    signature = hmac.new(b"secret", signed, hashlib.sha256).digest()
    return (signed + b"." + part(signature)).decode()


class SubscriptionEvents(centrifuge.SubscriptionEventHandler):
    """Notes what happens to the subscriptions that a client makes itself."""

    def __init__(self, events):
        self.events = events

    async def on_subscribed(self, ctx):
        self.events.put_nowait(("subscribed", ctx))

    async def on_publication(self, ctx):
        self.events.put_nowait(("publication", ctx))


class Listener(centrifuge.ClientEventHandler):
    """A client, and what happens to it and to the subscriptions that the server makes for it."""

    def __init__(self, user):
        self.events = asyncio.Queue()
        self.client = centrifuge.Client(
            "ws://localhost:8000/connection/websocket", token=token(user), events=self
        )

    async def connect(self):
        await self.client.connect()
        return (await self.next("connected")).client

    async def subscribe(self, channel):
        events = SubscriptionEvents(self.events)
        await self.client.new_subscription(channel, events=events).subscribe()
        await self.next("subscribed")

    async def next(self, name):
        """Returns the next event of this name."""
        while True:
            event = await asyncio.wait_for(self.events.get(), LIMIT)
            if event[0] == name:
                return event[1]

    async def on_connected(self, ctx):
        self.events.put_nowait(("connected", ctx))

    async def on_disconnected(self, ctx):
        self.events.put_nowait(("disconnected", ctx))

    async def on_subscribed(self, ctx):
        self.events.put_nowait(("server_subscribed", ctx))

    async def on_unsubscribed(self, ctx):
        self.events.put_nowait(("server_unsubscribed", ctx))

    async def on_publication(self, ctx):
        self.events.put_nowait(("publication", ctx))


class SyncTest(unittest.TestCase):
    """Calls without clients."""

    def setUp(self):
        self.api = cent.Client(URL, "api_key")
        self.channel = f"channel-{self.id()}"

    def error_of(self, call, request):
        with self.assertRaises(cent.CentApiResponseError) as raised:
            call(request)
        return raised.exception.code

    def test_a_publication_has_a_position(self):
        first = self.api.publish(cent.PublishRequest(channel=self.channel, data={"n": 1}))
        second = self.api.publish(cent.PublishRequest(channel=self.channel, data={"n": 2}))
        self.assertEqual((first.offset, second.offset), (1, 2))
        self.assertEqual(first.epoch, second.epoch)
        plain = self.api.publish(cent.PublishRequest(channel="plain:a", data="text"))
        self.assertEqual((plain.offset, plain.epoch), (0, ""))

    def test_a_publication_has_tags_and_bytes(self):
        tags = {"kind": "test", "Ü": "ß"}
        request = cent.PublishRequest(channel=self.channel, data=[1, None, 1.5], tags=tags)
        self.api.publish(request)
        skipped = cent.PublishRequest(channel=self.channel, data=1, skip_history=True)
        self.assertEqual(self.api.publish(skipped).offset, 0)
        encoded = base64.b64encode(b'{"of":"bytes"}').decode()
        # The client wants data also where b64data says it.
        self.api.publish(cent.PublishRequest(channel=self.channel, data={}, b64data=encoded))
        history = self.api.history(cent.HistoryRequest(channel=self.channel, limit=10))
        self.assertEqual(history.publications[0].data, [1, None, 1.5])
        self.assertEqual(history.publications[0].tags, tags)
        self.assertEqual(history.publications[1].data, {"of": "bytes"})
        self.assertEqual(history.offset, 2)

    def test_a_broadcast_has_a_response_for_each_channel(self):
        channels = [self.channel, "plain:a", "unknown:a"]
        result = self.api.broadcast(cent.BroadcastRequest(channels=channels, data=1))
        first, plain, unknown = result.responses
        self.assertEqual(first.result.offset, 1)
        self.assertEqual(plain.result.offset, 0)
        self.assertEqual(unknown.error.code, 102)

    def test_history_is_read_by_pages_and_removed(self):
        for number in range(5):
            self.api.publish(cent.PublishRequest(channel=self.channel, data=number))

        def page(**rest):
            return self.api.history(cent.HistoryRequest(channel=self.channel, **rest))

        position = page()
        self.assertEqual((position.publications, position.offset), ([], 5))
        since = cent.StreamPosition(offset=2, epoch=position.epoch)
        self.assertEqual([one.offset for one in page(limit=2, since=since).publications], [3, 4])
        back = page(limit=-1, since=since, reverse=True)
        self.assertEqual([one.data for one in back.publications], [0])
        self.api.history_remove(cent.HistoryRemoveRequest(channel=self.channel))
        self.assertEqual((page(limit=5).publications, page().offset), ([], 5))
        foreign = cent.StreamPosition(offset=2, epoch="abcdefgh")
        request = cent.HistoryRequest(channel=self.channel, since=foreign)
        self.assertEqual(self.error_of(self.api.history, request), 112)

    def test_errors_have_their_codes(self):
        for call, request, code in [
            (self.api.publish, cent.PublishRequest(channel="unknown:a", data=1), 102),
            (self.api.publish, cent.PublishRequest(channel="", data=1), 107),
            (self.api.presence, cent.PresenceRequest(channel="plain:a"), 108),
            (self.api.presence_stats, cent.PresenceStatsRequest(channel="plain:a"), 108),
            (self.api.history, cent.HistoryRequest(channel="plain:a"), 108),
            (self.api.history_remove, cent.HistoryRemoveRequest(channel="plain:a"), 108),
            (self.api.channels, cent.ChannelsRequest(pattern="["), 107),
            (self.api.disconnect, cent.DisconnectRequest(user=""), 107),
        ]:
            self.assertEqual(self.error_of(call, request), code, request)

    def test_a_wrong_key_is_refused(self):
        api = cent.Client(URL, "another")
        with self.assertRaises(cent.CentUnauthorizedError):
            api.publish(cent.PublishRequest(channel=self.channel, data=1))

    def test_a_batch_has_a_reply_for_each_command(self):
        requests = [
            cent.PublishRequest(channel=self.channel, data=1),
            cent.HistoryRequest(channel=self.channel, limit=1),
            cent.PresenceStatsRequest(channel=self.channel),
            cent.InfoRequest(),
        ]
        for parallel in (False, True):
            batch = self.api.batch(cent.BatchRequest(requests=requests, parallel=parallel))
            published, history, stats, info = batch.replies
            self.assertGreater(published.offset, 0)
            self.assertEqual(history.publications[0].data, 1)
            self.assertEqual((stats.num_clients, len(info.nodes)), (0, 1))

    def test_a_node_is_told(self):
        (node,) = self.api.info(cent.InfoRequest()).nodes
        self.assertTrue(node.uid and node.name and node.version)


class ClientsTest(unittest.IsolatedAsyncioTestCase):
    """Calls about clients, with the other of the two clients."""

    async def asyncSetUp(self):
        self.api = cent.AsyncClient(URL, "api_key")
        self.user = self.id()
        self.listeners = []

    async def asyncTearDown(self):
        for listener in self.listeners:
            await listener.client.disconnect()
        await self.api.close()

    async def listener(self, *channels):
        listener = Listener(self.user)
        self.listeners.append(listener)
        listener.id = await listener.connect()
        for channel in channels:
            await listener.subscribe(channel)
        return listener

    async def test_publications_reach_subscribers(self):
        listener = await self.listener("news", "plain:news")
        for channel in ("news", "plain:news"):
            data = {"in": channel}
            await self.api.publish(cent.PublishRequest(channel=channel, data=data))
            publication = await listener.next("publication")
            self.assertEqual(publication.pub.data, data)
        channels = ["news", "plain:news"]
        await self.api.broadcast(cent.BroadcastRequest(channels=channels, data="all"))
        for _ in channels:
            self.assertEqual((await listener.next("publication")).pub.data, "all")

    async def test_presence_is_told(self):
        one, two = await self.listener("lobby"), await self.listener("lobby")
        presence = await self.api.presence(cent.PresenceRequest(channel="lobby"))
        self.assertEqual(set(presence.presence), {one.id, two.id})
        self.assertEqual(presence.presence[one.id].user, self.user)
        stats = await self.api.presence_stats(cent.PresenceStatsRequest(channel="lobby"))
        self.assertEqual((stats.num_clients, stats.num_users), (2, 1))
        channels = await self.api.channels(cent.ChannelsRequest(pattern="lob*"))
        self.assertEqual(channels.channels["lobby"].num_clients, 2)
        (node,) = (await self.api.info(cent.InfoRequest())).nodes
        self.assertEqual((node.num_clients, node.num_users), (2, 1))

    async def test_a_client_is_subscribed_and_unsubscribed(self):
        listener, other = await self.listener(), await self.listener()
        await self.api.subscribe(
            cent.SubscribeRequest(
                user=self.user,
                client=listener.id,
                channel="made",
                data={"by": "backend"},
                info={"role": "admin"},
            )
        )
        subscribed = await listener.next("server_subscribed")
        self.assertEqual((subscribed.channel, subscribed.data), ("made", {"by": "backend"}))
        presence = await self.api.presence(cent.PresenceRequest(channel="made"))
        self.assertEqual(list(presence.presence), [listener.id])
        self.assertEqual(presence.presence[listener.id].chan_info, {"role": "admin"})
        await self.api.publish(cent.PublishRequest(channel="made", data=7))
        self.assertEqual((await listener.next("publication")).pub.data, 7)
        await self.api.unsubscribe(cent.UnsubscribeRequest(user=self.user, channel="made"))
        self.assertEqual((await listener.next("server_unsubscribed")).channel, "made")
        self.assertTrue(other.events.empty())

    async def test_a_client_is_disconnected_and_others_are_spared(self):
        spared, gone = await self.listener(), await self.listener()
        reason = cent.Disconnect(code=4501, reason="enough")
        request = cent.DisconnectRequest(user=self.user, whitelist=[spared.id], disconnect=reason)
        await self.api.disconnect(request)
        disconnected = await gone.next("disconnected")
        self.assertEqual((disconnected.code, disconnected.reason), (4501, "enough"))
        self.assertTrue(spared.events.empty())
        await self.api.disconnect(cent.DisconnectRequest(user=self.user))
        self.assertEqual((await spared.next("disconnected")).code, 3503)

    async def test_a_client_is_refreshed(self):
        listener = await self.listener()
        expire_at = int(time.time()) + 3600
        await self.api.refresh(cent.RefreshRequest(user=self.user, expire_at=expire_at))
        await self.api.refresh(cent.RefreshRequest(user=self.user, expired=True))
        # The client comes back with its token.
        await listener.next("connected")


def main():
    program, configuration = sys.argv[1:]
    server = subprocess.Popen(
        [program, f"--config={configuration}"], stderr=subprocess.PIPE, text=True
    )
    try:
        while "listening on" not in (line := server.stderr.readline()):
            assert line, "the server has ended"
        # What it says later is not read, and its log does not wait for that.
        result = unittest.main(argv=["cent", "-v"], exit=False).result
    finally:
        server.terminate()
        server.wait(LIMIT)
    sys.exit(not result.wasSuccessful())


if __name__ == "__main__":
    main()
