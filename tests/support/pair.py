"""python-hyper's h2 and our connection talking to each other through two pipes that may be cut anywhere."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

import h2.config
import h2.connection
import h2.events
import h2.settings

from fastgw._core.h2.conn_door import ConnDoor
from tests.support import frames

TRAILERS = [(b"grpc-status", b"0"), (b"x-last", b"of all")]
Fields = list[tuple[bytes, bytes]]


@dataclass
class Half:
    """What one side said on one stream, or what the other heard of it."""

    heads: list[Fields] = field(default_factory=list)
    body: bytes = b""
    ended: bool = False
    reset: int | None = None

    def begins(self, whole: Half) -> bool:
        """Is it a beginning of `whole`?"""
        return whole.body.startswith(self.body) and whole.heads[: len(self.heads)] == self.heads


class Pair:
    """Our side faces a "client" or an "origin", which is h2. A method does nothing where it is not legal."""

    def __init__(self, toward: str) -> None:
        self.toward = toward
        self.door = ConnDoor(toward, credits=False)
        config = h2.config.H2Configuration(client_side=toward == "client", header_encoding=None)
        self.peer = h2.connection.H2Connection(config)
        self.peer.initiate_connection()
        self.to_us, self.to_them = bytearray(), bytearray()
        self.streams: list[int] = []
        self.we_said: dict[int, Half] = defaultdict(Half)
        self.we_heard: dict[int, Half] = defaultdict(Half)
        self.they_said: dict[int, Half] = defaultdict(Half)
        self.they_heard: dict[int, Half] = defaultdict(Half)
        self.we_owe: dict[int, int] = defaultdict(int)
        self.they_owe: dict[int, int] = defaultdict(int)

    def number(self, pick: int) -> int:
        return self.streams[pick % len(self.streams)] if self.streams else 0

    def broken(self, stream: int) -> bool:
        """Somebody has reset it, as far as anybody knows."""
        return self.we_said[stream].reset is not None or self.they_said[stream].reset is not None

    # what happens

    def open(self, _: int, size: int) -> None:
        fields = frames.request(b"/a.B/C%d" % (size % 7), b"gw.test", (b"x-size", b"v" * (size % 300)))
        end = size % 5 == 0
        if len(self.streams) >= 8:
            return
        if self.toward == "client":
            stream = self.peer.get_next_available_stream_id()
            self.peer.send_headers(stream, fields, end_stream=end)
            said = self.they_said[stream]
        else:
            stream = self.door.open_stream()
            self.door.send_head(stream, fields, end)
            said = self.we_said[stream]
        said.heads.append(fields)
        said.ended = end
        self.streams.append(stream)

    def they_answer(self, pick: int, size: int) -> None:
        stream = self.number(pick)
        said = self.they_said[stream]
        if self.they_heard[stream].heads and not said.heads and not self.peer_is_done(stream):
            fields = [(b":status", b"200"), (b"x-size", b"%d" % size)]
            self.peer.send_headers(stream, fields)
            said.heads.append(fields)

    def peer_is_done(self, stream: int) -> bool:
        said, heard = self.they_said[stream], self.they_heard[stream]
        return said.ended or said.reset is not None or heard.reset is not None

    def they_send(self, pick: int, size: int) -> None:
        stream = self.number(pick)
        said = self.they_said[stream]
        if not said.heads or self.peer_is_done(stream):
            return
        padding = size % 256 if size % 3 == 0 else None
        room = self.peer.local_flow_control_window(stream) - (0 if padding is None else padding + 1)
        room = min(room, self.peer.max_outbound_frame_size - 256)
        if room < 0:
            return
        octets = bytes((size + at) % 251 for at in range(min(size, room)))
        end = size % 7 == 0
        self.peer.send_data(stream, octets, end_stream=end, pad_length=padding)
        said.body += octets
        said.ended = end

    def they_end(self, pick: int, size: int) -> None:
        stream = self.number(pick)
        said = self.they_said[stream]
        if said.heads and not self.peer_is_done(stream):
            self.peer.send_headers(stream, TRAILERS, end_stream=True)
            said.heads.append(TRAILERS)
            said.ended = True

    def they_reset(self, pick: int, size: int) -> None:
        stream = self.number(pick)
        done = self.peer_is_done(stream) and self.they_heard[stream].ended
        known = self.they_said[stream].heads or self.they_heard[stream].heads
        if (
            known
            and not done
            and self.they_said[stream].reset is None
            and self.they_heard[stream].reset is None
        ):
            self.peer.reset_stream(stream, size % 14)
            self.they_said[stream].reset = size % 14

    def they_settle(self, pick: int, size: int) -> None:
        window = (20000, 65535, 100000)[size % 3]
        table = (0, 100, 4096)[pick % 3]
        codes = h2.settings.SettingCodes
        self.peer.update_settings({codes.INITIAL_WINDOW_SIZE: window, codes.HEADER_TABLE_SIZE: table})

    def we_answer(self, pick: int, size: int) -> None:
        stream = self.number(pick)
        if self.we_heard[stream].heads and not self.we_said[stream].heads and self.door.sends_open(stream):
            fields = [(b":status", b"200"), (b"x-size", b"%d" % size)]
            self.door.send_head(stream, fields)
            self.we_said[stream].heads.append(fields)

    def we_send(self, pick: int, size: int) -> None:
        stream = self.number(pick)
        said = self.we_said[stream]
        if said.heads and not said.ended and self.door.sends_open(stream):
            octets = bytes((size + at) % 251 for at in range(size))
            self.door.send_data(stream, octets, size % 7 == 0)
            said.body += octets
            said.ended = size % 7 == 0

    def we_end(self, pick: int, size: int) -> None:
        stream = self.number(pick)
        said = self.we_said[stream]
        if said.heads and not said.ended and self.door.sends_open(stream):
            self.door.send_trailers(stream, TRAILERS)
            said.heads.append(TRAILERS)
            said.ended = True

    def we_reset(self, pick: int, size: int) -> None:
        stream = self.number(pick)
        if self.door.stream_state(stream) is not None:
            self.door.reset(stream, size % 14)
            self.we_said[stream].reset = size % 14

    def we_credit(self, pick: int, size: int) -> None:
        stream = self.number(pick)
        part = min(size, self.we_owe[stream])
        self.we_owe[stream] -= part
        self.door.credit(stream, part)

    def they_credit(self, pick: int, size: int) -> None:
        stream = self.number(pick)
        part = min(size, self.they_owe[stream])
        if part > 0:
            self.they_owe[stream] -= part
            self.peer.acknowledge_received_data(part, stream)

    # the pipes

    def deliver_to_us(self, _: int, size: int) -> None:
        self.to_us += self.peer.data_to_send()
        self.door.feed(bytes(self.to_us[:size]))
        del self.to_us[:size]
        assert not self.door.broken, self.door.reason
        for event in self.door.take_events():
            self._heard(event)

    def _heard(self, event: tuple) -> None:
        if event[0] in ("settled", "sent", "ended"):
            return
        heard = self.we_heard[event[1]]
        assert heard.reset is None, event
        if event[0] == "data":
            heard.body += event[2]
            self.we_owe[event[1]] += len(event[2])
        elif event[0] == "reset":
            heard.reset = event[2]
            return
        else:
            heard.heads.append(event[2])
        assert not heard.ended, event
        heard.ended = event[0] == "trailers" or bool(event[3])

    def deliver_to_them(self, _: int, size: int) -> None:
        self.to_them += self.door.take_output()
        events = self.peer.receive_data(bytes(self.to_them[:size]))
        del self.to_them[:size]
        for event in events:
            stream = getattr(event, "stream_id", 0)
            if isinstance(event, h2.events.DataReceived):
                self.they_heard[stream].body += event.data
                self.they_owe[stream] += event.flow_controlled_length
            elif isinstance(
                event,
                h2.events.RequestReceived | h2.events.ResponseReceived | h2.events.TrailersReceived,
            ):
                self.they_heard[stream].heads.append([tuple(one) for one in event.headers])
            elif isinstance(event, h2.events.StreamEnded):
                self.they_heard[stream].ended = True
            elif isinstance(event, h2.events.StreamReset) and event.remote_reset:
                self.they_heard[stream].reset = event.error_code

    def settle(self) -> None:
        """Both sides pass on and credit everything until nobody has anything to say."""
        while True:
            for stream in self.streams:
                self.we_credit(self.streams.index(stream), 1 << 30)
                self.they_credit(self.streams.index(stream), 1 << 30)
            self.deliver_to_us(0, 1 << 30)
            self.deliver_to_them(0, 1 << 30)
            self.to_us += self.peer.data_to_send()
            self.to_them += self.door.take_output()
            owed = any(self.we_owe.values()) or any(self.they_owe.values())
            if not self.to_us and not self.to_them and not owed:
                return
