#!/usr/bin/env bash
# SQLite takes `::` and what follows into the name of a parameter: `:id::b` is one parameter with that name, and not `:id` with a
# cast, as in PostgreSQL. Its manual says so of names that begin with `$` alone. So a value for `id` is not found there.
#
# Seen with SQLite 3.51.1 (apsw 3.51.1.0): with `:`, `@` and `$` the value of `id::b` is read, and that of `id` is not. Exits with 1
# if that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check apsw==3.51.1.0
"$folder/venv/bin/python" - <<'PYTHON'
import sys

import apsw

connection = apsw.Connection(":memory:")
seen = []
for sign in ":@$":
    value = connection.execute(f"SELECT {sign}id::b", {"id::b": 7, "id": 8}).fetchall()
    print(sign, value)
    seen.append(value)
sys.exit(0 if seen == [[(7,)]] * 3 else 1)
PYTHON
