-- The audit in a chain of hashes: docs/audit-log.md. While it runs nobody writes an entry: some
-- seconds where there are millions. Code from before goes on; what it enters is sealed by newer code.

CREATE TABLE registration.audit_unsealed (
    audit_id bigint PRIMARY KEY,
    noted_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE registration.audit_unsealed IS
    'Entries of the audit that are not yet in the chain; an entry leaves it only into the chain';

CREATE TABLE registration.audit_chain (
    number bigint PRIMARY KEY,
    audit_id bigint NOT NULL UNIQUE,
    sealed_at timestamptz NOT NULL,
    sha256 bytea NOT NULL CHECK (octet_length(sha256) = 32)
);
COMMENT ON TABLE registration.audit_chain IS
    'The audit''s entries in the order they were sealed, without gaps; each hash covers the one before';

CREATE TABLE registration.audit_anchor (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    number bigint NOT NULL,
    sha256 bytea NOT NULL CHECK (octet_length(sha256) = 32),
    cut_at timestamptz
);
COMMENT ON TABLE registration.audit_anchor IS
    'Where the chain begins: at number 0, and later at the last entry that retention has removed';
INSERT INTO registration.audit_anchor (number, sha256)
VALUES (0, sha256(convert_to('zikao audit log 1: registration', 'UTF8')));

CREATE FUNCTION registration.keep_audit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting(TG_TABLE_SCHEMA || '.cutting_audit', true) = 'on'
        AND (TG_OP = 'DELETE' AND TG_TABLE_NAME <> 'audit_anchor'
            OR TG_OP = 'UPDATE' AND TG_TABLE_NAME = 'audit_anchor')
    THEN
        RETURN NULL;
    END IF;
    RAISE EXCEPTION '%.% is append-only', TG_TABLE_SCHEMA, TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation';
END
$$;
COMMENT ON FUNCTION registration.keep_audit() IS
    'Keeps the audit and its chain append-only; old entries go through cut_audit alone';

CREATE FUNCTION registration.keep_until_sealed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM registration.audit_chain WHERE audit_id = OLD.audit_id) THEN
        RAISE EXCEPTION 'entry % is not in the chain', OLD.audit_id
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN OLD;
END
$$;
COMMENT ON FUNCTION registration.keep_until_sealed() IS 'No entry leaves audit_unsealed but into the chain';

CREATE FUNCTION registration.note_unsealed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO registration.audit_unsealed (audit_id) SELECT audit_id FROM entered;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION registration.note_unsealed() IS 'Has every new entry of the audit sealed';

CREATE FUNCTION registration.require_unsealed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM registration.audit_entry WHERE audit_id = NEW.audit_id)
        OR EXISTS (SELECT FROM registration.audit_chain WHERE audit_id = NEW.audit_id)
    THEN
        RAISE EXCEPTION '% is no entry that is to be sealed', NEW.audit_id
            USING ERRCODE = 'restrict_violation';
    END IF;
    NEW.noted_at := clock_timestamp();
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION registration.require_unsealed() IS
    'Nothing waits for the chain but entries that are not in it, and since when is the truth';

CREATE FUNCTION registration.require_sealed_now() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT FROM sealed
        WHERE sealed_at > clock_timestamp() OR sealed_at < clock_timestamp() - interval '1 hour'
    ) THEN
        RAISE EXCEPTION 'an entry is sealed now, and at no other time'
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION registration.require_sealed_now() IS 'Nobody seals an entry as of long ago';

CREATE FUNCTION registration.audit_kept_since() RETURNS timestamptz LANGUAGE sql STABLE
RETURN CASE
    WHEN EXISTS (
        SELECT
        FROM pg_catalog.pg_db_role_setting AS given
        JOIN pg_catalog.pg_database AS here ON here.oid = given.setdatabase
        WHERE here.datname = current_database() AND given.setrole = 0
            AND 'zikao.young_audit_may_go=on' = ANY (given.setconfig)
    ) THEN 'infinity'::timestamptz
    ELSE clock_timestamp() - interval '184 days'
END;
COMMENT ON FUNCTION registration.audit_kept_since() IS
    'What was sealed since then stays, by the real clock; only who owns the database lets it go,
    where a rehearsal moves the clock: ALTER DATABASE … SET zikao.young_audit_may_go = on';

