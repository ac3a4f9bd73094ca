-- Inserts, indices, joins, strings and a deletion, all in memory.
CREATE TABLE person(id INTEGER PRIMARY KEY, name TEXT, city TEXT, born INT);
CREATE TABLE sale(id INTEGER PRIMARY KEY, person INT, thing TEXT, price INT);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 30000)
INSERT INTO person SELECT i, printf('name %x', i * 7919 % 65537), printf('city %d', i % 211),
    1920 + i % 90 FROM n;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)
INSERT INTO sale SELECT i, i * 7919 % 30000 + 1, printf('thing %d of %d', i * 31 % 997, i),
    i * 17 % 1000 FROM n;
CREATE INDEX person_name ON person(name);
CREATE INDEX sale_person ON sale(person);
SELECT city, count(*), sum(price), max(thing) FROM person JOIN sale ON person = person.id
    GROUP BY city ORDER BY 3 DESC, city LIMIT 5;
SELECT count(*), length(group_concat(upper(name) || '/' || city, ';')) FROM person
    WHERE name LIKE '%a%';
SELECT count(DISTINCT substr(thing, 7, 5) || replace(thing, 'of', '-')) FROM sale;
UPDATE sale SET thing = thing || ' sold' WHERE price > 500;
DELETE FROM sale WHERE price % 3 = 0;
SELECT count(*), sum(length(thing)) FROM sale;
