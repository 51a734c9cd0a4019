"""A plain SUB: frames are the topic and a body."""

import zmq
from wire import Peer

peer = Peer(zmq.SUB)
for prefix in peer.config["prefixes"]:
    peer.socket.setsockopt_string(zmq.SUBSCRIBE, prefix)


def receive(count):
    def one():
        parts = peer.socket.recv_multipart()
        assert len(parts) == 2, parts
        return parts[0].decode(), parts[1]

    peer.collect(count, one)


peer.serve({"receive": receive})
