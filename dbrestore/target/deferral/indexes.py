"""How indexes, and the constraints that they enforce, come down and go back.

CREATE INDEX locks its table against writing but not against other builds, so all indexes of a table are built at
once. What needs the table for itself, briefly, comes when the last of them is built: an index becomes the constraint
that it was, a partition of its parent's, the mark of CLUSTER or of REPLICA IDENTITY. Only what no index can be built
for beforehand is built then: exclusion constraints and keys WITHOUT OVERLAPS.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbrestore.target.deferral.model import Deferred, Step
from dbrestore.target.post_data import Kind
from dbrestore.target.quoting import quote_identifier

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dbrestore.target.deferral.selection import Tree
    from dbrestore.target.post_data import Index, KeyConstraint


def whole_key(root: Index) -> str:
    """The milestone of an index that is back with all its partitions."""
    return f"index {root.oid}"


def built_key(table_oid: int) -> str:
    """The milestone of a table whose indexes are built."""
    return f"built {table_oid}"


def defer_index(tree: Tree[Index]) -> Deferred:
    """An index and its partitions, as they come down and go back."""
    root = tree.root
    members = {index.oid: index for index in tree.members}
    steps = [step for index in tree.members for step in _steps(index, members.get(index.parent or 0), root)]
    whole = Step(whole_key(root), root.table_oid, root.identity, needs=tuple(map(last_key, tree.members)))
    return Deferred(root.kind, root.identity, (_drop(root),), len(tree.members), (*steps, whole))


def last_key(index: Index) -> str:
    """The step after which an index is what it was, but for its partitions."""
    return _settle_key(index) if _needs_settling(index) else _build_key(index)


def _steps(index: Index, parent: Index | None, root: Index) -> Iterator[Step]:
    """How an index is built, and then made what it was.

    Of a whole tree one index settles at a time. The one that makes an inner index valid looks whether the outer one
    is valid by that, and lets go of the outer one before it commits (validatePartitionedIndex, src/backend/commands/
    tablecmds.c): another that is attached to it meanwhile would not see it, and the outer one would never be valid.
    """
    if _is_built_first(index):
        statements = (_tablespace(index), index.definition, *_details(index))
        yield Step(_build_key(index), index.table_oid, index.identity, statements, reads_rows=not index.is_partitioned)
    if _needs_settling(index):
        yield Step(
            _settle_key(index),
            index.table_oid,
            index.identity,
            tuple(_settling(index, parent)),
            needs=(
                *([_build_key(index)] if _is_built_first(index) else []),
                *([last_key(parent)] if parent else []),
            ),
            after=(built_key(index.table_oid),),
            alone=tuple({index.table_oid, root.table_oid}),
            reads_rows=not (_is_built_first(index) or index.is_partitioned),
        )


def _build_key(index: Index) -> str:
    return f"build {index.oid}"


def _settle_key(index: Index) -> str:
    return f"settle {index.oid}"


def _is_built_first(index: Index) -> bool:
    """ADD CONSTRAINT USING INDEX can take it over, or it is no constraint's."""
    return index.constraint is None or (index.is_plain_btree and not index.is_partitioned)


def _needs_settling(index: Index) -> bool:
    return bool(index.constraint or index.parent or index.is_clustered or index.is_replica_identity)


def _drop(index: Index) -> str:
    if index.constraint:
        return f"ALTER TABLE {index.table_sql} DROP CONSTRAINT {quote_identifier(index.name)}"
    return f"DROP INDEX {index.sql}"


def _settling(index: Index, parent: Index | None) -> Iterator[str]:
    name = quote_identifier(index.name)
    if index.constraint:
        yield from _add_constraint(index, index.constraint)
    if parent:
        yield f"ALTER INDEX {parent.sql} ATTACH PARTITION {index.sql}"
    if index.is_clustered:
        yield f"ALTER TABLE {index.table_sql} CLUSTER ON {name}"
    if index.is_replica_identity:
        yield f"ALTER TABLE {index.table_sql} REPLICA IDENTITY USING INDEX {name}"


def _add_constraint(index: Index, constraint: KeyConstraint) -> Iterator[str]:
    name = quote_identifier(index.name)
    alter = f"ALTER TABLE ONLY {index.table_sql} ADD CONSTRAINT {name}"
    if _is_built_first(index):
        kind = "PRIMARY KEY" if constraint.kind is Kind.PRIMARY_KEY else "UNIQUE"
        yield f"{alter} {kind} USING INDEX {name}{constraint.timing}"
    else:
        yield _tablespace(index)
        yield f"{alter} {_full_definition(index, constraint)}"
        yield from _details(index)
    if constraint.comment:
        yield f"COMMENT ON CONSTRAINT {name} ON {index.table_sql} IS {constraint.comment}"


def _full_definition(index: Index, constraint: KeyConstraint) -> str:
    """Of a key, with its storage parameters where the grammar wants them; exclusion constraints tell theirs."""
    if constraint.kind is Kind.EXCLUSION or index.storage_parameters is None:
        return constraint.definition
    keys = constraint.definition.removesuffix(constraint.timing)
    return f"{keys} WITH ({index.storage_parameters}){constraint.timing}"


def _tablespace(index: Index) -> str:
    """As pg_dump does it: definitions do not tell it."""
    name = quote_identifier(index.tablespace) if index.tablespace else "''"
    return f"SET LOCAL default_tablespace = {name}"


def _details(index: Index) -> Iterator[str]:
    for number, target in index.statistics_targets:
        yield f"ALTER INDEX {index.sql} ALTER COLUMN {number} SET STATISTICS {target}"
    for extension in index.extensions:
        yield f"ALTER INDEX {index.sql} DEPENDS ON EXTENSION {quote_identifier(extension)}"
    if index.comment:
        yield f"COMMENT ON INDEX {index.sql} IS {index.comment}"
