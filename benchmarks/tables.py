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

LINEITEM = """
    CREATE TABLE lineitem (
        l_orderkey bigint NOT NULL,
        l_partkey integer NOT NULL,
        l_suppkey integer NOT NULL,
        l_linenumber integer NOT NULL,
        l_quantity numeric(15,2) NOT NULL,
        l_extendedprice numeric(15,2) NOT NULL,
        l_discount numeric(15,2) NOT NULL,
        l_tax numeric(15,2) NOT NULL,
        l_returnflag char(1) NOT NULL,
        l_linestatus char(1) NOT NULL,
        l_shipdate date NOT NULL,
        l_commitdate date NOT NULL,
        l_receiptdate date NOT NULL,
        l_shipinstruct char(25) NOT NULL,
        l_shipmode char(10) NOT NULL,
        l_comment varchar(44) NOT NULL
    )
"""
"""The largest table of TPC-H."""

FILL_LINEITEM = """
    INSERT INTO lineitem
    SELECT i / 4 + 1,
           i::bigint * 7919 % 200000,
           i % 10000,
           i % 7 + 1,
           i % 50 + 1,
           (i::bigint * 104729 % 10000000) / 100.0,
           (i % 11) / 100.0,
           (i % 9) / 100.0,
           (array['R', 'A', 'N'])[i % 3 + 1],
           (array['O', 'F'])[i % 2 + 1],
           date '1992-01-01' + i % 2500,
           date '1992-01-31' + i % 2500,
           date '1992-02-15' + i % 2500,
           (array['DELIVER IN PERSON', 'COLLECT COD', 'NONE', 'TAKE BACK RETURN'])[i % 4 + 1],
           (array['REG AIR', 'AIR', 'RAIL', 'SHIP', 'TRUCK', 'MAIL', 'FOB'])[i % 7 + 1],
           substr(md5(i::text) || md5((i + 1)::text), 1, 10 + i % 34)
      FROM generate_series(1, {rows}) AS i
"""
