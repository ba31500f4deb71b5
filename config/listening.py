"""The socket on which web processes listen."""

import socket


def listen(bind: str, port: int) -> socket.socket:
    """A listening TCP socket on a name or address of either family; raises OSError."""
    family = socket.getaddrinfo(bind, port, type=socket.SOCK_STREAM)[0][0]
    listener = socket.create_server((bind, port), family=family, backlog=1024)
    listener.setblocking(False)
    return listener
