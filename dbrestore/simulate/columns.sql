-- The columns of all tables, described as the export's manifest describes them.
SELECT
    a.attrelid AS table_oid,
    a.attname AS name,
    quote_ident(a.attname) AS quoted,
    a.atttypid AS type_oid,
    coalesce(i.data_type, format_type(a.atttypid, NULL)) AS data_type,
    coalesce(i.character_maximum_length, 0)::int AS max_length,
    coalesce(i.numeric_precision, 0)::int AS numeric_precision,
    coalesce(i.datetime_precision, 0)::int AS datetime_precision,
    a.attnum::int AS position
FROM pg_attribute AS a
JOIN pg_class AS c ON c.oid = a.attrelid
JOIN pg_namespace AS n ON n.oid = c.relnamespace
LEFT JOIN information_schema.columns AS i
    ON i.table_schema = n.nspname AND i.table_name = c.relname AND i.column_name = a.attname
WHERE c.relkind IN ('r', 'p')
  AND n.nspname <> 'information_schema'
  AND n.nspname !~ '^pg_'
  AND a.attnum > 0
  AND NOT a.attisdropped
ORDER BY a.attrelid, a.attnum
