-- Values for those tables of contrib_types.sql that exist.

DO $$
BEGIN
    IF to_regclass('contrib.citexts') IS NOT NULL THEN
        INSERT INTO contrib.citexts VALUES
            (1, 'MiXeD', '{A,b}'), (2, '', '{}'), (3, E'tab\t"quote"\\', '{NULL}'),
            (4, NULL, NULL), (5, 'größe 😀', '{"a,b","\\\\","NULL"}');
    END IF;
    IF to_regclass('contrib.hstores') IS NOT NULL THEN
        INSERT INTO contrib.hstores VALUES
            (1, 'a=>1, "b c"=>"d\"e", f=>NULL', '{"a=>1"}'), (2, '', '{}'), (3, NULL, NULL),
            (4, '"=>"=>"a, b=>\\\\", "NULL"=>"NULL", ""=>"", "😀"=>"é"', '{NULL}'),
            (5, E'"tab\t"=>"new\nline", x=>NULL', array['"a \"b\""=>"c,d"', NULL, '']::contrib.hstore[]);
    END IF;
    IF to_regclass('contrib.ltrees') IS NOT NULL THEN
        INSERT INTO contrib.ltrees VALUES
            (1, 'Top.Science.Astronomy', '{a.b,c}'), (2, '', '{}'), (3, NULL, NULL);
    END IF;
    IF to_regclass('contrib.cubes') IS NOT NULL THEN
        INSERT INTO contrib.cubes VALUES
            (1, '(1,2),(3,4)', '{"(1)"}'), (2, '(0.1)', '{}'), (3, '()', NULL), (4, NULL, NULL);
    END IF;
    IF to_regclass('contrib.segs') IS NOT NULL THEN
        INSERT INTO contrib.segs VALUES
            (1, '1.50', '{"1 .. 2"}'), (2, '6(+-)0.5', '{}'), (3, '> 5', NULL), (4, NULL, NULL);
    END IF;
END
$$;
