-- What is kept of one person, named as people read it.
-- name: export_account
SELECT account_id AS "账号编号", created_at AS "创建时间", role AS "角色",
    password_hash IS NULL AS "使用初始密码", must_change_password AS "须修改密码",
    disabled_at AS "停用时间"
FROM registration.account
WHERE account_id = $1;

-- name: export_logins
SELECT caller AS "登录渠道", created_at AS "登录时间", used_at AS "最近使用时间",
    expires_at AS "失效时间", revoked_at AS "注销时间"
FROM registration.login
WHERE account_id = $1
ORDER BY created_at DESC
LIMIT $2;

-- name: export_recoveries
SELECT channel AS "验证方式", expires_at AS "验证码失效时间", tries AS "已尝试次数"
FROM registration.password_recovery
WHERE account_id = $1
ORDER BY expires_at DESC
LIMIT $2;

-- name: export_security_questions
SELECT set_at AS "设置时间"
FROM registration.security_question
WHERE account_id = $1
LIMIT $2;

-- name: export_ticket_numbers
SELECT ticket_number AS "准考证号", status AS "状态", reason AS "说明",
    assigned_at AS "编发时间", ended_at AS "终止时间"
FROM registration.ticket_number
WHERE candidate_id = $1
ORDER BY assigned_at DESC
LIMIT $2;

-- name: export_older_records
SELECT ticket_number AS "准考证号", county_code AS "区县代码", updated_at AS "录入时间",
    activated_at AS "激活时间"
FROM registration.older_record
WHERE candidate_id = $1
ORDER BY ticket_number
LIMIT $2;

-- name: export_decisions
SELECT decided_at AS "审核时间", approved AS "是否通过", reasons AS "原因", comment AS "说明"
FROM registration.decision
WHERE candidate_id = $1 AND NOT needs_confirmation
ORDER BY decision_id DESC
LIMIT $2;

-- name: export_pictures
SELECT photo.uploaded_at AS "照片上传时间", identity_material.uploaded_at AS "证件材料上传时间"
FROM registration.candidate
LEFT JOIN registration.photo ON photo.candidate_id = candidate.candidate_id
LEFT JOIN registration.identity_material ON identity_material.candidate_id = candidate.candidate_id
WHERE candidate.candidate_id = $1
LIMIT $2;

-- name: export_answers
SELECT created_at AS "时间", method AS "请求"
FROM registration.idempotency
WHERE actor = $1::uuid::text
ORDER BY created_at DESC
LIMIT $2;

-- name: export_audit
SELECT at AS "时间", action AS "操作", role AS "操作者角色",
    CASE WHEN actor = $1::uuid::text THEN '本人' ELSE actor END AS "操作者",
    before::text AS "操作前", after::text AS "操作后"
FROM registration.audit
WHERE candidate_id = $1
ORDER BY at DESC, audit_id DESC
LIMIT $2;

-- name: list_changes_of
SELECT change_id
FROM registration.profile_change
WHERE candidate_id = $1
ORDER BY requested_at DESC, change_id
LIMIT $2;

-- name: had_ticket_number
SELECT EXISTS (SELECT 1 FROM registration.ticket_number WHERE candidate_id = $1);

-- Never those who had a number: what has been examined is kept.
-- name: lock_abandoned
SELECT candidate.candidate_id
FROM registration.candidate
WHERE candidate.state = 'abandoned'
    AND candidate.updated_at <= $1
    AND NOT EXISTS (
        SELECT 1 FROM registration.ticket_number
        WHERE ticket_number.candidate_id = candidate.candidate_id
    )
ORDER BY candidate.updated_at
LIMIT $2
FOR UPDATE OF candidate SKIP LOCKED;

-- Decisions are append-only but for this transaction (`registration.refuse_change`).
-- name: begin_erasure
SELECT pg_catalog.set_config('registration.erasing', 'on', true);

-- name: erase_photos
DELETE FROM registration.photo WHERE candidate_id = ANY ($1::uuid[]);

-- name: erase_material
DELETE FROM registration.identity_material WHERE candidate_id = ANY ($1::uuid[]);

-- name: erase_decisions
DELETE FROM registration.decision WHERE candidate_id = ANY ($1::uuid[]);

-- name: erase_profile_changes
DELETE FROM registration.profile_change WHERE candidate_id = ANY ($1::uuid[]);

-- name: erase_candidates
DELETE FROM registration.candidate WHERE candidate_id = ANY ($1::uuid[]);

-- name: erase_security_questions
DELETE FROM registration.security_question WHERE account_id = ANY ($1::uuid[]);

-- name: erase_recoveries
DELETE FROM registration.password_recovery WHERE account_id = ANY ($1::uuid[]);

-- name: erase_attempts
DELETE FROM registration.login_attempt
WHERE subject_index IN (
    SELECT account.login_index
    FROM registration.account
    WHERE account.account_id = ANY ($1::uuid[])
);

-- But for the answer that is just being made.
-- name: erase_answers
DELETE FROM registration.idempotency
WHERE actor = ANY ($1::uuid[]::text[]) AND response IS NOT NULL;

-- name: erase_former_documents
DELETE FROM registration.former_document WHERE account_id = ANY ($1::uuid[]);

-- name: erase_accounts
DELETE FROM registration.account WHERE account_id = ANY ($1::uuid[]);
