from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from dbrestore.progress import Progress
from dbrestore.target.deferral.execution import PuttingBack
from dbrestore.target.deferral.planning import DeferralPlanner
from dbrestore.target.deferral.policy import ForeignKeys, Indexes, Policy
from dbrestore.target.post_data import ForeignKey, Index, KeyConstraint, Kind, PostData
from dbrestore.target.triggers import TriggerSuspension
from dbrestore.tasks import put_back_tasks
from dbrestore.timing import Timing
from tests.unit.plans import LOCK_CAPACITY, foreign_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from dbrestore.scheduler import Task
    from dbrestore.target.deferral.model import Deferral, Step

PRIMARY = KeyConstraint(Kind.PRIMARY_KEY, "PRIMARY KEY (id)", "", None)
DEFERRABLE = KeyConstraint(Kind.UNIQUE, "UNIQUE (id) DEFERRABLE", " DEFERRABLE", None)
EXCLUSION = KeyConstraint(Kind.EXCLUSION, "EXCLUDE USING gist (id WITH =)", "", None)


def index(oid: int, table_oid: int, **changes: Any) -> Index:
    usual: dict[str, Any] = {
        "parent": None,
        "schema": "public",
        "table_name": f"t{table_oid}",
        "name": f"i{oid}",
        "is_partitioned": False,
        "definition": f"CREATE INDEX i{oid} ON t{table_oid} (id)",
        "constraint": None,
        "is_plain_btree": True,
        "is_clustered": False,
        "is_replica_identity": False,
        "tablespace": "",
        "storage_parameters": None,
        "comment": None,
        "statistics_targets": (),
        "extensions": (),
        "obstacle": None,
        "dependents": (),
    }
    return Index(oid=oid, table_oid=table_oid, **(usual | changes))


def defer(
    indexes: Iterable[Index] = (),
    keys: Iterable[ForeignKey] = (),
    *,
    policy: Policy = Policy(),  # noqa: B008 - it is frozen
    partitions: Mapping[int, Sequence[int]] | None = None,
    loaded: Iterable[int] = range(1, 10),
    lock_capacity: int = LOCK_CAPACITY,
    server_version: int = 170000,
    suspensions: Iterable[TriggerSuspension] = (),
) -> Deferral:
    post_data = PostData(tuple(indexes), tuple(keys), lock_capacity)
    planner = DeferralPlanner(post_data, set(loaded), partitions or {}, policy, server_version)
    return planner.plan(set(), suspensions)


def steps(deferral: Deferral) -> dict[str, Step]:
    return {step.key: step for step in deferral.steps}


def kept(deferral: Deferral) -> dict[str, str]:
    return {kept.identity: kept.reason for kept in deferral.kept}


def earlier(deferral: Deferral, key: str) -> set[str]:
    """All steps that come before one."""
    known = steps(deferral)
    waiting, found = [key], set()
    while waiting:
        step = known[waiting.pop()]
        for before in (*step.needs, *step.after):
            if before in known and before not in found:
                found.add(before)
                waiting.append(before)
    return {key for key in found if known[key].statements}


def test_nothing_comes_down_where_there_is_nothing() -> None:
    assert defer() == defer(policy=Policy(ForeignKeys.ORDERED))
    assert defer().objects == ()


def test_foreign_keys_come_down_before_the_indexes_that_they_need() -> None:
    deferral = defer([index(10, 1, constraint=PRIMARY)], [foreign_key(20, 2, 1, index_oid=10)])
    assert [deferred.kind for deferred in deferral.objects] == ["foreign key", "primary key"]


def test_a_key_is_built_as_an_index_and_then_made_a_constraint() -> None:
    found = steps(defer([index(10, 1, constraint=DEFERRABLE, is_clustered=True)]))
    assert found["build 10"].statements == ("SET LOCAL default_tablespace = ''", "CREATE INDEX i10 ON t1 (id)")
    assert found["settle 10"].statements == (
        'ALTER TABLE ONLY "public"."t1" ADD CONSTRAINT "i10" UNIQUE USING INDEX "i10" DEFERRABLE',
        'ALTER TABLE "public"."t1" CLUSTER ON "i10"',
    )


