-- The server's first start runs this script, in the database shop. The way to the sample is right twice: from here, and
-- from /docker-entrypoint-initdb.d, where .. leads no higher than /.
\ir ../dbrestore/testing/sample.sql

CREATE DATABASE shop_source;
\connect shop_source
\ir ../dbrestore/testing/sample.sql
\ir ../dbrestore/testing/sample_data.sql
