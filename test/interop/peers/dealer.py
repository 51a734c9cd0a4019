"""A plain DEALER: a frame is a body."""

import zmq
from wire import Peer

peer = Peer(zmq.DEALER)


def send(values, perFrame):
    frames = peer.frames(values, perFrame)
    for frame in frames:
        peer.socket.send(frame)
    peer.say({"frames": len(frames)})


def receive(count):
    def one():
        parts = peer.socket.recv_multipart()
        assert len(parts) == 1, parts
        return None, parts[0]

    peer.collect(count, one)


peer.serve({"send": send, "receive": receive})
