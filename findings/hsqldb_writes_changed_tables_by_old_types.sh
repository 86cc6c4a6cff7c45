#!/usr/bin/env bash
# A PreparedStatement of HSQLDB that was made before its table was dropped and made again with another type writes by the
# old type: a BIGINT column then holds a truth value in place of the number, without an error, and reading it as a number
# throws a ClassCastException.
#
# Needs apt-get and a JDK of version 11 or later.
# Seen with HSQLDB 2.7.1 (Debian 12): "BIGINT true". Exits with 1 if the statement is refused or writes the number.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
apt-get download -q libhsqldb-java=2.7.1-1+deb12u1 >/dev/null
dpkg-deb -x libhsqldb-java_*.deb .
cat >Old.java <<'JAVA'
import java.sql.*;

public class Old {
    public static void main(String[] arguments) throws Exception {
        Connection connection = DriverManager.getConnection("jdbc:hsqldb:mem:old");
        Statement statement = connection.createStatement();
        statement.execute("CREATE TABLE t (a BOOLEAN)");
        PreparedStatement insert = connection.prepareStatement("INSERT INTO t VALUES (?)");
        PreparedStatement query = connection.prepareStatement("SELECT a FROM t");
        query.executeQuery();
        statement.execute("DROP TABLE t");
        statement.execute("CREATE TABLE t (a BIGINT)");
        insert.setLong(1, 9223372036854775807L);
        insert.execute();
        String seen;
        try {
            ResultSet rows = query.executeQuery();
            rows.next();
            seen = rows.getMetaData().getColumnTypeName(1) + " " + rows.getObject(1);
        } catch (SQLException | ClassCastException error) {
            seen = error.toString();
        }
        System.out.println(seen);
        System.exit(seen.equals("BIGINT 9223372036854775807") || seen.contains("SQLException") ? 1 : 0);
    }
}
JAVA
java -cp "$folder/usr/share/java/hsqldb.jar" Old.java
