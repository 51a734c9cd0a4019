"""A plain REQ, in lock-step as it is, or with REQ_CORRELATE and REQ_RELAXED: see the options it is given."""

import json

import zmq
from wire import Peer, decode, encode

peer = Peer(zmq.REQ)


def send(request):
    """Sends it; with REQ_RELAXED also while an older request is open, which is given up by it."""
    peer.socket.send(encode(peer.codec, request))
    peer.say({})


def receive():
    """Takes one reply: a body, or the two frames of an error."""
    parts = peer.socket.recv_multipart()
    if len(parts) == 2 and parts[0] == b"brokerless-error":
        peer.say({"error": json.loads(parts[1])})
        return
    assert len(parts) == 1, parts
    peer.say({"reply": decode(peer.codec, parts[0])})


peer.serve({"send": send, "receive": receive})
