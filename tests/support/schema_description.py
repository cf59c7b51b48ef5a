"""What a schema consists of, as text: the same for the same schema, whatever made it.

Used to prove that `sql/schema.sql` equals the sum of the migrations.
"""

from __future__ import annotations

import asyncpg

# What the migration runner itself keeps.
_OWN_TABLE = "schema_migration"

# Each yields one `line` per object, for the schema $1 without the table $2.
_PARTS = (
    # Columns in their order; the number itself may have gaps.
    """
    SELECT format('column %I.%I %s%s%s%s%s%s', class.relname, attribute.attname,
            format_type(attribute.atttypid, attribute.atttypmod),
            CASE WHEN attribute.attnotnull THEN ' not null' END,
            CASE attribute.attidentity WHEN 'a' THEN ' identity'
                WHEN 'd' THEN ' identity default' END,
            CASE attribute.attgenerated WHEN '' THEN ' default ' ELSE ' generated ' END
                || pg_get_expr(initial.adbin, initial.adrelid),
            ' collate ' || nullif(pg_describe_object('pg_collation'::regclass,
                attribute.attcollation, 0), 'collation "default"'),
            ' -- ' || col_description(class.oid, attribute.attnum)) AS line
    FROM pg_class AS class
    JOIN pg_attribute AS attribute ON attribute.attrelid = class.oid
        AND attribute.attnum > 0 AND NOT attribute.attisdropped
    LEFT JOIN pg_attrdef AS initial ON initial.adrelid = class.oid
        AND initial.adnum = attribute.attnum
    WHERE class.relnamespace = $1::text::regnamespace AND class.relkind IN ('r', 'p', 'v', 'm', 'c')
        AND class.relname <> $2
    ORDER BY class.relname, attribute.attnum
    """,
    """
    SELECT format('relation %s %I%s%s%s%s', class.relkind, class.relname,
            ' with ' || array_to_string(class.reloptions, ','),
            ' ' || pg_get_partkeydef(class.oid), ' ' || pg_get_expr(class.relpartbound, class.oid),
            ' -- ' || obj_description(class.oid, 'pg_class')) AS line
    FROM pg_class AS class
    WHERE class.relnamespace = $1::text::regnamespace AND class.relkind IN ('r', 'p', 'v', 'm', 'S')
        AND class.relname <> $2
    ORDER BY class.relname
    """,
    # Not null is told with the columns: only since PostgreSQL 18 is it a constraint.
    """
    SELECT format('constraint %s.%I %s', constrained.conrelid::regclass, constrained.conname,
        pg_get_constraintdef(constrained.oid)) AS line
    FROM pg_constraint AS constrained
    LEFT JOIN pg_class AS class ON class.oid = constrained.conrelid
    WHERE constrained.connamespace = $1::text::regnamespace AND constrained.contype <> 'n'
        AND class.relname IS DISTINCT FROM $2
    ORDER BY constrained.conrelid::regclass::text, constrained.conname
    """,
    """
    SELECT 'index ' || indexdef AS line
    FROM pg_indexes
    WHERE schemaname = $1 AND tablename <> $2
    ORDER BY indexname
    """,
    """
    SELECT format('view %I %s', viewname, definition) AS line
    FROM pg_views
    WHERE schemaname = $1 AND viewname <> $2
    ORDER BY viewname
    """,
    """
    SELECT 'function ' || pg_get_functiondef(function.oid) AS line
    FROM pg_proc AS function
    WHERE function.pronamespace = $1::text::regnamespace AND function.prokind IN ('f', 'p')
        AND function.proname <> $2
    ORDER BY function.oid::regprocedure::text
    """,
    """
    SELECT 'trigger ' || pg_get_triggerdef(pg_trigger.oid) AS line
    FROM pg_trigger
    JOIN pg_class AS class ON class.oid = pg_trigger.tgrelid
    WHERE class.relnamespace = $1::text::regnamespace AND NOT pg_trigger.tgisinternal
        AND class.relname <> $2
    ORDER BY class.relname, pg_trigger.tgname
    """,
    """
    SELECT format('enum %I (%s)', pg_type.typname,
        string_agg(quote_literal(label.enumlabel), ', ' ORDER BY label.enumsortorder)) AS line
    FROM pg_type
    JOIN pg_enum AS label ON label.enumtypid = pg_type.oid
    WHERE pg_type.typnamespace = $1::text::regnamespace AND pg_type.typname <> $2
    GROUP BY pg_type.typname
    ORDER BY pg_type.typname
    """,
)


async def describe_schema(connection: asyncpg.Connection[asyncpg.Record], schema: str) -> str:
    """Return one line for each object of the schema, without the runner's own table.

    Comparable within one version of PostgreSQL.
    """
    lines = []
    for part in _PARTS:
        lines += [row["line"] for row in await connection.fetch(part, schema, _OWN_TABLE)]
    return "\n".join(lines) + "\n"
