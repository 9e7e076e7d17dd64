"""Which addresses are out on the Internet: a URL that a stranger wrote must lead nowhere else."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

# Not public, beyond what `ipaddress` of Python 3.11 knows.
_RESERVED_V4 = tuple(map(ip_network, ("192.0.0.0/24", "192.88.99.0/24", "168.63.129.16/32")))  # the last: Azure's host
_UNICAST = ip_network("2000::/3")  # all that is assigned to hosts of the Internet
# Special purposes, Teredo, documentation, 6to4: nothing that serves images.
_RESERVED_V6 = tuple(map(ip_network, ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")))
_NAT64 = ip_network("64:ff9b::/96")  # RFC 6052: the last 32 bits are an IPv4 address, by which a translator connects


def is_public(address: str) -> bool:
    """Return whether an IP address belongs to the Internet: not to this machine, its network, or its cloud.

    IPv4 addresses inside IPv6 addresses count as what they are: mapped ones, and those of NAT64.

    Raises:
        ValueError: If it is no IP address.
    """
    found = ip_address(address)
    if isinstance(found, IPv6Address):
        if found.ipv4_mapped is not None:
            return _is_public_v4(found.ipv4_mapped)
        if found in _NAT64:
            return _is_public_v4(IPv4Address(int(found) & 0xFFFFFFFF))
        return found in _UNICAST and found.is_global and not any(found in one for one in _RESERVED_V6)
    return _is_public_v4(found)


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine by its name or address; no name is looked up."""
    name = host.rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        found = ip_address(name)
    except ValueError:
        return False
    inner = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return (inner or found).is_loopback


def _is_public_v4(address: IPv4Address) -> bool:
    is_special = address.is_multicast or address.is_reserved or any(address in one for one in _RESERVED_V4)
    return address.is_global and not is_special
