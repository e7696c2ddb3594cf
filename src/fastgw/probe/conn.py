"""How probes set up a connection of the `h2` package: windows of 1 MiB, fields as octets and unchanged."""

from __future__ import annotations

import h2.config
import h2.connection
import h2.settings

WINDOW = 1 << 20
_HEAD = 1 << 20
_STREAMS = 1000
_DEFAULT = 65535  # RFC 9113 section 6.9.2


def open_connection(
    *, client_side: bool, window: int = WINDOW, head: int = _HEAD
) -> h2.connection.H2Connection:
    """A connection whose preface and SETTINGS wait to be sent; `window` and `head` bound what it may hold.

    The library would refuse or change fields that gRPC allows, such as a grpc-message that ends in a space;
    so its checks of fields are off, and who uses the connection judges them.
    """
    connection = h2.connection.H2Connection(
        h2.config.H2Configuration(
            client_side=client_side,
            header_encoding=None,
            validate_inbound_headers=False,
            normalize_inbound_headers=False,
            validate_outbound_headers=False,
            normalize_outbound_headers=False,
        )
    )
    codes = h2.settings.SettingCodes
    # Replaced as a whole: a value changed later counts only when a SETTINGS frame of its own is acknowledged.
    connection.local_settings = h2.settings.Settings(
        client=client_side,
        initial_values={
            codes.ENABLE_PUSH: 0,
            codes.INITIAL_WINDOW_SIZE: window,
            codes.MAX_CONCURRENT_STREAMS: _STREAMS,
            codes.MAX_HEADER_LIST_SIZE: head,
        },
    )
    connection.initiate_connection()
    if window > _DEFAULT:
        connection.increment_flow_control_window(window - _DEFAULT)
    return connection
