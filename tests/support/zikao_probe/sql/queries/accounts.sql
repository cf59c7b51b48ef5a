-- Accounts of nobody: the kit's tests need a table with rules.

-- name: insert_account
INSERT INTO probe.account (name, balance) VALUES ($1, $2) RETURNING account_id;

-- name: load_account
SELECT account_id, name, balance FROM probe.account WHERE name = $1;

-- name: lock_account
SELECT balance FROM probe.account WHERE name = $1 FOR UPDATE;

-- name: list_names
SELECT name FROM probe.account ORDER BY name;

-- Fails when the balance would be negative.
-- name: change_balance
UPDATE probe.account SET balance = balance + $2 WHERE name = $1;

-- name: insert_entry
INSERT INTO probe.entry (account_name, amount) VALUES ($1, $2);

-- name: count_entries
SELECT count(*) FROM probe.entry;

-- name: read_events_by_position
SELECT position, event_key FROM probe.outbox WHERE position > $1 ORDER BY position;

-- name: pause
SELECT pg_sleep($1);

-- name: show_setting
SELECT current_setting($1);

-- name: own_backend
SELECT pg_backend_pid();

-- name: add_setting
SELECT set_config($1, $2, false);

-- name: expire_turns
UPDATE probe.feed_cursor SET updated_at = '-infinity';

-- name: delete_cursors
DELETE FROM probe.feed_cursor;

-- name: anything
SELECT * FROM probe.entry RIGHT JOIN probe.account ON account.name = entry.account_name;

-- name: add_column
ALTER TABLE probe.account ADD COLUMN more text;

-- name: count_open_transactions
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND state LIKE 'idle in transaction%';
