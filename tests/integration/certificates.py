"""Certificates for one test run."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

if TYPE_CHECKING:
    from pathlib import Path

DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate and its key, as files."""

    certificate: Path
    key: Path


class Authority:
    """Signs certificates, and takes them back."""

    def __init__(self, folder: Path, name: str) -> None:
        self.root = folder / f"{name}.crt"
        """Its own certificate."""
        self._folder = folder
        self._name = _name(name)
        self._key = ec.generate_private_key(ec.SECP256R1())
        own = self._signed(name, self._key, x509.BasicConstraints(ca=True, path_length=0))
        self.root.write_bytes(own.public_bytes(serialization.Encoding.PEM))

    def issue(self, name: str, *hosts: str, passphrase: bytes | None = None) -> Issued:
        """A certificate for ``name`` and ``hosts``, which are names or addresses."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = x509.SubjectAlternativeName([_host(host) for host in hosts]) if hosts else None
        certificate = self._signed(name, key, names)
        issued = Issued(self._folder / f"{name}.crt", self._folder / f"{name}.key")
        issued.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        encryption = serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
        issued.key.touch(0o600)
        issued.key.write_bytes(
            key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
        )
        return issued

    def revoke(self, issued: Issued | None = None) -> Path:
        """The file of revoked certificates, with that of ``issued`` if there is one."""
        moment = datetime.now(UTC)
        revoked = x509.CertificateRevocationListBuilder(self._name, moment - DAY, moment + DAY)
        if issued:
            number = x509.load_pem_x509_certificate(issued.certificate.read_bytes()).serial_number
            entry = x509.RevokedCertificateBuilder().serial_number(number).revocation_date(moment - DAY).build()
            revoked = revoked.add_revoked_certificate(entry)
        path = self._folder / f"{'some' if issued else 'none'}.crl"
        signed = revoked.sign(self._key, hashes.SHA256())
        path.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
        return path

    def _signed(
        self, name: str, key: ec.EllipticCurvePrivateKey, extension: x509.ExtensionType | None
    ) -> x509.Certificate:
        moment = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder(self._name, _name(name), key.public_key(), x509.random_serial_number())
            .not_valid_before(moment - DAY)
            .not_valid_after(moment + DAY)
        )
        if extension:
            builder = builder.add_extension(extension, critical=False)
        return builder.sign(self._key, hashes.SHA256())


def _name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
