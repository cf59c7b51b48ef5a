"""What keeps the audit whole: nothing is entered, changed or taken away unseen."""

from mutation.mutant import Catch, Cut, Mutant

KIT = "libs/zikao_kit"
MIGRATION = "services/tickets/zikao_tickets/sql/migrations/0019_pre_chain_audit.sql"
CHAIN = "tests/integration/test_audit_chain.py"
COMMAND = "tests/integration/test_audit_log_command.py"
UNIT = "tests/unit/kit/test_audit_chain.py"

AUDITS = (
    Mutant(
        "audit-append-only",
        "A trigger refuses to change, delete or truncate entries of an audit, to the service too",
        "It refuses to truncate them alone",
        "A fault of a query, or somebody with the service's password, changes who did what",
        (
            Cut(
                MIGRATION,
                "BEFORE UPDATE OR DELETE OR TRUNCATE ON tickets.office_audit",
                "BEFORE TRUNCATE ON tickets.office_audit",
            ),
        ),
        (
            Catch(
                f"{CHAIN}::test_the_database_refuses_changes",
                "DID NOT RAISE",
                "with pytest.raises(asyncpg.RestrictViolationError):",
            ),
        ),
    ),
    Mutant(
        "audit-listed",
        "What waits for the chain is listed by a trigger, whatever code enters it",
        "There is no trigger",
        "Entries are in no chain: they can be changed, and nobody sees it",
        (
            Cut(
                MIGRATION,
                "CREATE TRIGGER office_audit_noted AFTER INSERT ON tickets.office_audit\n"
                "    REFERENCING NEW TABLE AS entered\n"
                "    FOR EACH STATEMENT EXECUTE FUNCTION tickets.note_unsealed();\n",
                "",
            ),
        ),
        (
            Catch(
                f"{CHAIN}::test_entries_are_sealed_in_order",
                "assert False",
                "assert await sealing.work()",
            ),
        ),
    ),
    Mutant(
        "audit-late-commit",
        "Whatever waits is sealed, in the order of commits",
        "Sealing goes on behind the last entry that was sealed",
        "An entry that was committed late is never sealed",
        (
            Cut(
                f"{KIT}/sql/queries/audit_chain.sql",
                "    SELECT audit_id FROM {schema}.audit_unsealed ORDER BY audit_id LIMIT $1\n"
                ") AS waiting",
                "    SELECT audit_id FROM {schema}.audit_unsealed WHERE audit_id >"
                " (SELECT coalesce(max(audit_id), 0) FROM {schema}.audit_chain)"
                " ORDER BY audit_id LIMIT $1\n) AS waiting",
            ),
        ),
        (Catch(f"{CHAIN}::test_what_is_committed_late_is_sealed_late", "Right contains one more"),),
    ),
    Mutant(
        "audit-chained",
        "The hash of an entry covers the hash of the one before",
        "Each is hashed for itself",
        "Whoever exchanges an entry needs to write one hash, and nothing after it shows that",
        (
            Cut(
                f"{KIT}/audit_chain.py",
                'return hashlib.sha256(before + b"".join(map(_field, fields))).digest()',
                'return hashlib.sha256(b"".join(map(_field, fields))).digest()',
            ),
        ),
        (Catch(f"{UNIT}::test_whoever_changes_one_must_change_all_after", "assert None == 3"),),
    ),
    Mutant(
        "audit-witnessed",
        "A checkpoint behind the end of a chain is a break",
        "What was seen behind the end is not asked for",
        "The newest entries are cut off, and the rest holds by itself",
        (
            Cut(
                "libs/zikao_kit/audit_verifying.py",
                "        *_cut_off(walk),\n",
                "",
            ),
        ),
        (
            Catch(
                f"{COMMAND}::test_checkpoints_witness_what_hashes_cannot",
                "assert 0 == 1",
                "assert code == VIOLATED",
            ),
        ),
    ),
    Mutant(
        "audit-kept-since",
        "A link that was sealed in the last six months, by the real clock, leaves no chain",
        "The chain's own trigger does not look when it was sealed",
        "Whoever has the service's password removes what he did yesterday, by a moved clock",
        (
            Cut(
                MIGRATION,
                "CREATE TRIGGER audit_chain_kept AFTER DELETE ON tickets.audit_chain\n"
                "    REFERENCING OLD TABLE AS gone\n"
                "    FOR EACH STATEMENT EXECUTE FUNCTION tickets.keep_young_audit();\n",
                "",
            ),
        ),
        (
            Catch(
                f"{CHAIN}::test_what_was_sealed_lately_stays",
                "DID NOT RAISE",
                "with pytest.raises(asyncpg.RestrictViolationError, match=",
            ),
        ),
    ),
    Mutant(
        "audit-old-enough",
        "The database removes no entry that is younger than what it was told",
        "It removes whatever the number covers",
        "A fault of retention takes away what must be kept for six months",
        (
            Cut(
                MIGRATION,
                "        WHERE link.number <= up_to AND (entry.at >= older_than) IS NOT FALSE\n",
                "        WHERE link.number < 0 AND (entry.at >= older_than) IS NOT FALSE\n",
            ),
        ),
        (
            Catch(
                f"{CHAIN}::test_the_database_refuses_changes",
                "DID NOT RAISE",
                "with pytest.raises(asyncpg.RestrictViolationError):",
            ),
        ),
    ),
)
