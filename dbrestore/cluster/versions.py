"""Whether all processes of a cluster have the same versions of what tasks are made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dbrestore.errors import ClusterError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from distributed import Client

COMPARED = ("python", "dask", "distributed", "dbrestore")
"""What has to be the same everywhere: tasks are pickled."""


async def check_versions(client: Client) -> None:
    """Raise ClusterError for a worker, or scheduler, that could not read a task."""
    found = await client.get_versions(packages=["dbrestore"])
    ours = _versions(found["client"])
    for node, told in (("the scheduler", found["scheduler"]), *found["workers"].items()):
        theirs = _versions(told)
        if different := [name for name in COMPARED if theirs[name] != ours[name]]:
            shown = ", ".join(f"{name} {theirs[name] or 'not at all'} in place of {ours[name]}" for name in different)
            raise ClusterError(f"{node} of the Dask cluster has {shown}", hint="Install the same versions everywhere.")


def _versions(told: Mapping[str, Any]) -> dict[str, str | None]:
    packages: Mapping[str, str | None] = told["packages"]
    return {name: packages.get(name) for name in COMPARED} | {
        "python": ".".join((packages.get("python") or "").split(".")[:2])
    }
