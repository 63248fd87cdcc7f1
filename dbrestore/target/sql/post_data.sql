-- name: indexes
-- With what a definition does not tell, and the first reason for which the role could not take it down and put it back.
SELECT i.indexrelid::int8 AS oid,
       i.indrelid::int8 AS table_oid,
       (SELECT h.inhparent::int8 FROM pg_inherits h WHERE h.inhrelid = i.indexrelid) AS parent,
       n.nspname AS schema,
       t.relname AS table_name,
       c.relname AS name,
       t.relkind = 'p' AS is_partitioned,
       k.contype::text AS constraint_type,
       pg_get_indexdef(i.indexrelid) AS definition,
       pg_get_constraintdef(k.oid) AS constraint_definition,
       CASE WHEN k.condeferrable THEN ' DEFERRABLE' ELSE '' END
           || CASE WHEN k.condeferred THEN ' INITIALLY DEFERRED' ELSE '' END AS constraint_timing,
       m.amname = 'btree' AND NOT i.indisexclusion AS is_plain_btree,
       i.indisclustered AS is_clustered,
       i.indisreplident AS is_replica_identity,
       coalesce(s.spcname, '') AS tablespace,
       (SELECT string_agg(format('%I=%L', split_part(o, '=', 1), substr(o, strpos(o, '=') + 1)), ', ')
          FROM unnest(c.reloptions) o) AS storage_parameters,
       quote_literal(obj_description(i.indexrelid, 'pg_class')) AS comment,
       quote_literal(obj_description(k.oid, 'pg_constraint')) AS constraint_comment,
       ARRAY(
           SELECT (a.attnum, a.attstattarget)
             FROM pg_attribute a
            WHERE a.attrelid = i.indexrelid AND a.attstattarget >= 0
            ORDER BY a.attnum
       ) AS statistics_targets,
       ARRAY(
           SELECT e.extname
             FROM pg_depend d
             JOIN pg_extension e ON e.oid = d.refobjid
            WHERE d.classid = 'pg_class'::regclass AND d.objid = i.indexrelid AND d.deptype = 'x'
            ORDER BY e.extname
       ) AS extensions,
       CASE
           WHEN NOT pg_has_role(t.relowner, 'USAGE') THEN 'the role does not own the table'
           WHEN NOT has_schema_privilege(n.oid, 'CREATE') THEN format('the role may not create in schema %s', n.nspname)
           WHEN NOT has_tablespace_privilege(s.oid, 'CREATE')
               THEN format('the role may not create in tablespace %s', s.spcname)
           WHEN EXISTS (
               SELECT FROM pg_depend d
                WHERE d.classid = 'pg_class'::regclass AND d.objid = i.indexrelid AND d.deptype = 'e'
           ) THEN 'it belongs to an extension'
           WHEN t.relkind <> 'p' AND NOT i.indisvalid THEN 'it is invalid'
           -- transformTypeCast (src/backend/parser/parse_expr.c) pushes the cast of an ARRAY[…] down to its elements.
           WHEN pg_get_indexdef(i.indexrelid) ~ '\(ARRAY\[.*\]\)::' THEN 'PostgreSQL would print it in another way afterwards'
           -- Their indexes are never found equal (CompareIndexInfo, src/backend/catalog/index.c), so cannot be attached.
           WHEN t.relkind = 'p' AND i.indisexclusion THEN 'what its partitions have of it could not be attached again'
           WHEN (i.indisreplident OR i.indisprimary AND t.relreplident = 'd') AND i.indrelid = ANY (r.oids)
               THEN 'replication finds rows by it'
           WHEN EXISTS (
               SELECT FROM pg_inherits h JOIN pg_class f ON f.oid = h.inhrelid
                WHERE h.inhparent = i.indrelid AND f.relkind = 'f'
           ) THEN 'a partition of its table is a foreign table'
       END AS obstacle
  FROM pg_index i
  JOIN pg_class c ON c.oid = i.indexrelid
  JOIN pg_am m ON m.oid = c.relam
  JOIN pg_class t ON t.oid = i.indrelid
  JOIN pg_namespace n ON n.oid = t.relnamespace
  LEFT JOIN pg_tablespace s ON s.oid = c.reltablespace
  LEFT JOIN pg_constraint k ON k.conindid = i.indexrelid AND k.conrelid = i.indrelid AND k.contype IN ('p', 'u', 'x')
  CROSS JOIN (
      SELECT ARRAY(
          SELECT pc.oid
            FROM pg_publication p
            JOIN pg_publication_tables pt ON pt.pubname = p.pubname
            JOIN pg_namespace pn ON pn.nspname = pt.schemaname
            JOIN pg_class pc ON pc.relnamespace = pn.oid AND pc.relname = pt.tablename
           WHERE p.pubupdate OR p.pubdelete
          UNION
          SELECT srrelid FROM pg_subscription_rel
      ) AS oids
  ) r
 WHERE t.relkind IN ('r', 'p')
   AND t.relpersistence <> 't'
   AND n.nspname NOT LIKE 'pg\_%'
   AND n.nspname NOT IN ('information_schema', 'dbrestore')
 ORDER BY n.nspname, t.relname, c.relname;

