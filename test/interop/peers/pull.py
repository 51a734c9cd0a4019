"""A plain PULL."""

import zmq
from wire import Peer

peer = Peer(zmq.PULL)


def receive(count):
    def one():
        parts = peer.socket.recv_multipart()
        assert len(parts) == 1, parts
        return None, parts[0]

    peer.collect(count, one)


peer.serve({"receive": receive})
