"""Reads requests as h11 does, for http_parsers.

Each line of the input is a JSON string of bytes as characters; each line of the output says what
requests they are, and how they end.
"""

import json
import sys

import h11


def text(octets):
    return bytes(octets).decode("latin-1")


def serve(octets):
    requests, request, ended = [], None, False
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=8192)
    connection.receive_data(octets)
    try:
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                if ended:
                    return requests, "incomplete"
                connection.receive_data(b"")
                ended = True
            elif isinstance(event, h11.Request):
                request = {
                    "method": text(event.method),
                    "target": text(event.target),
                    "version": text(event.http_version),
                    "fields": [[text(name), text(value)] for name, value in event.headers],
                    "body": "",
                }
            elif isinstance(event, h11.Data):
                request["body"] += text(event.data)
            elif isinstance(event, h11.EndOfMessage):
                requests.append(request)
                connection.send(h11.Response(status_code=200, headers=[("Content-Length", "0")]))
                connection.send(h11.EndOfMessage())
                if connection.our_state is not h11.DONE:
                    return requests, "whole"
                connection.start_next_cycle()
            else:
                return requests, "whole"
    except h11.RemoteProtocolError:
        return requests, "incomplete" if ended else "refused"


print(json.dumps("h11 " + h11.__version__))
for line in sys.stdin:
    requests, end = serve(json.loads(line).encode("latin-1"))
    print(json.dumps({"requests": requests, "end": end}))