CREATE FUNCTION registration.keep_young_audit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM gone WHERE sealed_at >= registration.audit_kept_since()) THEN
        RAISE EXCEPTION 'what was sealed in the last six months stays'
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION registration.keep_young_audit() IS 'No link leaves the chain before its time, not even by cut_audit';

CREATE FUNCTION registration.cut_audit(up_to bigint, older_than timestamptz, cut_now timestamptz)
    RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    anchored bigint;
BEGIN
    SELECT number INTO STRICT anchored FROM registration.audit_anchor FOR UPDATE;
    IF up_to <= anchored OR up_to >= (SELECT max(number) FROM registration.audit_chain) THEN
        RAISE EXCEPTION 'nothing to cut, or nothing left after %', up_to;
    END IF;
    IF EXISTS (
        SELECT
        FROM registration.audit_chain AS link
        LEFT JOIN registration.audit_entry AS entry ON entry.audit_id = link.audit_id
        WHERE link.number <= up_to AND (entry.at >= older_than) IS NOT FALSE
    ) THEN
        RAISE EXCEPTION 'not all entries up to % are from before %', up_to, older_than
            USING ERRCODE = 'restrict_violation';
    END IF;
    PERFORM set_config('registration.cutting_audit', 'on', true);
    UPDATE registration.audit_anchor AS anchor
    SET number = link.number, sha256 = link.sha256, cut_at = cut_now
    FROM registration.audit_chain AS link
    WHERE link.number = up_to;
    DELETE FROM registration.audit_entry AS entry
    USING registration.audit_chain AS link
    WHERE link.number <= up_to AND entry.audit_id = link.audit_id;
    DELETE FROM registration.audit_chain AS link WHERE link.number <= up_to;
    PERFORM set_config('registration.cutting_audit', 'off', true);
    RETURN up_to - anchored;
END
$$;
COMMENT ON FUNCTION registration.cut_audit(bigint, timestamptz, timestamptz) IS
    'Removes the oldest entries up to a number, all from before a time; the anchor takes their place';

CREATE TRIGGER audit_unsealed_kept BEFORE DELETE ON registration.audit_unsealed
    FOR EACH ROW EXECUTE FUNCTION registration.keep_until_sealed();
CREATE TRIGGER audit_unsealed_append_only BEFORE UPDATE OR TRUNCATE ON registration.audit_unsealed
    FOR EACH STATEMENT EXECUTE FUNCTION registration.keep_audit();
CREATE TRIGGER audit_chain_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON registration.audit_chain
    FOR EACH STATEMENT EXECUTE FUNCTION registration.keep_audit();
CREATE TRIGGER audit_chain_sealed_now AFTER INSERT ON registration.audit_chain
    REFERENCING NEW TABLE AS sealed
    FOR EACH STATEMENT EXECUTE FUNCTION registration.require_sealed_now();
CREATE TRIGGER audit_chain_kept AFTER DELETE ON registration.audit_chain
    REFERENCING OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION registration.keep_young_audit();
CREATE TRIGGER audit_anchor_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON registration.audit_anchor
    FOR EACH STATEMENT EXECUTE FUNCTION registration.keep_audit();

-- Entries as the chain takes them, alike in all services.
CREATE VIEW registration.audit_entry AS
SELECT audit_id, at, actor, role, action, candidate_id::text AS subject, county_code AS area, before, after
FROM registration.audit;
COMMENT ON VIEW registration.audit_entry IS 'Entries of the audit as the chain takes them';
CREATE OR REPLACE TRIGGER audit_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON registration.audit
    FOR EACH STATEMENT EXECUTE FUNCTION registration.keep_audit();
CREATE TRIGGER audit_noted AFTER INSERT ON registration.audit
    REFERENCING NEW TABLE AS entered
    FOR EACH STATEMENT EXECUTE FUNCTION registration.note_unsealed();
-- The triggers' lock keeps writers out until the end: what there is now is all that they have not noted.
INSERT INTO registration.audit_unsealed (audit_id) SELECT audit_id FROM registration.audit;
-- Behind them: millions are not looked up one by one.
CREATE TRIGGER audit_unsealed_noted BEFORE INSERT ON registration.audit_unsealed
    FOR EACH ROW EXECUTE FUNCTION registration.require_unsealed();
