-- What zikao_kit.roles does for `zikao up`, a test compares: a role and a schema for each service, no
-- rights on another's. The settings are also sent by each connection; a pooler does not pass those
-- on, so they hold by role. Passwords come from elsewhere. At the end: a role that only reads.
REVOKE ALL ON DATABASE zikao FROM PUBLIC;
REVOKE ALL ON SCHEMA public FROM PUBLIC;

CREATE ROLE zikao_registration LOGIN;
GRANT CONNECT, TEMPORARY, CREATE ON DATABASE zikao TO zikao_registration;
ALTER ROLE zikao_registration IN DATABASE zikao SET search_path = '';
ALTER ROLE zikao_registration IN DATABASE zikao SET jit = off;
ALTER ROLE zikao_registration IN DATABASE zikao SET statement_timeout = '15s';
ALTER ROLE zikao_registration IN DATABASE zikao SET lock_timeout = '5s';
ALTER ROLE zikao_registration IN DATABASE zikao SET idle_in_transaction_session_timeout = '30s';
CREATE SCHEMA IF NOT EXISTS registration AUTHORIZATION zikao_registration;

CREATE ROLE zikao_enrollment LOGIN;
GRANT CONNECT, TEMPORARY, CREATE ON DATABASE zikao TO zikao_enrollment;
ALTER ROLE zikao_enrollment IN DATABASE zikao SET search_path = '';
ALTER ROLE zikao_enrollment IN DATABASE zikao SET jit = off;
ALTER ROLE zikao_enrollment IN DATABASE zikao SET statement_timeout = '15s';
ALTER ROLE zikao_enrollment IN DATABASE zikao SET lock_timeout = '5s';
ALTER ROLE zikao_enrollment IN DATABASE zikao SET idle_in_transaction_session_timeout = '30s';
CREATE SCHEMA IF NOT EXISTS enrollment AUTHORIZATION zikao_enrollment;

CREATE ROLE zikao_tickets LOGIN;
GRANT CONNECT, TEMPORARY, CREATE ON DATABASE zikao TO zikao_tickets;
ALTER ROLE zikao_tickets IN DATABASE zikao SET search_path = '';
ALTER ROLE zikao_tickets IN DATABASE zikao SET jit = off;
ALTER ROLE zikao_tickets IN DATABASE zikao SET statement_timeout = '15s';
ALTER ROLE zikao_tickets IN DATABASE zikao SET lock_timeout = '5s';
ALTER ROLE zikao_tickets IN DATABASE zikao SET idle_in_transaction_session_timeout = '30s';
CREATE SCHEMA IF NOT EXISTS tickets AUTHORIZATION zikao_tickets;

-- Who verifies the audit log and the invariants: reads what services' migrations make, and no more.
CREATE ROLE zikao_auditor LOGIN;
GRANT CONNECT ON DATABASE zikao TO zikao_auditor;
ALTER ROLE zikao_auditor IN DATABASE zikao SET search_path = '';
ALTER ROLE zikao_auditor IN DATABASE zikao SET default_transaction_read_only = on;
ALTER ROLE zikao_auditor IN DATABASE zikao SET idle_in_transaction_session_timeout = '30s';
GRANT USAGE ON SCHEMA registration, enrollment, tickets TO zikao_auditor;
ALTER DEFAULT PRIVILEGES FOR ROLE zikao_registration IN SCHEMA registration GRANT SELECT ON TABLES TO zikao_auditor;
ALTER DEFAULT PRIVILEGES FOR ROLE zikao_enrollment IN SCHEMA enrollment GRANT SELECT ON TABLES TO zikao_auditor;
ALTER DEFAULT PRIVILEGES FOR ROLE zikao_tickets IN SCHEMA tickets GRANT SELECT ON TABLES TO zikao_auditor;
