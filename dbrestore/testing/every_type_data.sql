-- Normal, extreme and missing values for the tables of every_type.sql.

INSERT INTO every_type.numbers (id, small, medium, big, single, twice, truth) VALUES
    (1, 0, 0, 0, 0, 0, false),
    (2, 1, 1, 1, 1.5, 1.5, true),
    (3, -32768, -2147483648, -9223372036854775808, '-3.4028235e+38', '-1.7976931348623157e+308', NULL),
    (4, 32767, 2147483647, 9223372036854775807, '3.4028235e+38', '1.7976931348623157e+308', true),
    (5, -1, -1, -1, '-0', '-0', false),
    (6, NULL, NULL, NULL, 'NaN', 'NaN', NULL),
    (7, 7, 7, 7, 'Infinity', 'Infinity', true),
    (8, 8, 8, 8, '-Infinity', '-Infinity', false),
    (9, 9, 9, 9, '1e-45', '5e-324', true),
    (10, 10, 10, 10, '1.1754944e-38', '2.2250738585072014e-308', true),
    (11, 11, 11, 9007199254740993, 0.1, 0.1, true),
    (12, 12, 12, 12, 16777217, 0.30000000000000004, true),
    (13, NULL, NULL, NULL, NULL, NULL, NULL);

INSERT INTO every_type.numbers (id, small, medium, big, single, twice, truth)
SELECT i, i % 32768, i * 2003 - 1000000, i * 4611686018427387::bigint, i / 7.0, sqrt(i), i % 2 = 0
FROM generate_series(100, 1099) AS i;

INSERT INTO every_type.serials (big)
SELECT 9000000000 + i FROM generate_series(1, 50) AS i;

INSERT INTO every_type.decimals (id, plain, money_like, whole, tiny, cash) VALUES
    (1, 0, 0, 0, 0, '0'),
    (2, 1.50, 1.5, 1, 0.000000000000000000000000000001, '1.50'),
    (3, '0.00', -0.01, -1, -0.999999999999999999999999999999, '-92233720368547758.08'),
    (4, 'NaN', 'NaN', 'NaN', 'NaN', '92233720368547758.07'),
    (5, 123456789012345678901234567890123456789012345678901234567890.0987654321, 9999999999.99,
        99999999999999999999, 0.1, '1234567.89'),
    (6, -10 ^ 1000::numeric, -9999999999.99, -99999999999999999999, -0.1, '-0.01'),
    (7, 1e-400, 10000.00, 10000, 0.0001, '10000'),
    (8, 10000, 9999.99, 9999, 0.00001, '9999.99'),
    (9, 0.0000100000, 0.10, 100000000, 0.00010001, '100'),
    (10, ('1' || repeat('0', 40) || '.' || repeat('0', 40) || '1')::numeric, 1, 10, 0, '1'),
    (11, 1e131000, 1, 1, 0, '1'),
    (12, NULL, NULL, NULL, NULL, NULL);

INSERT INTO every_type.decimals (id, plain, money_like, whole, tiny, cash)
SELECT i, i / 13.0, i / 100.0 - 5, i::numeric * 1000003, 1.0 / i, (i / 100.0)::numeric::money
FROM generate_series(100, 1099) AS i;

