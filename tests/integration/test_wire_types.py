from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import asyncpg
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dbrestore.wire.fields import UnencodableError
from tests.integration.encoding import (
    TRY_CAST,
    damaged,
    find_encoder_of,
    is_taken,
    loaded,
    printed,
    sent_again,
    sent_by_server,
    stream,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.integration.encoding import Encode

modest = settings(deadline=None, max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
async def connection(scratch: asyncpg.Connection) -> asyncpg.Connection:
    await scratch.execute("SET extra_float_digits = 1")
    return scratch


async def encoder_of(connection: asyncpg.Connection, kind: str) -> Encode:
    encode = await find_encoder_of(connection, kind, pa.string())
    assert encode is not None
    return encode


SPANS = [
    "00:00:00", "1 year", "-1 years", "1 mon", "-11 mons", "1 year 2 mons", "-1 years -2 mons", "1 day", "-3 days",
    "2147483647 days", "-2147483648 days", "178956970 years 7 mons", "-178956970 years -8 mons", "04:05:06.789",
    "-00:00:00.000001", "1 day -00:00:01", "-1 days +00:00:01", "1 mon -1 days", "-1 mons +1 day",
    "-1 years -2 mons +3 days -04:05:06.000007",
    "1 year 00:00:01", "100:00:00", "1000000 days 23:59:59.999999",
]  # fmt: skip
LARGEST_SPANS = ["2562047788:00:54.775807", "-2562047788:00:54.775807"]
"""Before version 15 the server reads no more than 2,147,483,647 hours."""
GOLDEN = {
    "time": ["00:00:00", "24:00:00", "23:59:59.999999", "12:34:56.7", "00:00:00.000001"],
    "time(3)": ["12:34:56.789", "24:00:00"],
    "timetz": ["00:00:00+00", "24:00:00-15:59:59", "23:59:59.999999+15:59:59", "12:34:56.7+05:30", "12:00:00-00:00:01"],
    "timetz(0)": ["12:34:56-04:56:02", "24:00:00+00"],
    "interval": SPANS,
    "interval(2)": ["1 day 00:00:00.01", "-00:00:59.99", "178956970 years 7 mons"],
    "interval year": ["2 years", "-178956970 years"],
    "interval year to month": ["1 year 2 mons", "-1 mons"],
    "interval day to hour": ["1 year 2 mons 3 days 04:00:00", "-1 days -05:00:00"],
    "interval minute": ["1 year 2 mons 3 days 04:05:00", "-00:01:00"],
    "interval second(1)": ["1 year 2 mons 3 days 04:05:06.7"],
    "inet": ["0.0.0.0", "255.255.255.255", "192.168.1.5/24", "10.0.0.1/0", "::", "::1", "::ffff:1.2.3.4",
             "::1.2.3.4/96", "2001:db8::ff00:42:8329/64", "fe80::1/127", "1:2:3:4:5:6:7:8", "1::8", "ffff:ffff::/0"],
    "cidr": ["0.0.0.0/0", "10.0.0.0/8", "192.168.1.5/32", "::/0", "2001:db8::/32", "::ffff:1.2.3.4/128", "::1/128"],
    "macaddr": ["00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff", "08:00:2b:01:02:0a"],
    "macaddr8": ["00:00:00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff:ff:ff", "08:00:2b:01:02:03:04:0a"],
    "bit": ["0", "1"],
    "bit(11)": ["00000000000", "11111111111", "10000000001"],
    "varbit": ["", "1", "0", "1" * 7, "10" * 4, "1" * 9, "01" * 500],
    "varbit(9)": ["", "101010101", "1"],
    "name": ["", "größe", "x" * 63, " two words ", "\\N"],
    "jsonpath": ["$", '$."a"[*]?(@ > 1)', 'strict $."🐘"'],
    "varchar(3)": ["", "abc", "a  ", "日本語", "🐘🐘🐘"],
    "char(3)": ["abc", "a  ", "   ", "日本語"],
    "boolean": ["true", "false"],
    "int2": ["0", "-32768", "32767"],
    "int4": ["0", "-2147483648", "2147483647"],
    "int8": ["0", "-9223372036854775808", "9223372036854775807"],
    "float4": ["0", "-0", "1.5", "NaN", "Infinity", "-Infinity", "1e-45", "3.4028235e+38", "0.1", "1.1754944e-38"],
    "float8": ["0", "-0", "0.1", "NaN", "Infinity", "-Infinity", "5e-324", "1.7976931348623157e+308", "1e+21", "1e-05"],
    "timestamp(3)": ["2020-04-14 15:26:29.001", "infinity", "-infinity", "0044-03-15 12:00:00.5 BC"],
    "timestamptz(0)": ["2020-04-14 15:26:29+00", "infinity", "-infinity", "4714-11-24 00:00:00+00 BC"],
    "hstore": ["", '"a"=>"1"', '"a"=>NULL', '"a"=>"NULL"', '""=>""', '"a"=>"1", "b c"=>NULL, "d"=>"=>"',
               '"=>"=>"\\"q\\" \\\\ , =>"', '"🐘"=>"é\t\n"', '"a"=>"x", "b"=>"\\\\", "c"=>NULL', '"N"=>"N"',
               '"k"=>NULL, "NULL"=>NULL'],
    "citext": ["", "MiXeD", "日本語"],
    "ltree": ["", "Top", "Top.Science.Astronomy_1"],
    "int4[]": ["{}", "{1}", "{1,2,3}", "{NULL}", "{1,NULL,-2147483648}", "{{1,2},{3,4}}", "[0:2]={1,2,3}",
               "[-2:-1][5:5]={{1},{NULL}}", "{{{1}},{{2}}}", "[2147483646:2147483646]={1}"],
    "int2[]": ["{1,2}", "{-32768,NULL,32767}"],
    "int8[]": ["{}", "{9223372036854775807,-9223372036854775808}"],
    "text[]": ["{}", "{a}", '{""}', "{NULL}", '{"NULL"}', '{"null"}', '{a,"b c","d,e","{f}",NULL,""}', '{"\\"","\\\\"}',
               '{"a\tb","c\nd","\\\\N"}', "{🐘,é,\N{NO-BREAK SPACE}}", '{{a,b},{NULL,"c\\""}}', '[5:6]={x,"y z"}',
               "{=,a=b}", "{\x01,\x7f}", "{%}"],
    "varchar(3)[]": ["{abc,NULL}", '{"a  "}'],
    "uuid[]": ["{}", "{01234567-89ab-cdef-fedc-ba9876543210,NULL}"],
    "date[]": ["{2020-01-01,infinity,NULL}", '{"0044-03-15 BC",-infinity}'],
    "timestamp[]": ['{"2020-01-01 00:00:00",NULL}', '{infinity,"0044-03-15 12:00:00 BC"}', "{}"],
    "timestamptz[]": ['{"2020-01-01 00:00:00.5+00",-infinity}', "{NULL}"],
    "time[]": ["{12:34:56,NULL,24:00:00}"],
    "timetz[]": ["{12:34:56+05:30}"],
    "interval[]": ['{"1 year 2 mons","-1 days +00:00:01",NULL}', "{00:00:00}"],
    "boolean[]": ["{t,f,NULL}", "{}", "{{t},{f}}"],
    "float4[]": ["{1.5,NaN,-0}", "{Infinity,-Infinity,NULL}"],
    "float8[]": ["{0.1,5e-324,1e+21}", "{}"],
    "inet[]": ["{10.0.0.1/8,::1,NULL}"],
    "cidr[]": ["{10.0.0.0/8}"],
    "macaddr[]": ["{08:00:2b:01:02:0a}"],
    "bit(3)[]": ["{101,NULL}"],
    "varbit[]": ['{101,""}'],
    "json[]": ['{"{\\"a\\": [1, 2]}",null}', '{NULL,"null"}', '{1,"[1,2]"}'],
    "jsonb[]": ['{"{\\"a\\": \\"b,c\\"}","null",NULL}', "{1,true}"],
    "char(3)[]": ['{abc,"a  ",NULL}'],
    "name[]": ['{a,"b c"}'],
    "hstore[]": ['{"\\"a\\"=>\\"1\\", \\"b\\"=>NULL","",NULL}'],
    "citext[]": ["{A,b,NULL}"],
    "ltree[]": ["{a.b,c}"],
}  # fmt: skip
EXTENSIONS = ("hstore", "citext", "ltree")


async def prepare(connection: asyncpg.Connection, kind: str) -> Encode:
    extension = kind.removesuffix("[]")
    if extension in EXTENSIONS:
        await connection.execute(f"CREATE EXTENSION {extension}")
    return await encoder_of(connection, kind)


@pytest.mark.parametrize("kind", GOLDEN)
async def test_texts_are_encoded_as_the_server_sends_them(connection: asyncpg.Connection, kind: str) -> None:
    encode = await prepare(connection, kind)
    texts = await printed(connection, kind, GOLDEN[kind])
    if kind == "interval" and connection.get_server_version().major >= 15:
        texts += LARGEST_SPANS
    for batch in ([*texts, None], [None, *texts[::-1]], *([text] for text in texts), [texts[0], None] * 40):
        array = pa.array(batch, pa.string())
        # char(n) goes without its blanks, and an array's head has more than one way to say that it is empty.
        encoded = (
            await sent_again(connection, kind, array, encode)
            if "[]" in kind or "char" in kind
            else stream(array, encode)
        )
        assert encoded == await sent_by_server(connection, kind, batch), batch


async def test_addresses_are_read_with_their_netmask_and_without(connection: asyncpg.Connection) -> None:
    texts = ["1.2.3.4", "1.2.3.4/32", "::1", "::1/128"]
    encode = await encoder_of(connection, "inet")
    assert stream(pa.array(texts), encode) == await sent_by_server(connection, "inet", texts)


async def test_the_smallest_interval_loads_though_the_server_cannot_read_its_text(
    connection: asyncpg.Connection,
) -> None:
    if connection.get_server_version().major < 15:
        pytest.skip("before version 15 no interval is that small")
    text = await connection.fetchval(f"SELECT (-interval '{LARGEST_SPANS[0]}' - interval '1 microsecond')::text")
    assert await loaded(connection, "interval", pa.array([text]), await encoder_of(connection, "interval")) == [text]


async def test_infinite_intervals_are_encoded_as_the_server_sends_them(connection: asyncpg.Connection) -> None:
    if connection.get_server_version().major < 17:
        pytest.skip("infinite intervals came with PostgreSQL 17")
    texts = ["infinity", "1 day", None, "-infinity"]
    for kind in ("interval", "interval(2)", "interval year"):
        batch = [text for text in texts if text != "1 day" or kind != "interval year"]
        encode = await encoder_of(connection, kind)
        assert stream(pa.array(batch), encode) == await sent_by_server(connection, kind, batch)


NUMERICS = {
    "numeric(5)": ["0", "-99999", "NaN", "12345.00", "7.0"],
    "numeric(6,2)": ["0.00", "1.50", "-9999.99", "1", "1.5", "1.500000", "NaN"],
    "numeric(38,18)": ["99999999999999999999.999999999999999999", "-0.000000000000000001", "1.5"],
    "numeric(1000)": ["9" * 1000, "-" + "1" * 1000, "0"],
    "numeric(1000,1000)": ["0." + "9" * 1000, "-0." + "0" * 999 + "1"],
    "numeric": ["1" + "0" * 400, "1.50", "0.000", "0." + "0" * 399 + "1"],
    "numeric[]": ["{1.50,NULL,-0.001}", "{NaN}", "{{1},{10000}}", "{" + "9" * 60 + "}", "{}"],
    "numeric(6,2)[]": ["{1.50,NULL}", "{1,2.5}"],
}


@pytest.mark.parametrize("kind", NUMERICS)
async def test_numerics_load_as_the_server_reads_them(connection: asyncpg.Connection, kind: str) -> None:
    encode = await encoder_of(connection, kind)
    texts = [*NUMERICS[kind], None]
    expected = await printed(connection, kind, texts)
    for start in range(len(texts)):
        assert await loaded(connection, kind, pa.array(texts[start:], pa.string()), encode) == expected[start:]


async def test_numerics_of_a_negative_scale_load_as_the_server_reads_them(connection: asyncpg.Connection) -> None:
    if connection.get_server_version().major < 15:
        pytest.skip("negative scales came with PostgreSQL 15")
    for kind, texts in {"numeric(3,-2)": ["99900", "0", "-100.00"], "numeric(3,6)": ["0.000123", "-0.0009990"]}.items():
        encode = await encoder_of(connection, kind)
        assert await loaded(connection, kind, pa.array(texts), encode) == await printed(connection, kind, texts)


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        ("numeric(5)", "1.0", "1.5"),
        ("numeric(6,2)", "1.50", "1.505"),
        ("numeric(6,2)", "NaN", "-0.001"),
        ("numeric(6,2)", "1.500", "1e-3"),
        ("numeric(6,2)[]", "{1.50}", "{1.50,1.505}"),
        ("numeric(1000,1000)", "0." + "9" * 1000, "0." + "0" * 1000 + "1"),
        ("time(3)", "12:34:56.789", "12:34:56.7891"),
        ("timetz(0)", "12:34:56+00", "12:34:56.5+00"),
        ("timestamp(3)", "-infinity", "2020-01-01 00:00:00.0001"),
        ("timestamptz(0)", "infinity", "2020-01-01 00:00:00.999999+00"),
        ("interval(2)", "1 day 00:00:00.01", "00:00:00.001"),
        ("interval(2)", "1 day 00:00:00.01", "-00:00:00.001"),
        ("interval year", "1 year", "1 year 1 mon"),
        ("interval year to month", "1 mon", "1 mon 1 day"),
        ("interval month", "1 mon", "1 mon 00:00:01"),
        ("interval day", "1 mon 1 day", "1 day 00:00:00.000001"),
        ("interval hour", "1 day 25:00:00", "00:59:00"),
        ("interval day to minute", "1 day 00:01:00", "-00:00:01"),
        ("interval second(0)", "00:00:01", "00:00:01.5"),
        ("varchar(3)", "a  ", "abc "),
        ("varchar(3)[]", "{abc}", '{abc,"abc "}'),
    ],
)
async def test_what_the_server_would_round_or_cut_off_is_refused(
    connection: asyncpg.Connection, kind: str, good: str, bad: str
) -> None:
    encode = await encoder_of(connection, kind)
    assert await loaded(connection, kind, pa.array([good]), encode) == await printed(connection, kind, [good])
    with pytest.raises(UnencodableError) as caught:
        encode(pa.array([None, good, bad, good]))
    assert caught.value.row == 2


