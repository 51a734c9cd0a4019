"""What all peers share: values as bytes, frames of values, and the talk with the test over stdin and stdout.

Written without a look at the TypeScript: only with pyzmq, msgpack and json.
"""

import base64
import io
import json
import struct
import sys

import msgpack
import zmq


def encode(codec, value):
    """One value as bytes."""
    if codec == "msgpack":
        return msgpack.packb(value)
    if codec == "json":
        return json.dumps(value, ensure_ascii=False).encode()
    return value


def decode(codec, data):
    """One value from exactly its bytes."""
    if codec == "msgpack":
        return msgpack.unpackb(data)
    if codec == "json":
        return json.loads(data.decode())
    return bytes(data)


def encode_frame(codec, values):
    """Many values as the body of one frame."""
    parts = [encode(codec, value) for value in values]
    if codec == "json":
        return b"".join(part + b"\n" for part in parts)
    if codec == "raw":
        return b"".join(struct.pack("<I", len(part) << 8 | 0xC1) + part for part in parts)
    return b"".join(parts)


def decode_frame(codec, data):
    """All values of a frame."""
    if codec == "msgpack":
        return list(msgpack.Unpacker(io.BytesIO(data)))
    if codec == "json":
        return [json.loads(line) for line in data.decode().splitlines()]
    values, at = [], 0
    while at < len(data):
        (head,) = struct.unpack_from("<I", data, at)
        assert head & 0xFF == 0xC1, "no mark of a value"
        length = head >> 8
        at += 4
        assert at + length <= len(data), "an entry longer than its frame"
        values.append(data[at : at + length])
        at += length
    return values


def to_line(value):
    """A value as JSON; bytes, which JSON lacks, as {"$bytes": base64}."""
    if isinstance(value, (bytes, bytearray)):
        return {"$bytes": base64.b64encode(value).decode()}
    if isinstance(value, list):
        return [to_line(item) for item in value]
    if isinstance(value, dict):
        return {key: to_line(item) for key, item in value.items()}
    return value


def from_line(value):
    """The way back."""
    if isinstance(value, dict):
        if set(value) == {"$bytes"}:
            return base64.b64decode(value["$bytes"])
        return {key: from_line(item) for key, item in value.items()}
    if isinstance(value, list):
        return [from_line(item) for item in value]
    return value


class Peer:
    """One socket, told what to do line by line.

    The only argument is JSON: {"codec", "batch", "bind" or "connect", "options"}.
    """

    def __init__(self, kind):
        self.config = json.loads(sys.argv[1])
        self.codec = self.config["codec"]
        self.batch = self.config["batch"]
        self.context = zmq.Context()
        self.socket = self.context.socket(kind)
        self.socket.setsockopt(zmq.LINGER, 5000)
        for name, value in self.config.get("options", {}).items():
            self.socket.setsockopt(getattr(zmq, name), value)

    def start(self):
        """Binds or connects, and says where."""
        if "bind" in self.config:
            self.socket.bind(self.config["bind"])
            self.say({"address": self.socket.getsockopt_string(zmq.LAST_ENDPOINT)})
        else:
            self.socket.connect(self.config["connect"])
            self.say({"address": self.config["connect"]})

    def frames(self, values, per_frame):
        """Values as bodies of frames: so many in each or, without batching, bare ones."""
        if not self.batch:
            return [encode(self.codec, value) for value in values]
        cuts = range(0, len(values), per_frame)
        return [encode_frame(self.codec, values[at : at + per_frame]) for at in cuts]

    def values(self, body):
        """The values of one frame."""
        if self.batch:
            return decode_frame(self.codec, body)
        return [decode(self.codec, body)]

    def collect(self, count, receive):
        """Receives frames until they held `count` values; `receive` gives what stands around, and the body."""
        values, frames, around = [], [], []
        while len(values) < count:
            outside, body = receive()
            inside = self.values(body)
            frames.append(len(inside))
            values.extend(inside)
            around.extend([outside] * len(inside))
        self.say({"values": values, "frames": frames, "around": around})

    def say(self, answer):
        print(json.dumps(to_line(answer)), flush=True)

    def serve(self, commands):
        """Obeys one line after another until the test closes stdin."""
        self.start()
        for line in sys.stdin:
            command = from_line(json.loads(line))
            commands[command.pop("do")](**command)
        self.socket.close()
        self.context.term()
