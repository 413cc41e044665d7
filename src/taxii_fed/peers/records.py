"""Finding TAXII servers by the name of a domain: SRV records (TAXII 2.1 section 8.4.2; C-8.4.2-01).

For people who set up a peering, not for the worker: whoever can forge an answer of the DNS would otherwise name the host that gets our
credentials, with a valid certificate of its own. So what is found is shown, and goes into the configuration by hand.
"""

from __future__ import annotations

from dataclasses import dataclass

from taxii_fed.core.errors import PeerUnreachableError, RefusedError
from taxii_fed.peers.words import clean

SERVICES = {"_taxii2._tcp": "taxii2", "_taxii._tcp": "taxii"}
"""Services by name, with the path of discovery: that of TAXII 2.1, and what servers of 2.0 register."""

_SECONDS = 10.0
_HTTPS = 443


@dataclass(frozen=True, slots=True)
class Server:
    """A server that a domain names. ``within``: its host lies in that domain, so that the domain's owner answers for it."""

    service: str
    url: str
    within: bool


def servers_of(domain: str) -> list[Server]:
    """Return the servers that a domain's records name, those to be tried first in front; none where it has no such records.

    Raises `PeerUnreachableError` where the DNS does not answer, `RefusedError` where the library for it is not installed.
    """
    try:
        import dns.exception  # noqa: PLC0415 — an extra
        import dns.resolver  # noqa: PLC0415
    except ImportError:
        raise RefusedError(
            "looking up SRV records needs the extra 'srv': deploy/install.sh --extras srv, or pip install 'taxii-fed[srv]'"
        ) from None
    found = []
    for service, path in SERVICES.items():
        try:
            records = list(dns.resolver.resolve(f"{service}.{domain}", "SRV", lifetime=_SECONDS))
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            continue
        except (dns.exception.DNSException, OSError, UnicodeError) as error:
            raise PeerUnreachableError(f"the DNS does not answer for {clean(domain)}: {clean(error)}") from None
        for record in sorted(records, key=lambda each: (each.priority, -each.weight)):
            host = clean(record.target.to_text(omit_final_dot=True)).lower()
            if host and host != ".":
                port = "" if record.port == _HTTPS else f":{record.port}"
                found.append(Server(service, f"https://{host}{port}/{path}/", _is_within(host, domain)))
    return found


def _is_within(host: str, domain: str) -> bool:
    return f".{host}".endswith(f".{domain.lower().rstrip('.')}")