-- name: foreign_keys
-- Those that somebody declared, and what became of them on partitions; the latter have a parent. orphans is a query for
-- the keys that are in the referencing table alone, as RI_Initial_Check (src/backend/utils/adt/ri_triggers.c) finds
-- them; there is none for a PERIOD. Columns of newer servers are read by way of JSON.
SELECT k.oid::int8 AS oid,
       k.conrelid::int8 AS table_oid,
       k.confrelid::int8 AS referenced_oid,
       k.conindid::int8 AS index_oid,
       nullif(k.conparentid, 0)::int8 AS parent,
       n.nspname AS schema,
       t.relname AS table_name,
       k.conname AS name,
       format('%s.%s', pn.nspname, p.relname) AS referenced,
       t.relkind = 'p' AS is_partitioned,
       p.relkind = 'p' AS references_partitioned,
       pg_get_constraintdef(k.oid) AS definition,
       quote_literal(obj_description(k.oid, 'pg_constraint')) AS comment,
       k.convalidated AS is_validated,
       coalesce((to_jsonb(k) ->> 'conenforced')::bool, true) AS is_enforced,
       k.condeferrable AS is_deferrable,
       CASE WHEN (to_jsonb(k) ->> 'conperiod')::bool IS NOT true THEN (
           SELECT format(
                      $$SELECT '(' || concat_ws(', ', %s) || ')' AS key FROM %s%I.%I AS child WHERE (%s) AND NOT EXISTS %s$$,
                      string_agg(format($$coalesce(child.%I::text, 'null')$$, ca.attname), ', ' ORDER BY number),
                      CASE t.relkind WHEN 'p' THEN '' ELSE 'ONLY ' END, n.nspname, t.relname,
                      string_agg(
                          format('child.%I IS NOT NULL', ca.attname),
                          CASE k.confmatchtype WHEN 'f' THEN ' OR ' ELSE ' AND ' END ORDER BY number
                      ),
                      format(
                          '(SELECT FROM %s%I.%I AS parent WHERE %s)',
                          CASE p.relkind WHEN 'p' THEN '' ELSE 'ONLY ' END, pn.nspname, p.relname,
                          string_agg(
                              format('parent.%I OPERATOR(%I.%s) child.%I', pa.attname, o_n.nspname, o.oprname, ca.attname),
                              ' AND ' ORDER BY number
                          )
                      )
                  )
             FROM unnest(k.conkey, k.confkey, k.conpfeqop) WITH ORDINALITY AS u (child, parent, operator, number)
             JOIN pg_attribute ca ON ca.attrelid = k.conrelid AND ca.attnum = u.child
             JOIN pg_attribute pa ON pa.attrelid = k.confrelid AND pa.attnum = u.parent
             JOIN pg_operator o ON o.oid = u.operator
             JOIN pg_namespace o_n ON o_n.oid = o.oprnamespace
       ) END AS orphans,
       CASE
           WHEN NOT pg_has_role(t.relowner, 'USAGE') THEN 'the role does not own the table'
           WHEN NOT has_schema_privilege(pn.oid, 'USAGE')
               OR NOT has_table_privilege(p.oid, 'REFERENCES') AND NOT (
                   SELECT bool_and(has_column_privilege(p.oid, a, 'REFERENCES')) FROM unnest(k.confkey) a
               ) THEN format('the role may not reference %s.%s', pn.nspname, p.relname)
           WHEN EXISTS (SELECT FROM pg_trigger g WHERE g.tgconstraint = k.oid AND g.tgenabled <> 'O')
               THEN 'its triggers are not enabled as usual'
       END AS obstacle
  FROM pg_constraint k
  JOIN pg_class t ON t.oid = k.conrelid
  JOIN pg_namespace n ON n.oid = t.relnamespace
  JOIN pg_class p ON p.oid = k.confrelid
  JOIN pg_namespace pn ON pn.oid = p.relnamespace
 WHERE k.contype = 'f'
   AND t.relpersistence <> 't'
   AND n.nspname NOT LIKE 'pg\_%'
   AND n.nspname NOT IN ('information_schema', 'dbrestore')
 ORDER BY n.nspname, t.relname, k.conname;

-- name: dependents
-- What needs an index or its constraint, such as a view that groups by a primary key. Foreign keys are told apart, and
-- so are the partitions of an index, whose dependencies are of other types.
SELECT i.indexrelid::int8 AS index_oid,
       CASE
           WHEN w.oid IS NULL THEN pg_describe_object(d.classid, d.objid, d.objsubid)
           ELSE pg_describe_object('pg_class'::regclass, w.ev_class, 0)
       END AS dependent
  FROM pg_index i
  LEFT JOIN pg_constraint k ON k.conindid = i.indexrelid AND k.conrelid = i.indrelid AND k.contype IN ('p', 'u', 'x')
  JOIN pg_depend d
    ON d.refclassid = 'pg_class'::regclass AND d.refobjid = i.indexrelid
    OR d.refclassid = 'pg_constraint'::regclass AND d.refobjid = k.oid
  LEFT JOIN pg_rewrite w ON d.classid = 'pg_rewrite'::regclass AND w.oid = d.objid
 WHERE i.indrelid >= 16384  -- FirstNormalObjectId: the rest is the system's
   AND d.deptype IN ('n', 'a')
   AND NOT (d.classid = 'pg_constraint'::regclass AND EXISTS (
       SELECT FROM pg_constraint f WHERE f.oid = d.objid AND f.contype = 'f'
   ))
 ORDER BY 1, 2;

-- name: lock_capacity
-- The lock table's size: PostgreSQL documentation, max_locks_per_transaction.
SELECT current_setting('max_locks_per_transaction')::int
       * (current_setting('max_connections')::int + current_setting('max_prepared_transactions')::int);
