"""inet_recv, cidr_recv: family, bits of the netmask, whether it is a cidr, number of bytes, address.

Source: src/backend/utils/adt/network.c. IPv4 is parsed in arrays, IPv6 one by one.
"""

from __future__ import annotations

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
    refuse_first,
    rows_at,
    rows_of,
    spread,
    string_buffers,
    validity,
)

if TYPE_CHECKING:
    from collections.abc import Callable

FAMILY_IPV4 = 2
FAMILY_IPV6 = 3
IPV4_BITS = 32
IPV6_BITS = 128
IPV4_PATTERN = r"^[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}(/[0-9]{1,2})?$"
IPV6_PATTERN = r"^[0-9a-fA-F:.]+(/(0|[1-9][0-9]{0,2}))?$"
NO_ADDRESS = "is not an address"
ZERO, DOT, SLASH, COLON = b"0./:"


def network_encoder(*, is_cidr: bool) -> Callable[[pa.Array], VariableField]:
    """An encoder of the text of inet_out or cidr_out. It raises UnencodableError for any other text."""

    def encode(array: pa.Array) -> VariableField:
        valid = validity(array)
        texts = array if valid is None else array.drop_null()
        is_ipv6 = _have_colon(texts)
        with rows_of(valid):
            ipv4 = _encode_ipv4(texts, is_cidr=is_cidr) if not is_ipv6.any() else None
            if ipv4 is not None:
                return VariableField(spread(ipv4, valid))
            with rows_at(np.flatnonzero(~is_ipv6)):
                ipv4 = _encode_ipv4(texts.filter(pa.array(~is_ipv6)), is_cidr=is_cidr)
            with rows_at(np.flatnonzero(is_ipv6)):
                ipv6 = _encode_ipv6(texts.filter(pa.array(is_ipv6)), is_cidr=is_cidr)
        return VariableField(merge(ipv4, ipv6, ~is_ipv6, valid))

    return encode


def _have_colon(texts: pa.Array) -> Array:
    offsets, data = string_buffers(texts)
    have = np.zeros(len(texts), bool)
    have[np.searchsorted(offsets, np.flatnonzero(data == COLON), side="right") - 1] = True
    return have


def _encode_ipv4(texts: pa.Array, *, is_cidr: bool) -> pa.Array:
    offsets, data = string_buffers(texts)
    refuse_first(texts, ~np.asarray(pc.match_substring_regex(texts, IPV4_PATTERN)), NO_ADDRESS)
    slashes = np.flatnonzero(data == SLASH)
    rows_with_mask = np.searchsorted(offsets, slashes, side="right") - 1
    ends = offsets[1:].copy()
    ends[rows_with_mask] = slashes
    bits = np.full(len(texts), IPV4_BITS, np.int64)
    bits[rows_with_mask] = _numbers(data, slashes + 1, offsets[1:][rows_with_mask])
    dots = np.flatnonzero(data == DOT).reshape(-1, 3)
    octets = _numbers(data, np.column_stack([offsets[:-1], dots + 1]), np.column_stack([dots, ends]))
    refuse_first(texts, (octets > 255).any(axis=1) | (bits > IPV4_BITS), NO_ADDRESS)
    payloads = np.empty((len(texts), 8), np.uint8)
    payloads[:, :4] = (FAMILY_IPV4, 0, is_cidr, 4)
    payloads[:, 1] = bits
    payloads[:, 4:] = octets
    return from_rows(payloads.view("V8")[:, 0])


def _numbers(data: Array, starts: Array, ends: Array) -> Array:
    """One to three digits as a number."""
    numbers: Array = (data[ends - 1] - ZERO).astype(np.int64)
    for place, weight in ((2, 10), (3, 100)):
        numbers += np.where(ends - starts >= place, (data[ends - place] - ZERO).astype(np.int64) * weight, 0)
    return numbers


def _encode_ipv6(texts: pa.Array, *, is_cidr: bool) -> pa.Array:
    refuse_first(texts, ~np.asarray(pc.match_substring_regex(texts, IPV6_PATTERN)), NO_ADDRESS)
    payloads = []
    for row, text in enumerate(texts.to_pylist()):
        address, _, bits = text.partition("/")
        try:
            packed = socket.inet_pton(socket.AF_INET6, address)
            payloads.append(bytes((FAMILY_IPV6, int(bits or IPV6_BITS), is_cidr, len(packed))) + packed)
        except (OSError, ValueError):
            raise UnencodableError(row, text, NO_ADDRESS) from None
    return pa.array(payloads, pa.binary())
