"""A plain PUSH."""

import zmq
from wire import Peer

peer = Peer(zmq.PUSH)


def send(values, perFrame):
    frames = peer.frames(values, perFrame)
    for frame in frames:
        peer.socket.send(frame)
    peer.say({"frames": len(frames)})


peer.serve({"send": send})