INSERT INTO every_type.texts (id, plain, short, endless, padded, unpadded, identifier, byte) VALUES
    (1, '', '', '', '', '', '', ''),
    (2, 'plain', 'short', 'endless', 'ab', 'ends in blanks   ', 'identifier', 'x'),
    (3, ' ', ' ', '  ', ' a', '   ', ' ', ' '),
    (4, '\N', '\N', '\.', '\N', '\.', '\N', '\'),
    (5, E'\t', E'\n', E'\r\n', E'\t', E'\n ', E'tab\there', E'\t'),
    (6, E'a\tb\nc\rd\be\ff\vg\\h\x7f', E'\\t\\n\\\\', 'NULL', 'NULL', 'null', 'NULL', 'N'),
    (7, '"', '""', '"quoted"', '","', '"', 'with "quote"', '"'),
    (8, 'a,b;c|d', ',', ',,', ',', ',', ',', ','),
    (9, '😀 é ß 日本語 ‮ ﷽', '日本語', E'\u00a0\u2028', '日本語', 'ü  ', 'größe', 'z'),
    (10, E'\ufeffbyte order mark', E'\ufeff', E'\ufffd', E'\U0010ffff', '-', '-', '-'),
    (11, repeat('long ', 60000), repeat('x', 20), repeat('é', 10000), 'abcde', repeat('y', 300),
        repeat('n', 63), 'q'),
    (12, NULL, NULL, NULL, NULL, NULL, NULL, NULL);

INSERT INTO every_type.texts (id, plain, short, endless, padded, unpadded, identifier, byte)
SELECT 1000 + i, chr(i), chr(i) || chr(i), 'x' || chr(i), chr(i), chr(i) || ' ', chr(i), chr(i)::"char"
FROM generate_series(1, 127) AS i;

INSERT INTO every_type.bytes (id, plain) VALUES
    (1, ''),
    (2, '\x00'),
    (3, '\x5c78303031'),
    (4, decode(repeat('00ff0a0d5c22', 20000), 'hex')),
    (5, NULL);

INSERT INTO every_type.bytes (id, plain)
SELECT 6, string_agg(decode(lpad(to_hex(i), 2, '0'), 'hex'), '' ORDER BY i)
FROM generate_series(0, 255) AS i;

INSERT INTO every_type.bytes (id, plain)
SELECT 1000 + i, decode(lpad(to_hex(i), 2, '0'), 'hex') FROM generate_series(0, 255) AS i;

INSERT INTO every_type.times (
    id, day, clock, clock_seconds, clock_zone, local_time, local_millis, instant, instant_seconds,
    span, span_days
) VALUES
    (1, '2000-01-01', '00:00', '00:00', '00:00+00', '2000-01-01', '2000-01-01',
        '2000-01-01+00', '2000-01-01+00', '0', '0'),
    (2, '2023-10-01', '11:55:19', '11:55:19', '11:55:19+05:30', '2025-10-27 11:55:19',
        '2020-04-14 15:26:29.001', '2020-04-14 15:26:29.000577+00', '2020-04-14 15:26:29+00',
        '1 year 2 mons 3 days 04:05:06.789', '3 days 04:05:06.78'),
    (3, 'infinity', '24:00', '24:00', '24:00:00-15:59:59', 'infinity', 'infinity', 'infinity', 'infinity',
        '178000000 years', '106751991 days 04:00:54'),
    (4, '-infinity', '00:00:00.000001', '00:00:01', '00:00:00.000001+15:59:59', '-infinity', '-infinity',
        '-infinity', '-infinity', '-178000000 years', '-106751991 days -04:00:54'),
    (5, '4713-01-01 BC', '23:59:59.999999', '23:59:59', '23:59:59.999999-12', '4713-01-01 00:00:00 BC',
        '4713-01-01 00:00:00.001 BC', '4713-01-01 00:00:00+00 BC', '4713-01-01 00:00:00+00 BC',
        '1 mon -1 days +00:00:01', '-1 days +00:00:01'),
    (6, '5874897-12-31', '12:00', '12:00', '12:00:00.5+00:00:01', '294276-12-31 23:59:59.999999',
        '294276-12-31 23:59:59.999', '294276-12-31 23:59:59.999999+00', '294276-12-31 23:59:59+00',
        '-1 year -2 mons +3 days -04:05:06.000007', '-04:05:06.07'),
    (7, '0001-12-31 BC', '01:02:03.4', '01:02:03', '01:02:03.4-03:30', '0001-12-31 23:59:59.999999 BC',
        '0001-12-31 23:59:59.999 BC', '0001-12-31 23:59:59.999999+00 BC', '0001-12-31 23:59:59+00 BC',
        '2147483647 days', '2147483647 days'),
    (8, '0001-01-01', '01:02:03.45', '01:02:03', '01:02:03.45+14',
        '0001-01-01 00:00:00', '0001-01-01 00:00:00', '0001-01-01 00:00:00+00', '0001-01-01 00:00:00+00',
        '-2147483648 days', '-2147483648 days'),
    (9, '9999-12-31', '06:07:08', '06:07:08', '06:07:08+01',
        '10000-01-01 00:00:00.1', '10000-01-01 00:00:00.1', '10000-01-01 00:00:00.1+00',
        '10000-01-01 00:00:00+00', '2147483647:59:59.999999', '-2147483647:59:59.99'),
    (10, '1969-12-31', '06:07:08', '06:07:08', '06:07:08+01',
        '1969-12-31 23:59:59.999999', '1999-12-31 23:59:59.999', '1899-12-31 23:59:59.5+00',
        '1600-02-29 12:00:00+00', '1 day -00:00:00.000001', '1 day -00:00:00.01'),
    (11, '2024-02-29', '06:07:08', '06:07:08', '06:07:08+01', '1900-03-01 00:00:00', '2100-02-28 23:59:59.12',
        '2024-02-29 23:59:59.123456+00', '2024-02-29 23:59:59+00', '1 mon', '1 day'),
    (12, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);

INSERT INTO every_type.times (
    id, day, clock, clock_seconds, clock_zone, local_time, local_millis, instant, instant_seconds,
    span, span_days
)
SELECT
    i,
    date '1800-01-01' + i * 97,
    time '00:00' + i * interval '59.123457 seconds',
    time '00:00' + i * interval '61 seconds',
    timetz '00:00+02' + i * interval '59.000001 seconds',
    timestamp '1750-01-01' + i * interval '101 days 7.5 seconds',
    timestamp '1990-01-01' + i * interval '5 days 7.125 seconds',
    timestamptz '1950-01-01 00:00+00' + i * interval '31 days 1.000001 seconds',
    timestamptz '1950-01-01 00:00+00' + i * interval '31 days 1 second',
    i * interval '3 days 17.000003 seconds',
    i * interval '1 day 0.25 seconds'
FROM generate_series(100, 1099) AS i;

INSERT INTO every_type.documents (id, as_json, as_jsonb) VALUES
    (1, '{}', '{}'),
    (2, '{"b": 1,  "a" : [1, 2, {"c": null}], "b": 2}', '{"b": 1, "a": [1, 2.50, {"c": null}]}'),
    (3, 'null', 'null'),
    (4, '"text \u0000 \n \"quoted\" \\ 😀"', '"text \n \"quoted\" \\ \u00e9 😀"'),
    (5, E' [\n\t1e400 ]\n', '[1e400, -0.10, 12345678901234567890123]'),
    (6, '""', '""'),
    (7, 'true', 'false'),
    (8, NULL, NULL),
    (9, (repeat('[', 500) || repeat(']', 500))::json, (repeat('{"a":[', 250) || repeat(']}', 250))::jsonb),
    (10, '"\\N\t\\."', '"\\N\t\\.\u007f"');

DO $$
BEGIN
    UPDATE every_type.documents SET as_xml = '<a b="c">text &amp; <!-- comment --> é</a>' WHERE id = 2;
    UPDATE every_type.documents SET as_xml = E'content\n<only/>' WHERE id = 3;
    UPDATE every_type.documents SET as_xml = '' WHERE id = 4;
EXCEPTION
    WHEN feature_not_supported THEN
        RAISE NOTICE 'this server is built without XML';
END
$$;

INSERT INTO every_type.identifiers (id, guid, log_position) VALUES
    (1, '00000000-0000-0000-0000-000000000000', '0/0'),
    (2, 'FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF', 'FFFFFFFF/FFFFFFFF'),
    (3, '{a0eebc999c0b4ef8bb6d6bb9bd380a11}', '16/B374D848'),
    (4, NULL, NULL);

INSERT INTO every_type.bits (id, one, fixed, varying, short) VALUES
    (1, B'0', B'00000000000', B'', B''),
    (2, B'1', B'11111111111', B'1', B'101010101'),
    (3, B'0', B'10000000001', repeat('10', 500)::varbit, B'00000001'),
    (4, NULL, NULL, NULL, NULL);

INSERT INTO every_type.networks (id, host, network, mac, mac8) VALUES
    (1, '0.0.0.0', '0.0.0.0/0', '00:00:00:00:00:00', '00:00:00:00:00:00:00:00'),
    (2, '255.255.255.255/32', '10.0.0.0/8', 'ff:ff:ff:ff:ff:ff', 'ff:ff:ff:ff:ff:ff:ff:ff'),
    (3, '192.168.1.5/24', '192.168.1.5/32', '08:00:2b:01:02:03', '08:00:2b:01:02:03:04:05'),
    (4, '::1', '::/0', '08-00-2b-01-02-03', '08002b:0102030405'),
    (5, '2001:db8::ff00:42:8329/64', '2001:db8::/32', NULL, NULL),
    (6, '::ffff:1.2.3.4/128', '::ffff:1.2.3.4/128', NULL, NULL),
    (7, NULL, NULL, NULL, NULL);

INSERT INTO every_type.shapes (id, a_point, a_line, a_segment, a_box, a_path, a_polygon, a_circle) VALUES
    (1, '(0,0)', '{1,-1,0}', '[(0,0),(1,1)]', '(1,1),(0,0)', '[(0,0),(1,1),(2,0)]',
        '((0,0),(1,1),(2,0))', '<(0,0),1>'),
    (2, '(-0.1,1e300)', '{0,1,-2.5}', '[(1,2),(1,2)]', '(3,4),(1,2)', '((0,0),(1,1),(2,0))',
        '((1,2))', '<(1.5,-2),0>'),
    (3, '(NaN,Infinity)', '{-1,0,3}', '[(-1e-300,2),(3,4)]', '(Infinity,1),(-Infinity,0)',
        '[(1,2)]', '((0,0),(0,1))', '<(0,0),Infinity>'),
    (4, NULL, NULL, NULL, NULL, NULL, NULL, NULL);

INSERT INTO every_type.search (id, vector, query) VALUES
    (1, '', ''),
    (2, 'a:1A fat:2B,4C cat:5', 'fat & (rat | !cat)'),
    (3, $$'it''s' 'with space':3 'back\\slash'$$, $$'it''s':AB* <-> 'b c'$$),
    (4, to_tsvector('simple', 'the quick brown fox, größe 日本'), to_tsquery('simple', 'quick <2> fox')),
    (5, NULL, NULL);

INSERT INTO every_type.ranges (id, integers, bigs, numbers, days, locals, instants, words) VALUES
    (1, 'empty', 'empty', 'empty', 'empty', 'empty', 'empty', 'empty'),
    (2, '(,)', '(,)', '(,)', '(,)', '(,)', '(,)', '(,)'),
    (3, '[1,5]', '[-9223372036854775808,9223372036854775807)', '(1.50,2.500]', '[2020-01-01,2020-12-31]',
        '[2020-01-01 00:00:00.5,infinity]', '[2020-01-01 00:00+00,2021-01-01 00:00+00)', '[a,b)'),
    (4, '(5,)', '(,0)', '[1,1]', '[,infinity)', '(,2020-01-01)', '[-infinity,)', '["a,b","c""d\\\\"]'),
    (5, NULL, NULL, NULL, NULL, NULL, NULL, NULL);

INSERT INTO every_type.arrays (
    id, smalls, integers, bigs, doubles, truths, numbers, words, padded, blobs, days, instants, guids,
    documents, moods, addresses, spans
) VALUES
    (1, '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}'),
    (2, '{1,2,NULL}', '{{1,2},{3,4}}', '[0:2]={1,2,3}', '{NaN,Infinity,-0,5e-324}',
        '{t,f,NULL}', '{1.5,NULL,0}',
        array['', 'NULL', NULL, 'a,b', '{c}', '"d"', 'e\f', E'g\th\ni', ' j ', '😀'], array['a', 'ab', ''],
        array['\x00ff'::bytea, '', NULL], '{2020-01-01,infinity,"0044-03-15 BC"}',
        '{"2020-01-01 00:00:00.5+00",-infinity}', array[md5('a')::uuid, NULL],
        array['{"a": "b,c"}'::jsonb, 'null', NULL], '{sad,"so so","quote\"comma,",it''s,"back\\slash",😀}',
        array[('Main "St", 5', 1, '2020-01-01')::every_type.address, NULL],
        array['[1,5)'::int4range, 'empty', '(,)']),
    (3, array_fill(7::smallint, array[1000]), '[2:3][-1:0]={{1,2},{3,4}}', NULL, '{1}', NULL, '{NULL,NULL}',
        '{NULL}', NULL, NULL, '{NULL}', NULL, NULL, NULL, '{NULL}', array[NULL::every_type.address], NULL),
    (4, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);

INSERT INTO every_type.more_arrays (
    id, singles, clocks, zoned, locals, spans, hosts, networks, macs, bits, varying, short, identifiers, documents, cash,
    bytes, points, boxes, positives, homes, persons, vectors, positions
) VALUES
    (1, '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}',
        '{}', '{}', '{}', '{}'),
    (2, '{1.5,NaN,-Infinity,-0,1e-45,NULL}', '{24:00,00:00:00.000001,NULL}', '{12:00+05:30,24:00-15:59:59}',
        '{infinity,"0044-03-15 12:00:00.5 BC","2020-01-01 00:00:00.001"}',
        '{"1 year 2 mons -3 days +04:05:06.789",-00:00:01,NULL}', '{10.0.0.1/8,::1,NULL}', '{10.0.0.0/8,::/0}',
        '{08:00:2b:01:02:03}', '{101,NULL}', '{101,"",NULL}', '{"a b  ",日本語}', '{a,"b c"}',
        array['{"a": [1, "b"]}'::json, 'null', NULL], array['$1,234.50'::money, NULL], '{a,"\"",NULL}',
        '{"(1,2)",NULL}', '{(1,1),(0,0);(3,4),(1,2)}', '{1,NULL}',
        array[('a "b"', 1, 'infinity')::every_type.address, NULL]::every_type.home[],
        array[(E'a\tb', ('x,y', 1, NULL), array['p "q"', NULL], 7, 1.85)::every_type.person, NULL],
        array['a:1A b'::tsvector], '{16/B374D848}'),
    (3, '{{1},{2}}', '[0:0]={12:34:56}', NULL, '{NULL}', '{{1 day,1 mon},{00:00:00,NULL}}', NULL, NULL, NULL, NULL,
        '[-1:0]={1,0}', '{NULL}', '{NULL}', '{NULL}', NULL, NULL, NULL, NULL, '{{1},{2}}', NULL, NULL, NULL, NULL),
    (4, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
        NULL, NULL, NULL, NULL);

INSERT INTO every_type.nested (id, person, home, words, low) VALUES
    (1, ('Ada', ('Main "St", (5)', 5, '2020-02-29'), array['a', 'b,c', NULL, '"', '\'], 1, 1.85), ('a', 1, NULL),
        array['a', 'b c', ''], 99.99),
    (2, (NULL, NULL, NULL, NULL, NULL), (NULL, NULL, NULL), '{}', -1.5),
    (3, ('', ('', NULL, NULL), '{}', NULL, 'NaN'), NULL, '{NULL}', 0),
    (4, (E'tab\t', NULL, '{{a,b},{c,d}}', 2147483647, -0.01), ('😀', -1, 'infinity'), '{{a},{b}}', NULL),
    (5, NULL, NULL, NULL, NULL);

INSERT INTO every_type.system_types VALUES
    (1, 0, '0', '(0,0)', '', '', '1:1:', '$', 'pg_catalog.pg_class', 'integer'),
    (2, 4294967295, '4294967295', '(4294967295,65535)', '1 -2 32767', '1 4294967295', '10:20:10,14,15',
        'strict $."a b"[*]?(@ > 1.50)', NULL, 'numeric'),
    (3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);

INSERT INTO every_type.own_types (id, mood, address, positive, flag, blob, code, price, integers) VALUES
    (1, 'sad', ('Main St', 5, '2020-02-29'), 1, true, '\x00', 'ab', 1.5, '{1,2}'),
    (2, 'so so', ('with "quotes", \ and (brackets)', NULL, NULL), 2147483647, false, '', '', -0.01, '{}'),
    (3, 'quote"comma,', ('', 0, 'infinity'), 3, NULL, '\xdeadbeef', 'abcd', 'NaN', '{NULL}'),
    (4, 'it''s', (NULL, NULL, NULL), NULL, NULL, NULL, NULL, NULL, '{{1},{2}}'),
    (5, 'back\slash', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
    (6, '😀', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
    (7, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);

INSERT INTO every_type.generated (id, word)
SELECT i, nullif(repeat('wörd ', i % 5), '') FROM generate_series(1, 50) AS i;

INSERT INTO every_type.wide (id) VALUES (0);
INSERT INTO every_type.wide
SELECT
    i,
    i % 32768,
    i * 1000,
    i * 1000000000000,
    i / 3.0,
    i / 3.0,
    i % 2 = 0,
    decode(md5(i::text), 'hex'),
    i / 7.0,
    i / 1000.0,
    (i / 100.0)::numeric::money,
    'char ' || i % 100,
    'varchar ' || i,
    E'text\t' || i,
    'name ' || i,
    chr(65 + (i % 26)::integer)::"char",
    (enum_range(NULL::every_type.mood))[1 + i % 6],
    json_build_object('number', i),
    jsonb_build_object('number', i, 'text', E'\\ "' || i),
    NULL,
    md5(i::text)::uuid,
    date '2020-01-01' + i::integer,
    time '00:00' + i * interval '1.5 seconds',
    timetz '00:00+01' + i * interval '1.5 seconds',
    timestamp '2020-01-01' + i * interval '1.000001 hours',
    timestamptz '2020-01-01 00:00+00' + i * interval '1.000001 hours',
    i * interval '1 hour 0.5 seconds',
    (i % 256)::integer::bit(8),
    i::integer::bit(32)::varbit,
    array[i, NULL, -i],
    array['a' || i, NULL, 'b "' || i],
    int4range(i::integer, i::integer + 10),
    ('Street ' || i, i, date '2020-01-01')::every_type.address,
    i,
    '10.0.0.0'::inet + i,
    set_masklen('10.0.0.0'::cidr, 8 + (i % 16)::integer),
    '08:00:2b:01:02:03',
    '08:00:2b:01:02:03:04:05',
    point(i, -i),
    line(point(0, 0), point(1, i)),
    lseg(point(0, 0), point(i, i)),
    box(point(0, 0), point(i, i)),
    path(polygon(box(point(0, 0), point(i, i)))),
    polygon(box(point(0, 0), point(i, i))),
    circle(point(0, 0), i),
    to_tsvector('simple', 'word ' || i),
    to_tsquery('simple', 'word & ' || i),
    ('16/' || upper(to_hex(i)))::pg_lsn
FROM generate_series(1::bigint, 500) AS i;

DO $$
BEGIN
    IF to_regclass('every_type.multiranges') IS NOT NULL THEN
        INSERT INTO every_type.multiranges VALUES
            (1, '{}', '{}', '{}', '{}', '{}', '{}', '{}'),
            (2, '{[1,3),[5,9)}', '{(,0),[10,)}', '{[1.50,2.5],(3,4)}', '{[2020-01-01,2020-02-01)}',
                '{[2020-01-01 00:00:00.5,2020-01-02)}', '{[2020-01-01 00:00+00,infinity]}',
                array['{[1,3),[5,9)}'::int4multirange, '{}', NULL]),
            (3, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
        INSERT INTO every_type.decimals (id, plain) VALUES (13, 'Infinity'), (14, '-Infinity');
    END IF;
    IF to_regclass('every_type.rounded') IS NOT NULL THEN
        INSERT INTO every_type.rounded VALUES
            (1, 12345, 0.000123), (2, -99900, -0.000999), (3, 49, 0), (4, NULL, NULL);
        INSERT INTO every_type.times (id, span) VALUES
            (13, '2562047788:00:54.775807'), (14, '-2562047788:00:54.775807');
    END IF;
    IF current_setting('server_version_num')::integer >= 170000 THEN
        INSERT INTO every_type.times (id, span) VALUES (15, 'infinity'), (16, '-infinity');
    END IF;
END
$$;
