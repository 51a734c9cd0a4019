"""A plain REP: answers one question after another, with what the test says."""

import json

import zmq
from wire import Peer, decode, encode

peer = Peer(zmq.REP)


def receive():
    """Takes one question; it has to be answered before the next."""
    parts = peer.socket.recv_multipart()
    assert len(parts) == 1, parts
    peer.say({"question": decode(peer.codec, parts[0])})


def answer(value):
    peer.socket.send(encode(peer.codec, value))
    peer.say({})


def echo(count):
    """Answers so many questions with themselves."""
    for _ in range(count):
        peer.socket.send(peer.socket.recv())
    peer.say({})


def fail(error):
    """Answers with an error, as a brokerless replier does."""
    peer.socket.send_multipart([b"brokerless-error", json.dumps(error).encode()])
    peer.say({})


peer.serve({"receive": receive, "answer": answer, "echo": echo, "fail": fail})
