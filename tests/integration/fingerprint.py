"""What the catalogue says of keys, indexes and triggers, as far as it does not depend on their oids."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dbrestore.testing.databases import Database

_QUERIES = (
    # Left out: the names of what a key has for each partition that it references, and marks that a partition's
    # constraint gets when it is made first and attached then, as pg_restore does it too.
    """
    SELECT k.conrelid::regclass, CASE WHEN p.confrelid IS NOT DISTINCT FROM nullif(k.confrelid, 0) OR p.oid IS NULL
                                      OR k.confrelid = 0 THEN k.conname END AS name,
           k.contype, k.condeferrable, k.condeferred, k.convalidated, k.conislocal OR k.contype = 'n', k.coninhcount,
           k.confrelid::regclass, k.conindid::regclass, p.conrelid::regclass, p.confrelid::regclass,
           pg_get_constraintdef(k.oid), obj_description(k.oid, 'pg_constraint'),
           ARRAY(
               SELECT concat_ws(' ', g.tgrelid::regclass, g.tgfoid::regproc, g.tgenabled, g.tgdeferrable)
                 FROM pg_trigger g WHERE g.tgconstraint = k.oid ORDER BY 1
           )
      FROM pg_constraint k
      LEFT JOIN pg_constraint p ON p.oid = k.conparentid
     WHERE k.conrelid >= 16384
     ORDER BY k.conrelid::regclass::text, name, k.confrelid::regclass::text
    """,
    """
    SELECT c.oid::regclass, c.relowner::regrole, c.reltablespace, c.reloptions, c.relpersistence, c.relispartition,
           c.relkind, (SELECT inhparent::regclass FROM pg_inherits WHERE inhrelid = c.oid),
           (to_jsonb(i) - '{indexrelid,indrelid,indexprs,indpred,indcheckxmin,indcollation,indclass}'::text[])::text,
           pg_get_indexdef(c.oid), obj_description(c.oid, 'pg_class'),
           ARRAY(
               SELECT (attname, attstattarget, attoptions)::text FROM pg_attribute
                WHERE attrelid = c.oid ORDER BY attnum
           ),
           ARRAY(
               SELECT (pg_describe_object(refclassid, refobjid, refobjsubid), deptype)::text FROM pg_depend
                WHERE classid = 'pg_class'::regclass AND objid = c.oid ORDER BY 1
           )
      FROM pg_index i
      JOIN pg_class c ON c.oid = i.indexrelid
     WHERE i.indrelid >= 16384 AND c.relnamespace <> 'pg_toast'::regnamespace
     ORDER BY c.oid::regclass::text
    """,
    """
    SELECT c.oid::regclass, c.relreplident, c.relhasindex, c.relhastriggers,
           ARRAY(SELECT (attname, attnotnull)::text FROM pg_attribute WHERE attrelid = c.oid ORDER BY attnum),
           ARRAY(SELECT (tgname, tgenabled)::text FROM pg_trigger WHERE tgrelid = c.oid AND NOT tgisinternal ORDER BY 1)
      FROM pg_class c
     WHERE c.relkind IN ('r', 'p') AND c.oid >= 16384
     ORDER BY c.oid::regclass::text
    """,
)


def fingerprint(database: Database) -> list[str]:
    """A line for each constraint, index and table."""
    return [line for query in _QUERIES for line in database.execute(query).splitlines()]