def test_a_constraint_settles_when_all_indexes_of_its_table_are_built() -> None:
    deferral = defer([index(10, 1, constraint=PRIMARY), index(11, 1), index(12, 2)])
    assert earlier(deferral, "settle 10") == {"build 10", "build 11"}
    assert earlier(deferral, "build 11") == set()


def test_an_exclusion_constraint_is_built_at_once_when_the_others_are() -> None:
    deferral = defer([index(10, 1, constraint=EXCLUSION, is_plain_btree=False), index(11, 1)])
    assert earlier(deferral, "settle 10") == {"build 11"}
    assert steps(deferral)["settle 10"].reads_rows


def test_the_storage_parameters_of_a_partitioned_key_come_before_its_timing() -> None:
    deferral = defer(
        [index(10, 1, constraint=DEFERRABLE, is_partitioned=True, storage_parameters="fillfactor='70'")],
        partitions={1: [2]},
    )
    assert steps(deferral)["settle 10"].statements[1] == (
        'ALTER TABLE ONLY "public"."t1" ADD CONSTRAINT "i10" UNIQUE (id) WITH (fillfactor=\'70\') DEFERRABLE'
    )


TREE = (index(10, 1, is_partitioned=True), index(11, 2, parent=10), index(12, 3, parent=10))


def test_an_index_of_a_partition_is_attached_when_it_and_its_parent_are_there() -> None:
    deferral = defer(TREE, partitions={1: [2, 3]})
    assert len(deferral.objects) == 1
    assert earlier(deferral, "settle 11") == {"build 10", "build 11"}
    assert steps(deferral)["settle 11"].statements == ('ALTER INDEX "public"."i10" ATTACH PARTITION "public"."i11"',)


def test_of_a_tree_of_indexes_one_is_attached_at_a_time() -> None:
    tree = (*TREE, index(13, 4, parent=12), index(14, 5, parent=12))
    found = steps(defer(tree, partitions={1: [2, 3, 4, 5]}))
    assert set.intersection(*(set(found[f"settle {oid}"].alone) for oid in (11, 12, 13, 14))) == {1}


def test_a_partition_that_cannot_part_with_its_index_keeps_the_whole_of_it() -> None:
    root, one, _ = TREE
    deferral = defer([root, one, index(12, 3, parent=10, obstacle="it is nailed down")], partitions={1: [2, 3]})
    assert deferral.objects == ()
    assert kept(deferral) == {"index i10 of public.t1": "it is nailed down"}


def test_what_needs_more_locks_than_the_server_has_stays() -> None:
    deferral = defer(TREE, partitions={1: [2, 3]}, lock_capacity=11)
    assert list(kept(deferral).values()) == [
        "taking it down would need 6 locks at once: raise max_locks_per_transaction"
    ]


def test_an_index_stays_if_somebody_else_needs_it() -> None:
    deferral = defer([index(10, 1, dependents=("view v",)), index(11, 1)])
    assert kept(deferral) == {"index i10 of public.t1": "view v needs it"}
    assert [deferred.identity for deferred in deferral.objects] == ["index i11 of public.t1"]


def test_a_foreign_key_that_stays_keeps_the_index_that_it_needs() -> None:
    key = foreign_key(20, 2, 1, index_oid=10, obstacle="it is nailed down")
    deferral = defer([index(10, 1, constraint=PRIMARY)], [key])
    assert kept(deferral) == {
        "foreign key key_2_1 of public.t2": "it is nailed down",
        "primary key i10 of public.t1": "foreign key key_2_1 of public.t2 needs it",
    }


def test_tables_that_are_not_loaded_keep_what_they_have_but_for_keys_to_those_that_are() -> None:
    keys = [foreign_key(20, 50, 51), foreign_key(21, 50, 1)]
    deferral = defer([index(10, 50), index(11, 1)], keys)
    assert [deferred.identity for deferred in deferral.objects] == [
        "foreign key key_50_1 of public.t50",
        "index i11 of public.t1",
    ]
    assert deferral.kept == ()