@pytest.mark.parametrize(
    "kind",
    ["bytea[]", "xml", "money", "point", "box[]", "pair", "pair[]", "word[]", "int4range", "oid", "pg_lsn", '"char"',
     "tsvector", "tsquery", "int2vector", "money[]"],
)  # fmt: skip
async def test_types_without_an_encoder_are_left_to_the_servers_text_input(
    connection: asyncpg.Connection, kind: str
) -> None:
    await connection.execute("CREATE TYPE pair AS (a int, b text); CREATE DOMAIN word AS text")
    assert await find_encoder_of(connection, kind, pa.string()) is None


async def test_domains_are_encoded_as_what_they_are_over(connection: asyncpg.Connection) -> None:
    await connection.execute("""
        CREATE DOMAIN price AS numeric(6, 2) CHECK (VALUE > 0); CREATE DOMAIN best AS price;
        CREATE DOMAIN words AS text[]
    """)
    for kind, texts in {"price": ["1.50", None], "best": ["1.50", None], "words": ['{a,"b c"}', None, "{}"]}.items():
        encode = await encoder_of(connection, kind)
        assert await loaded(connection, kind, pa.array(texts), encode) == texts
        if kind != "words":
            with pytest.raises(asyncpg.CheckViolationError):
                await loaded(connection, kind, pa.array(["-1.50"]), encode)


