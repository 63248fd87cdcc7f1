-- name: sequences
-- Each sequence that numbers a column of the tables or of their partitions, with every column of the database that it
-- numbers: those that own it (serial, OWNED BY, identity) and those whose default names it. What numbers a column of a
-- partitioned table numbers those of its partitions.
WITH RECURSIVE loaded (oid) AS (
    SELECT unnest($1::oid[])
    UNION
    SELECT i.inhrelid
      FROM loaded
      JOIN pg_inherits i ON i.inhparent = loaded.oid
), declared (sequence_oid, table_oid, column_name, is_plain) AS (
    SELECT d.objid, d.refobjid, a.attname, true
      FROM pg_depend d
      JOIN pg_sequence s ON s.seqrelid = d.objid
      JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
     WHERE d.classid = 'pg_class'::regclass
       AND d.refclassid = 'pg_class'::regclass
       AND d.deptype IN ('a', 'i')
    UNION
    SELECT d.refobjid,
           f.adrelid,
           a.attname,
           pg_get_expr(f.adbin, f.adrelid) ~ $re$^\(?nextval\('([^']|'')*'::regclass\)\)?(::[a-z]+)?$$re$
      FROM pg_depend d
      JOIN pg_sequence s ON s.seqrelid = d.refobjid
      JOIN pg_attrdef f ON f.oid = d.objid
      JOIN pg_attribute a ON a.attrelid = f.adrelid AND a.attnum = f.adnum
     WHERE d.classid = 'pg_attrdef'::regclass
       AND d.refclassid = 'pg_class'::regclass
), numbered (sequence_oid, table_oid, column_name, is_plain) AS (
    SELECT * FROM declared
    UNION
    SELECT n.sequence_oid, i.inhrelid, n.column_name, n.is_plain
      FROM numbered n
      JOIN pg_inherits i ON i.inhparent = n.table_oid
), columns AS (
    SELECT sequence_oid, table_oid, column_name, bool_and(is_plain) AS is_plain
      FROM numbered
     GROUP BY sequence_oid, table_oid, column_name
)
SELECT s.seqrelid::int8 AS oid,
       sn.nspname AS schema,
       sc.relname AS name,
       s.seqstart AS start,
       s.seqincrement AS increment,
       s.seqmin AS minimum,
       s.seqmax AS maximum,
       has_sequence_privilege(s.seqrelid, 'UPDATE') AS is_settable,
       c.oid::int8 AS table_oid,
       c.relkind = 'p' AS is_partitioned,
       n.nspname AS table_schema,
       c.relname AS table_name,
       a.attname AS column_name,
       k.is_plain AS is_plain,
       t.typcategory = 'N' AND has_column_privilege(c.oid, a.attnum, 'SELECT')
           AND has_schema_privilege(n.oid, 'USAGE') AND NOT row_security_active(c.oid) AS is_comparable,
       EXISTS (
           SELECT
             FROM pg_index x
             JOIN pg_class xc ON xc.oid = x.indexrelid
             JOIN pg_am m ON m.oid = xc.relam
            WHERE x.indrelid = c.oid AND x.indkey[0] = a.attnum AND x.indpred IS NULL AND x.indisvalid
              AND m.amname = 'btree'
       ) AS is_indexed
  FROM columns k
  JOIN pg_sequence s ON s.seqrelid = k.sequence_oid
  JOIN pg_class sc ON sc.oid = s.seqrelid
  JOIN pg_namespace sn ON sn.oid = sc.relnamespace
  JOIN pg_class c ON c.oid = k.table_oid
  JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = k.column_name
  JOIN pg_type t ON t.oid = a.atttypid
 WHERE k.sequence_oid IN (SELECT sequence_oid FROM columns JOIN loaded ON loaded.oid = columns.table_oid)
   AND sc.relpersistence <> 't'
   AND c.relkind IN ('r', 'p', 'f')
 ORDER BY sn.nspname, sc.relname, n.nspname, c.relname, a.attname;

-- name: set_sequences
-- Where $4 is true a sequence is only ever moved forward.
SELECT pg_catalog.setval(p.oid::pg_catalog.regclass, p.value, p.is_called)
  FROM unnest($1::oid[], $2::int8[], $3::bool[], $4::bool[]) AS p (oid, value, is_called, only_forward)
  JOIN pg_catalog.pg_sequence s ON s.seqrelid = p.oid
 WHERE NOT p.only_forward
    OR pg_catalog.pg_sequence_last_value(p.oid) IS NULL
    OR CASE
           WHEN s.seqincrement > 0 THEN p.value > pg_catalog.pg_sequence_last_value(p.oid)
           ELSE p.value < pg_catalog.pg_sequence_last_value(p.oid)
       END;
