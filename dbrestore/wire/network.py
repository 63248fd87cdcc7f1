"""inet_recv, cidr_recv: family, bits of the netmask, whether it is a cidr, number of bytes, address.

Source: src/backend/utils/adt/network.c. IPv4 is parsed in arrays, IPv6 one by one.
"""

from __future__ import annotations

import re
import socket
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dbrestore.wire.fields import (
    Array,
    UnencodableError,
    VariableField,
    from_rows,
    merge,
    rows_of,
    text_at,
    validity,
)

if TYPE_CHECKING:
    from collections.abc import Callable

FAMILY_IPV4 = 2
FAMILY_IPV6 = 3
IPV4_BITS = 32
IPV6_BITS = 128
IPV4_PATTERN = r"^(?P<a>[0-9]{1,3})\.(?P<b>[0-9]{1,3})\.(?P<c>[0-9]{1,3})\.(?P<d>[0-9]{1,3})(?:/(?P<bits>[0-9]{1,2}))?$"
IPV6_PATTERN = re.compile(r"([0-9a-fA-F:.]+)(?:/(0|[1-9][0-9]{0,2}))?")
IPV4_PAYLOAD = np.dtype([("head", "u1", 4), ("address", "u1", 4)])


def network_encoder(*, is_cidr: bool) -> Callable[[pa.Array], VariableField]:
    """An encoder of the text of inet_out or cidr_out. It raises UnencodableError for any other text."""

    def encode(array: pa.Array) -> VariableField:
        valid = validity(array)
        texts = array if valid is None else array.drop_null()
        values, is_ipv4 = _parse_ipv4(texts, is_cidr=is_cidr)
        with rows_of(valid):
            payloads = [
                _ipv6_payload(text_at(texts, row), row, is_cidr=is_cidr) for row in np.flatnonzero(~is_ipv4).tolist()
            ]
        return VariableField(merge(from_rows(values), pa.array(payloads, pa.binary()), is_ipv4, valid))

    return encode


def _parse_ipv4(texts: pa.Array, *, is_cidr: bool) -> tuple[Array, Array]:
    """Payloads of the texts that are IPv4, and which these are."""
    found = pc.extract_regex(texts, IPV4_PATTERN)
    numbers = [_numbers(found.field(index)) for index in range(5)]
    is_ipv4 = found.is_valid().to_numpy(zero_copy_only=False)
    is_ipv4 &= np.logical_and.reduce([number <= 255 for number in numbers[:4]]) & (numbers[4] <= IPV4_BITS)
    values = np.empty(int(is_ipv4.sum()), IPV4_PAYLOAD)
    values["head"] = (FAMILY_IPV4, 0, is_cidr, 4)
    values["head"][:, 1] = numbers[4][is_ipv4]
    for index in range(4):
        values["address"][:, index] = numbers[index][is_ipv4]
    return values, is_ipv4


def _numbers(texts: pa.Array) -> Array:
    """The digits of a group as numbers; a netmask that is not written is that of one host."""
    written = pc.if_else(pc.equal(texts, ""), str(IPV4_BITS), texts).fill_null("0")
    numbers: Array = written.cast(pa.int16()).to_numpy()
    return numbers


def _ipv6_payload(text: str, row: int, *, is_cidr: bool) -> bytes:
    match = IPV6_PATTERN.fullmatch(text)
    try:
        address, bits = match.groups() if match else ("", None)
        packed = socket.inet_pton(socket.AF_INET6, address)
        return bytes((FAMILY_IPV6, int(bits or IPV6_BITS), is_cidr, len(packed))) + packed
    except (OSError, ValueError):
        raise UnencodableError(row, text, "is not an address") from None
