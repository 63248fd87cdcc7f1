"""What the system's list of processes shows of this one."""

from __future__ import annotations

import re
import sys

import setproctitle

_SECRETS = re.compile(
    r"""(?P<before>://[^:/?#@\s]*:)\S*(?=@)  # the password before a host
      | (?P<name>\b(?:ssl)?password\s*=\s*)(?:'[^']*'|[^&\s]*)  # or a parameter
    """,
    re.VERBOSE | re.IGNORECASE,
)


def hide_passwords() -> None:
    """Take the passwords of a DSN on the command line out of what others can see of it."""
    shown = [masked(argument) for argument in sys.argv[1:]]
    if shown != sys.argv[1:]:
        setproctitle.setproctitle(" ".join(["dbrestore", *shown]))


def masked(text: str) -> str:
    """``text`` with ``***`` for the passwords of the DSNs in it."""
    return _SECRETS.sub(lambda match: f"{match['before'] or match['name']}***", text)
