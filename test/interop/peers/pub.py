"""A plain PUB: frames are the topic and a body."""

import zmq
from wire import Peer

peer = Peer(zmq.PUB)


def publish(topic, values, perFrame):
    frames = peer.frames(values, perFrame)
    for frame in frames:
        peer.socket.send_multipart([topic.encode(), frame])
    peer.say({"frames": len(frames)})


peer.serve({"publish": publish})
