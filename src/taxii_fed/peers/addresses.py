"""Which network addresses a peer may have, checked on the very address that is connected to.

A peer's name could resolve to an address inside our own network, at once or later (DNS rebinding), and make the node a way in. So a name
is resolved here, every address it gives is judged, and the connection goes to a judged address, not to the name again.
"""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass

from taxii_fed.core.errors import PeerUnreachableError
from taxii_fed.peers.words import clean

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_MAX_TRIED = 4
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


def is_public(address: str) -> bool:
    """Return whether an IP address is one of the public Internet, also where it wraps an IPv4 one."""
    ip: ipaddress.IPv4Address | ipaddress.IPv6Address = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if inner is None and ip in _NAT64:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFF_FFFF)
        if inner is not None and not is_public(str(inner)):
            return False
        if ip.ipv4_mapped is not None:
            return True
    return ip.is_global and not ip.is_multicast


@dataclass(frozen=True, slots=True)
class Permitted:
    """Where a peer may be: at public addresses, and in the private networks that an admin named."""

    private: tuple[Network, ...] = ()
    public: bool = True

    def permits(self, address: str) -> bool:
        """Return whether a connection may go to an IP address."""
        if self.public and is_public(address):
            return True
        ip = ipaddress.ip_address(address.partition("%")[0])
        plain = getattr(ip, "ipv4_mapped", None) or ip
        return any(plain in network for network in self.private)


EVERYWHERE = Permitted(private=(ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0")))
"""For a proxy: an admin named it itself."""


def connect(host: str, port: int, *, permitted: Permitted, timeout: float) -> socket.socket:
    """Return a socket connected to a permitted address of ``host``.

    Raises `PeerUnreachableError`. ``timeout`` in seconds holds for each of the first few addresses.
    """
    shown = clean(host)
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise PeerUnreachableError(f"the name {shown} has no address") from None
    addresses = [str(each[4][0]) for each in found]
    allowed = [address for address in dict.fromkeys(addresses) if permitted.permits(address)]
    if not allowed:
        what = "an address that is not public" if permitted.public else "an address that plain http does not go to"
        raise PeerUnreachableError(f"{shown} is {addresses[0]}, {what}; if that is meant, name its network in allow_private")
    problem = ""
    for address in allowed[:_MAX_TRIED]:
        try:
            return socket.create_connection((address, port), timeout=timeout)
        except TimeoutError:
            problem = f"no connection to {shown} port {port} within {timeout:g} s"
        except OSError as error:
            problem = f"no connection to {shown} port {port}: {clean(error.strerror or 'refused')}"
    raise PeerUnreachableError(problem)
