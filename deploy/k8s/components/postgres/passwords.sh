#!/bin/bash
# Gives the services' roles their passwords, once, when the database is made. By standard input: a
# password on a command line is seen by whoever lists processes.
set -euo pipefail
for service in registration enrollment tickets; do
  psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname zikao \
    --set role="zikao_$service" <<SQL
\\set password \`cat /etc/zikao/passwords/$service\`
ALTER ROLE :"role" PASSWORD :'password';
SQL
done
