"""The tables of TPC-H with its keys; rows in the numbers and types of the benchmark, values made by arithmetic."""

from benchmarks.tables import LINEITEM

SUPPLIERS = 10_000
PARTS = 200_000
CUSTOMERS = 150_000
ORDERS = 1_500_000
LINES_PER_ORDER = 4
"""TPC-H's average; here each order has just as many. All numbers are of scale 1."""

TABLES = (
    """
    CREATE TABLE region (r_regionkey integer NOT NULL, r_name char(25) NOT NULL, r_comment varchar(152));
    CREATE TABLE nation (
        n_nationkey integer NOT NULL, n_name char(25) NOT NULL, n_regionkey integer NOT NULL, n_comment varchar(152)
    );
    CREATE TABLE supplier (
        s_suppkey integer NOT NULL, s_name char(25) NOT NULL, s_address varchar(40) NOT NULL,
        s_nationkey integer NOT NULL, s_phone char(15) NOT NULL, s_acctbal numeric(15,2) NOT NULL,
        s_comment varchar(101) NOT NULL
    );
    CREATE TABLE customer (
        c_custkey integer NOT NULL, c_name varchar(25) NOT NULL, c_address varchar(40) NOT NULL,
        c_nationkey integer NOT NULL, c_phone char(15) NOT NULL, c_acctbal numeric(15,2) NOT NULL,
        c_mktsegment char(10) NOT NULL, c_comment varchar(117) NOT NULL
    );
    CREATE TABLE part (
        p_partkey integer NOT NULL, p_name varchar(55) NOT NULL, p_mfgr char(25) NOT NULL, p_brand char(10) NOT NULL,
        p_type varchar(25) NOT NULL, p_size integer NOT NULL, p_container char(10) NOT NULL,
        p_retailprice numeric(15,2) NOT NULL, p_comment varchar(23) NOT NULL
    );
    CREATE TABLE partsupp (
        ps_partkey integer NOT NULL, ps_suppkey integer NOT NULL, ps_availqty integer NOT NULL,
        ps_supplycost numeric(15,2) NOT NULL, ps_comment varchar(199) NOT NULL
    );
    CREATE TABLE orders (
        o_orderkey bigint NOT NULL, o_custkey integer NOT NULL, o_orderstatus char(1) NOT NULL,
        o_totalprice numeric(15,2) NOT NULL, o_orderdate date NOT NULL, o_orderpriority char(15) NOT NULL,
        o_clerk char(15) NOT NULL, o_shippriority integer NOT NULL, o_comment varchar(79) NOT NULL
    );
    """
    + LINEITEM
    + ";"
)

KEYS = """
    ALTER TABLE region ADD PRIMARY KEY (r_regionkey);
    ALTER TABLE nation ADD PRIMARY KEY (n_nationkey);
    ALTER TABLE supplier ADD PRIMARY KEY (s_suppkey);
    ALTER TABLE customer ADD PRIMARY KEY (c_custkey);
    ALTER TABLE part ADD PRIMARY KEY (p_partkey);
    ALTER TABLE partsupp ADD PRIMARY KEY (ps_partkey, ps_suppkey);
    ALTER TABLE orders ADD PRIMARY KEY (o_orderkey);
    ALTER TABLE lineitem ADD PRIMARY KEY (l_orderkey, l_linenumber);
    ALTER TABLE nation ADD FOREIGN KEY (n_regionkey) REFERENCES region;
    ALTER TABLE supplier ADD FOREIGN KEY (s_nationkey) REFERENCES nation;
    ALTER TABLE customer ADD FOREIGN KEY (c_nationkey) REFERENCES nation;
    ALTER TABLE partsupp ADD FOREIGN KEY (ps_partkey) REFERENCES part;
    ALTER TABLE partsupp ADD FOREIGN KEY (ps_suppkey) REFERENCES supplier;
    ALTER TABLE orders ADD FOREIGN KEY (o_custkey) REFERENCES customer;
    ALTER TABLE lineitem ADD FOREIGN KEY (l_orderkey) REFERENCES orders;
    ALTER TABLE lineitem ADD FOREIGN KEY (l_partkey, l_suppkey) REFERENCES partsupp;
"""

