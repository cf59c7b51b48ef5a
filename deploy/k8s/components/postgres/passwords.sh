#!/bin/bash
# Gives the services' roles and the auditor's their passwords, once, when the database is made. By standard input: a
# password on a command line is seen by whoever lists processes.
set -euo pipefail
for name in registration enrollment tickets auditor; do
  psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname zikao \
    --set role="zikao_$name" <<SQL
\\set password \`cat /etc/zikao/passwords/$name\`
ALTER ROLE :"role" PASSWORD :'password';
SQL
done