def test_a_foreign_key_goes_back_when_both_tables_are_ready_and_is_then_checked() -> None:
    deferral = defer(
        [index(10, 1, constraint=PRIMARY), index(11, 2), index(12, 3)], [foreign_key(20, 2, 1, index_oid=10)]
    )
    assert earlier(deferral, "add 20") == {"build 10", "settle 10", "build 11"}
    assert earlier(deferral, "validate 20") == earlier(deferral, "add 20") | {"add 20"}
    found = steps(deferral)
    assert found["add 20"].statements[0].endswith(" NOT VALID")
    assert set(found["add 20"].alone) == {1, 2}
    assert found["validate 20"].alone == (2,)
    assert found["validate 20"].fallback == ()


def test_a_foreign_key_that_was_not_valid_is_not_checked() -> None:
    deferral = defer(keys=[foreign_key(20, 2, 1, is_validated=False, definition="FOREIGN KEY … NOT VALID")])
    assert "validate 20" not in steps(deferral)
    assert steps(deferral)["add 20"].statements[0].endswith("FOREIGN KEY … NOT VALID")


def test_the_keys_of_partitions_go_back_before_that_of_their_parent() -> None:
    keys = [
        foreign_key(20, 1, 9, is_partitioned=True),
        foreign_key(21, 2, 9, parent=20),
        foreign_key(22, 3, 9, parent=20),
    ]
    deferral = defer(keys=keys, partitions={1: [2, 3]})
    assert len(deferral.objects) == 1
    assert earlier(deferral, "add 20") == {"add 21", "validate 21", "add 22", "validate 22"}
    assert steps(deferral)["validate 21"].fallback is None
    assert set(steps(deferral)["add 20"].alone) == {1, 2, 3, 9}


@pytest.mark.parametrize(("server_version", "is_checked_at_once"), [(170000, True), (180000, False)])
def test_a_key_to_a_partitioned_table_is_checked_at_once_where_its_partitions_would_not_be_marked(
    server_version: int, is_checked_at_once: bool
) -> None:
    key = foreign_key(20, 3, 1, references_partitioned=True)
    found = steps(defer(keys=[key], partitions={1: [2]}, server_version=server_version))
    assert ("validate 20" in found) != is_checked_at_once
    assert found["add 20"].statements[0].endswith(" NOT VALID") != is_checked_at_once
    assert (found["add 20"].fallback is not None) == is_checked_at_once


def test_triggers_are_switched_on_when_the_indexes_are_built() -> None:
    suspension = TriggerSuspension("trigger x on public.t1", 1, ("off",), ("on",))
    deferral = defer([index(10, 1)], suspensions=[suspension])
    assert earlier(deferral, "trigger x on public.t1") == {"build 10"}
    assert deferral.objects[-1].down == ("off",)


@pytest.mark.parametrize(
    ("policy", "kinds"),
    [
        (Policy(), ["foreign key", "primary key", "index"]),
        (Policy(indexes=Indexes.KEEP), ["foreign key"]),
        (Policy(ForeignKeys.ORDERED), []),
        (Policy(ForeignKeys.UNCHECKED), ["index"]),
        (Policy(ForeignKeys.UNCHECKED, Indexes.KEEP), []),
    ],
)
def test_a_policy_says_what_comes_down(policy: Policy, kinds: list[str]) -> None:
    deferral = defer(
        [index(10, 1, constraint=PRIMARY), index(11, 1)], [foreign_key(20, 2, 1, index_oid=10)], policy=policy
    )
    assert [deferred.kind for deferred in deferral.objects] == kinds


def test_the_tasks_of_putting_back_wait_for_the_loads_of_their_tables() -> None:
    deferral = defer([index(10, 1, constraint=PRIMARY)], [foreign_key(20, 2, 1, index_oid=10)])
    putting_back = PuttingBack(steps(deferral), "64MB")
    tasks: dict[object, Task] = {
        task.key: task for task in put_back_tasks(putting_back, {1: {1}, 2: {2}}, {1: 700}, Progress(), Timing())
    }
    assert tasks["build 10"].after == {1}
    assert tasks["build 10"].cost == 175
    assert 2 in tasks["ready 2"].after
    assert {"ready 1", "ready 2"} <= tasks["add 20"].after
