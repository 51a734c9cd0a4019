"""A plain SUB: frames are the topic and a body."""

import zmq
from wire import Peer

peer = Peer(zmq.SUB)
for prefix in peer.config["prefixes"]:
    peer.socket.setsockopt_string(zmq.SUBSCRIBE, prefix)


def receive(count):
    def one():
        parts = peer.socket.recv_multipart()
        # Behind them there may be an order frame, which is for subscribers of the package.
        assert len(parts) == 2 or len(parts) == 3 and parts[2][:2] == b"BO", parts
        return parts[0].decode(), parts[1]

    peer.collect(count, one)


peer.serve({"receive": receive})
