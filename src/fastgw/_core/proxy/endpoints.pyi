from typing import TypedDict, final, type_check_only

@type_check_only
class EndpointStats(TypedDict):
    endpoint: str
    healthy: bool
    ejected: bool
    calls_running: int
    calls_started: int
    calls_failed: int
    connects_failed: int
    times_ejected: int
    latency_us: int

@final
class Endpoints:
    def __len__(self) -> int: ...
    def sweep(self, most: int) -> list[int]: ...
    def number_of(self, identity: bytes, label: str) -> int: ...
    def set_health(self, number: int, healthy: bool) -> None: ...
    def stats(self) -> list[EndpointStats]: ...