async def test_enums_in_arrays_are_encoded_as_the_server_sends_them(connection: asyncpg.Connection) -> None:
    await connection.execute(
        """CREATE TYPE mood AS ENUM ('sad', 'so so', 'quote"comma,', 'back\\slash', '😀', 'NULL')"""
    )
    texts = ['{sad,"so so","quote\\"comma,","back\\\\slash",😀,"NULL",NULL}', "{}", None, "{😀}"]
    encode = await encoder_of(connection, "mood[]")
    assert await sent_again(connection, "mood[]", pa.array(texts), encode) == await sent_by_server(
        connection, "mood[]", texts
    )


clocks = st.integers(0, 86_400_000_000 - 1).map(
    lambda microseconds: f"{timedelta(microseconds=microseconds)}".rjust(8, "0")
)
offsets = st.builds("{}{:02}:{:02}".format, st.sampled_from("+-"), st.integers(0, 14), st.integers(0, 59))
microseconds = st.integers(-(2**62), 2**62) | st.integers(-1000, 1000)
fields = st.integers(-(2**31), 2**31 - 1) | st.integers(-100, 100)
addresses = st.ip_addresses(v=4) | st.ip_addresses(v=6)
words = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8) | st.text(
    '",\\{}() NULnu=>\t\n', max_size=6
)
SOURCES = {
    "time": clocks,
    "timetz": st.builds("{}{}".format, clocks, offsets),
    "interval": st.builds("{} months {} days {} microseconds".format, fields, fields, microseconds),
    "inet": st.builds("{}/{}".format, addresses, st.integers(0, 32)),
    "cidr": addresses.map(str),
    "macaddr": st.binary(min_size=6, max_size=6).map(bytes.hex),
    "macaddr8": st.binary(min_size=8, max_size=8).map(bytes.hex),
    "varbit": st.text("01", max_size=70),
    "float4": st.floats(width=32).map(repr),
    "float8": st.floats().map(repr),
    "int8": st.integers(-(2**63), 2**63 - 1).map(str),
}  # fmt: skip


