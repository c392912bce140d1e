"""What a peer on the LAN sees of the service."""

import socket

from session_service.discovery import find
from tests.discovery.lan import Host
from tests.discovery.stand_in import PORT


def answers(peer: Host, address: str) -> bool:
    with peer.call(socket.create_connection, (address, PORT), 10) as connection:
        connection.sendall(b"GET /health HTTP/1.0\r\n\r\n")
        return b" 200 " in connection.recv(100)


def found(peer: Host) -> dict[str, tuple[str, tuple[str, ...]]]:
    """Names, with host names and addresses, as a peer finds them."""
    return {each.name: (each.host, each.addresses) for each in peer.call(find, 1.5)}


def places(peer: Host) -> list[tuple[str, ...]]:
    return [addresses for _, addresses in found(peer).values()]
