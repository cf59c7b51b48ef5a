-- A statement counts as a whole or not at all.

CREATE VIEW enrollment.stated_money AS
SELECT line.statement_date, line.line, line.money, line.subject_id, line.payment_id, line.order_id,
    line.amount_fen, line.moved_at, line.payment_code
FROM enrollment.statement_line AS line
JOIN enrollment.statement
    ON statement.statement_date = line.statement_date AND statement.import_id = line.import_id
WHERE statement.state IN ('comparing', 'compared');
COMMENT ON VIEW enrollment.stated_money IS
    'What complete statements have: lines of one that is still received, was refused or has given way
    do not count';
