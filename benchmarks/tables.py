"""The tables that are loaded."""

TWELVE_COLUMNS = """
    CREATE TABLE events (
        id bigint NOT NULL,
        key uuid NOT NULL,
        name text NOT NULL,
        amount numeric(12,2),
        created timestamptz NOT NULL,
        changed timestamp,
        is_active boolean NOT NULL,
        score double precision,
        details jsonb,
        note text,
        due date,
        quantity integer NOT NULL
    )
"""
"""A bit of everything that real tables have."""

FILL_TWELVE_COLUMNS = """
    INSERT INTO events
    SELECT i,
           md5(i::text)::uuid,
           'customer ' || md5((i * 7::bigint)::text),
           (i::bigint * 7919 % 100000000) / 100.0 - 300000,
           timestamptz '2024-01-01 00:00:00+00' + i * interval '1.234567 seconds',
           timestamp '2023-06-01' + i * interval '13 seconds',
           i % 3 = 0,
           sqrt(i),
           jsonb_build_object('id', i, 'tags', jsonb_build_array('a', i % 10, NULL), 'ok', i % 2 = 0),
           CASE WHEN i % 4 <> 0 THEN 'note ' || (i % 1000) END,
           date '2020-01-01' + i % 2000,
           i % 5000
      FROM generate_series(1, {rows}) AS i
"""
