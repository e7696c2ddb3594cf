"""A client of one connection that asks and waits for the answer: the least that shows what is in force."""

from __future__ import annotations

import socket
import time
from typing import Self

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import ResponseReceived, StreamEnded, StreamReset

from fastgw import Gateway


class Client:
    """A cleartext HTTP/2 connection to a gateway."""

    def __init__(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        self._socket = socket.create_connection((host, int(port)), 10)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._conn = H2Connection(H2Configuration(header_encoding="utf-8"))
        self._conn.initiate_connection()

    def error(self, authority: str) -> str:
        """The `fastgw-error` of the answer to a gRPC call for `authority`."""
        stream = self._conn.get_next_available_stream_id()
        head = {":method": "POST", ":scheme": "http", ":path": "/bench.Scale/Call", ":authority": authority}
        self._conn.send_headers(
            stream, [*head.items(), ("content-type", "application/grpc"), ("te", "trailers")], True
        )
        self._socket.sendall(self._conn.data_to_send())
        found = ""
        while True:
            for event in self._conn.receive_data(self._socket.recv(65_536)):
                if isinstance(event, ResponseReceived):
                    found = dict(event.headers or ()).get("fastgw-error", "").partition(";")[0]
                if isinstance(event, StreamEnded | StreamReset):
                    return found
            self._socket.sendall(self._conn.data_to_send())

    def close(self) -> None:
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def client_of_each_worker(gateway: Gateway) -> list[Client]:
    """One connection to each worker: the kernel decides, so there is some trying."""
    clients: list[Client] = []
    counts = [0] * gateway.workers
    while len(clients) < gateway.workers:
        client = Client(gateway.addresses[0])
        client.error("nobody.example")
        now = [int(row["connections_open"]) for row in gateway.stats()["workers"]]
        (worker,) = [at for at, count in enumerate(now) if count > counts[at]]
        if counts[worker]:
            client.close()
            while sum(int(row["connections_open"]) for row in gateway.stats()["workers"]) > len(clients):
                time.sleep(0.001)
            continue
        counts[worker] += 1
        clients.append(client)
    return clients
