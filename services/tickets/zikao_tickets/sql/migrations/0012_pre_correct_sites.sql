-- What tickets say of a site is put right by new versions of them.

ALTER TABLE tickets.ticket
    DROP CONSTRAINT ticket_reason,
    ADD CONSTRAINT ticket_reason CHECK (reason IN (
        'arranged', 'rearranged', 'lost', 'damaged', 'name_fixed', 'photo_fixed', 'temporary',
        'key_retired', 'site_corrected'
    ));