_FILL = """
    CREATE FUNCTION words(i bigint, length bigint) RETURNS text LANGUAGE sql IMMUTABLE AS
    $$ SELECT substr(md5(i::text) || ' ' || md5((i + 1)::text) || ' ' || md5((i + 2)::text), 1, length::int) $$;

    INSERT INTO region
    SELECT i, 'REGION ' || i, words(i, 60) FROM generate_series(0, 4) AS i;

    INSERT INTO nation
    SELECT i, 'NATION ' || i, i % 5, words(i, 70) FROM generate_series(0, 24) AS i;

    INSERT INTO supplier
    SELECT i, 'Supplier#' || lpad(i::text, 9, '0'), words(i, 25), i % 25, '10-' || lpad(i::text, 11, '0'),
           (i::bigint * 7919 % 1000000) / 100.0, words(i, 62)
      FROM generate_series(1, {suppliers}) AS i;

    INSERT INTO customer
    SELECT i, 'Customer#' || lpad(i::text, 9, '0'), words(i, 25), i % 25, '11-' || lpad(i::text, 11, '0'),
           (i::bigint * 7919 % 1000000) / 100.0,
           (array['AUTOMOBILE', 'BUILDING', 'FURNITURE', 'MACHINERY', 'HOUSEHOLD'])[i % 5 + 1], words(i, 30 + i % 60)
      FROM generate_series(1, {customers}) AS i;

    INSERT INTO part
    SELECT i, words(i, 33), 'Manufacturer#' || i % 5 + 1, 'Brand#' || i % 5 + 1 || i % 4 + 1,
           (array['STANDARD ANODIZED TIN', 'SMALL PLATED COPPER', 'PROMO BRUSHED STEEL'])[i % 3 + 1], i % 50 + 1,
           (array['SM CASE', 'LG BOX', 'JUMBO PKG', 'WRAP JAR'])[i % 4 + 1], 900 + (i % 20000) / 100.0,
           words(i, 5 + i % 18)
      FROM generate_series(1, {parts}) AS i;

    INSERT INTO partsupp
    SELECT i, (i + n * ({suppliers} / 4)) % {suppliers} + 1, (i * 17 + n) % 9999 + 1,
           (i::bigint * 104729 % 100000) / 100.0, words(i, 49 + i % 50)
      FROM generate_series(1, {parts}) AS i, generate_series(0, 3) AS n;

    INSERT INTO orders
    SELECT i, i::bigint * 7919 % {customers} + 1, (array['O', 'F', 'P'])[i % 3 + 1],
           (i::bigint * 104729 % 50000000) / 100.0, date '1992-01-01' + i % 2400,
           (array['1-URGENT', '2-HIGH', '3-MEDIUM', '4-NOT SPECIFIED', '5-LOW'])[i % 5 + 1],
           'Clerk#' || lpad((i % 1000)::text, 9, '0'), 0, words(i, 19 + i % 60)
      FROM generate_series(1, {orders}) AS i;

    INSERT INTO lineitem
    SELECT i / {lines} + 1, part, (part + i % 4 * ({suppliers} / 4)) % {suppliers} + 1, i % {lines} + 1, i % 50 + 1,
           (i::bigint * 104729 % 10000000) / 100.0, (i % 11) / 100.0, (i % 9) / 100.0,
           (array['R', 'A', 'N'])[i % 3 + 1], (array['O', 'F'])[i % 2 + 1], date '1992-01-01' + i % 2500,
           date '1992-01-31' + i % 2500, date '1992-02-15' + i % 2500,
           (array['DELIVER IN PERSON', 'COLLECT COD', 'NONE', 'TAKE BACK RETURN'])[i % 4 + 1],
           (array['REG AIR', 'AIR', 'RAIL', 'SHIP', 'TRUCK', 'MAIL', 'FOB'])[i % 7 + 1], words(i, 10 + i % 34)
      FROM generate_series(0, {lines} * {orders} - 1) AS i, LATERAL (SELECT i::bigint * 7919 % {parts} + 1) AS p (part);

    DROP FUNCTION words;
"""


def fill(scale: float) -> str:
    """SQL that fills the tables; ``scale`` as TPC-H's scale factor."""
    counts = {"suppliers": SUPPLIERS, "parts": PARTS, "customers": CUSTOMERS, "orders": ORDERS}
    scaled = {name: max(4, int(count * scale)) for name, count in counts.items()}
    return _FILL.format(**scaled, lines=LINES_PER_ORDER)
