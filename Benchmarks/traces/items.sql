PRAGMA page_size = 512;
PRAGMA threads = 8;
PRAGMA cache_size = -128;
PRAGMA temp_store = FILE;
CREATE TABLE item(id INTEGER PRIMARY KEY, name TEXT, weight INTEGER);
WITH RECURSIVE number(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 15000)
INSERT INTO item SELECT n, printf('%08x-%d', (n * 2654435761) % 4294967296, n), (n * 7919) % 10007 FROM number;
CREATE INDEX byName ON item(name);
SELECT count(*), sum(weight) FROM (SELECT * FROM item ORDER BY weight, name);
