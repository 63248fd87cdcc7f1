"""Who a throw-away server runs as: PostgreSQL refuses to run as root, and initdb as a user without a name."""

from __future__ import annotations

import os
import pwd
import subprocess
from dataclasses import dataclass
from functools import cache
from typing import IO, TYPE_CHECKING

from dbrestore.testing.errors import EmbeddedServerError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Account:
    """How a program is started so that it is not root; the default is to start it as it is."""

    prefix: tuple[str, ...] = ()
    """Words before the program's own; what they start replaces itself by the program, so the pid is kept."""
    uid: int | None = None
    gid: int | None = None

    def give(self, folder: Path) -> None:
        """Make ``folder`` belong to this account."""
        if self.uid is not None and self.gid is not None:
            os.chown(folder, self.uid, self.gid)

    def spawn(self, command: Sequence[str], *, folder: Path, output: IO[bytes]) -> subprocess.Popen[bytes]:
        """Start ``command`` in ``folder``, in a session of its own, with both its outputs in ``output``.

        Raises ``EmbeddedServerError`` when the account may not reach the program.
        """
        try:
            return subprocess.Popen(
                [*self.prefix, *command],
                cwd=folder,
                env=server_environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                user=self.uid,
                group=self.gid,
                extra_groups=None if self.uid is None else [],
            )
        except PermissionError as error:
            raise EmbeddedServerError(
                f"user id {self.uid} may not run {command[0]}, and PostgreSQL does not run as root",
                hint="put the programs where every user can reach them (make VENV=/opt/dbrestore), "
                "or run as an ordinary user",
            ) from error


def server_environment() -> dict[str, str]:
    """The environment without what libpq and the server would read, and with messages in English."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PG")} | {"LC_ALL": "C"}


@cache
def unprivileged_account() -> Account:
    """Ourselves; for root and for a user without a name ``nobody`` inside a user namespace or, for root, outside."""
    if os.geteuid() != 0 and _has_name(os.geteuid()):
        return Account()
    nobody = pwd.getpwnam("nobody")
    namespace = ("unshare", "--user", f"--map-user={nobody.pw_uid}", f"--map-group={nobody.pw_gid}", "--")
    if _works(namespace):
        return Account(prefix=namespace)
    return Account(uid=nobody.pw_uid, gid=nobody.pw_gid) if os.geteuid() == 0 else Account()


def _has_name(uid: int) -> bool:
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True


def _works(namespace: Sequence[str]) -> bool:
    try:
        return subprocess.run([*namespace, "true"], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False
