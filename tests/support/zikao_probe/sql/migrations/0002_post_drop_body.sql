ALTER TABLE probe.account DROP COLUMN body;
