"""A plain ROUTER: frames are the peer's id and a body."""

import zmq
from wire import Peer

peer = Peer(zmq.ROUTER)


def receive(count):
    def one():
        parts = peer.socket.recv_multipart()
        assert len(parts) == 2, parts
        return parts[0], parts[1]

    peer.collect(count, one)


def send(to, values, perFrame):
    frames = peer.frames(values, perFrame)
    for frame in frames:
        peer.socket.send_multipart([to, frame])
    peer.say({"frames": len(frames)})


peer.serve({"receive": receive, "send": send})
