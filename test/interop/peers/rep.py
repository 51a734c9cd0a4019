"""A plain REP: replies to one request after another, with what the test says."""

import json

import zmq
from wire import Peer, decode, encode

peer = Peer(zmq.REP)


def receive():
    """Takes one request; it has to get its reply before the next."""
    parts = peer.socket.recv_multipart()
    assert len(parts) == 1, parts
    peer.say({"request": decode(peer.codec, parts[0])})


def reply(value):
    peer.socket.send(encode(peer.codec, value))
    peer.say({})


def echo(count):
    """Replies to so many requests with themselves."""
    for _ in range(count):
        peer.socket.send(peer.socket.recv())
    peer.say({})


def fail(error):
    """Replies with an error, as a brokerless replier does."""
    peer.socket.send_multipart([b"brokerless-error", json.dumps(error).encode()])
    peer.say({})


peer.serve({"receive": receive, "reply": reply, "echo": echo, "fail": fail})