@pytest.mark.parametrize("kind", SOURCES)
@modest
@given(data=st.data())
async def test_what_the_server_prints_is_encoded_as_it_is_sent(
    connection: asyncpg.Connection, kind: str, data: st.DataObject
) -> None:
    if kind == "interval" and connection.get_server_version().major < 15:
        pytest.skip("before version 15 the server reads no more than 2,147,483,647 of a unit")
    values = data.draw(st.lists(st.none() | SOURCES[kind], max_size=60))
    texts = await printed(connection, kind, values)
    encode = await encoder_of(connection, kind)
    assert stream(pa.array(texts, pa.string()), encode) == await sent_by_server(connection, kind, texts)


@modest
@given(rows=st.lists(st.none() | st.lists(st.none() | words, max_size=5), max_size=40), width=st.integers(1, 3))
async def test_arrays_of_any_texts_are_encoded_as_the_server_sends_them(
    connection: asyncpg.Connection, rows: list[list[str | None] | None], width: int
) -> None:
    encode = await encoder_of(connection, "text[]")
    nested: list[Any] = [row and [row] * width for row in rows]
    for arrays in (rows, nested):
        texts = [await connection.fetchval("SELECT $1::text[]::text", array) for array in arrays]
        again = await sent_again(connection, "text[]", pa.array(texts, pa.string()), encode)
        assert again == await sent_by_server(connection, "text[]", texts)


