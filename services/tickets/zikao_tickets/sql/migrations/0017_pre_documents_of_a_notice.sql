ALTER TABLE tickets.document ADD COLUMN notice_version integer;
COMMENT ON COLUMN tickets.document.notice_version IS
    'Of tickets: the examination notice that they show; NULL of what shows none';
