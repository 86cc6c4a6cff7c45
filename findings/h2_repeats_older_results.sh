#!/usr/bin/env bash
# A query of H2 that fails while it runs, or is cancelled, leaves its parameters behind as those of the last result. Run
# again with the same parameters, it returns the result of the parameters before, without an error. A statement prepared
# anew from the same text does so, too, because the session keeps queries by their text.
#
# Needs apt-get and a JDK of version 11 or later.
# Seen with H2 2.1.214 (Debian 12): the second execution with 1 returns -4, the result for 5. Exits with 1 if it fails again.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
apt-get download -q libh2-java=2.1.214-1 >/dev/null
dpkg-deb -x libh2-java_*.deb .
cat >Repeat.java <<'JAVA'
import java.sql.*;

public class Repeat {
    public static void main(String[] arguments) throws Exception {
        Connection connection = DriverManager.getConnection("jdbc:h2:mem:");
        Statement statement = connection.createStatement();
        statement.execute("CREATE TABLE t (a INT)");
        statement.execute("INSERT INTO t VALUES (0), (1)");
        int wrong = 0;
        for (int divisor : new int[] {5, 1, 1}) {
            try (PreparedStatement query = connection.prepareStatement("SELECT sum(10 / (a - ?)) FROM t")) {
                query.setInt(1, divisor);
                ResultSet rows = query.executeQuery();
                rows.next();
                System.out.println(divisor + " -> " + rows.getLong(1));
                wrong += divisor == 1 ? 1 : 0;
            } catch (SQLException error) {
                System.out.println(divisor + " -> " + error.getSQLState() + " " + error.getMessage());
            }
        }
        System.exit(wrong == 1 ? 0 : 1);
    }
}
JAVA
java -cp "$folder/usr/share/java/h2.jar" Repeat.java