@modest
@given(rows=st.lists(st.none() | st.dictionaries(words, st.none() | words, max_size=4), max_size=40))
async def test_any_hstores_are_encoded_as_the_server_sends_them(
    connection: asyncpg.Connection, rows: list[dict[str, str | None] | None]
) -> None:
    await connection.execute("CREATE EXTENSION IF NOT EXISTS hstore")
    query = "SELECT hstore($1::text[], $2::text[])::text"
    texts = [row if row is None else await connection.fetchval(query, [*row], [*row.values()]) for row in rows]
    encode = await encoder_of(connection, "hstore")
    assert stream(pa.array(texts, pa.string()), encode) == await sent_by_server(connection, "hstore", texts)


@pytest.mark.parametrize(
    ("kind", "texts", "alphabet"),
    [
        ("time", ["23:59:59.5", "24:00:00"], "0123456789:. +-PM"),
        ("timetz", ["23:59:59.5+05:30", "00:00:00-15:59:59"], "0123456789:. +-Z"),
        ("interval", ["1 year 2 mons -3 days +04:05:06.5", "-00:00:01"], "0123456789:. +-ymds"),
        ("inet", ["192.168.1.5/24", "::1", "fe80::1/64"], "0123456789abg:./ %"),
        ("cidr", ["10.0.0.0/8", "2001:db8::/32"], "0123456789abg:./ %"),
        ("macaddr", ["08:00:2b:01:02:0a"], "0123456789abg:-. "),
        ("macaddr8", ["08:00:2b:01:02:03:04:0a"], "0123456789abg:-. "),
        ("varbit", ["0101"], "0123xXbB "),
        ("int4[]", ["{1,NULL}", "{{1},{2}}", "[0:1]={1,2}"], '0123{}[],:=" \\-NUL'),
        ("text[]", ['{a,"b",NULL,"c\\\\d"}', "{{a},{b}}", "[0:1]={a,null}"], 'aNULn{}[],:=" \\\t'),
        ("float8[]", ["{1.5,-1e-05,NaN}"], "0123456789.eE+-xNaInfity{}, "),
        ("boolean[]", ["{t,f}"], "tfrueyno01{}, "),
        ("hstore", ['"a"=>"b", "c"=>NULL'], 'abN=>,"\\ '),
        ("ltree", ["a.b_1"], "ab.-_ 1"),
    ],
)  # fmt: skip
async def test_no_damaged_text_loads_as_another_value_than_the_server_reads_in_it(
    connection: asyncpg.Connection, kind: str, texts: list[str], alphabet: str
) -> None:
    encode = await prepare(connection, kind)
    await connection.execute(TRY_CAST)
    tried = sorted({tried for text in texts for tried in damaged(text, alphabet)})
    taken = [text for text in tried if is_taken(text, encode)]
    expected = await read_each(connection, kind, taken)
    loadable = [text for text, read in zip(taken, expected, strict=True) if read is not None]
    assert len(loadable) > len(texts)
    assert await loaded(connection, kind, pa.array(loadable), encode) == [read for read in expected if read is not None]
    for text, read in zip(taken, expected, strict=True):
        if read is None:
            with pytest.raises(asyncpg.PostgresError):
                await loaded(connection, kind, pa.array([text]), encode)


async def read_each(connection: asyncpg.Connection, kind: str, texts: Sequence[str]) -> list[str | None]:
    """What the server reads in texts; None in those that it refuses."""
    query = """
        SELECT array_agg(pg_temp.try_cast(value, $2::text::regtype) ORDER BY row)
        FROM unnest($1::text[]) WITH ORDINALITY AS t (value, row)
    """
    return await connection.fetchval(query, list(texts), kind) or []
