#!/usr/bin/env bash
# pg8000 reads an inet that has a netmask as a network, without the bits of the host: 192.168.1.5/24 is read as 192.168.1.0/24.
# An address without a netmask is read whole. That the host is kept is the difference between inet and cidr; Python's type for
# both parts is IPv4Interface.
#
# Needs a server of PostgreSQL: PGHOST (127.0.0.1), PGPORT (5432), PGUSER (postgres), PGPASSWORD (empty), PGDATABASE
# (postgres), as in `docker run --rm -e POSTGRES_HOST_AUTH_METHOD=trust -p 5432:5432 postgres:18`.
# Seen with PostgreSQL 18.4 and pg8000 1.31.6: 192.168.1.0/24, 2001:db8::/64, 192.168.1.5. Exits with 1 if the driver does
# otherwise.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pg8000==1.31.6
"$folder/venv/bin/python" - <<'PYTHON'
import os
import sys

import pg8000.native

settings = dict(
    host=os.environ.get("PGHOST", "127.0.0.1"),
    port=int(os.environ.get("PGPORT", "5432")),
    user=os.environ.get("PGUSER", "postgres"),
    password=os.environ.get("PGPASSWORD") or None,
    database=os.environ.get("PGDATABASE", "postgres"),
)


connection = pg8000.native.Connection(**settings)
seen = []
for value in ("192.168.1.5/24", "2001:db8::1/64", "192.168.1.5"):
    result = connection.run(f"SELECT inet '{value}'")[0][0]
    print(value, "->", repr(result))
    seen.append(str(result))
sys.exit(0 if seen == ["192.168.1.0/24", "2001:db8::/64", "192.168.1.5"] else 1)
PYTHON
