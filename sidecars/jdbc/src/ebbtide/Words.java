package ebbtide;

import java.math.BigDecimal;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.LocalTime;
import java.time.OffsetDateTime;
import java.util.Locale;
import java.util.UUID;

/**
 * Small readings of SQL texts, and words of PostgreSQL.
 */
final class Words {
    static final int NOTHING = 0;
    /** The names that a statement finds in this session. */
    static final int SESSION = 1;
    /** Tables, as they were before. */
    static final int BACK = 2;
    /** Tables, for all sessions. */
    static final int TABLES = 3;

    private Words() {
    }

    /** Returns the place of the first character that is neither white space nor part of a comment. */
    static int start(String text) {
        int at = 0;
        while (at < text.length()) {
            if (Character.isWhitespace(text.charAt(at))) {
                at++;
            } else if (text.startsWith("--", at)) {
                int end = text.indexOf('\n', at);
                at = end < 0 ? text.length() : end + 1;
            } else if (text.startsWith("/*", at)) {
                at = comment(text, at);
            } else {
                break;
            }
        }
        return at;
    }

    /** Returns what a statement may change for prepared statements: one of the constants above. */
    static int changes(String text) {
        int start = start(text);
        int end = start;
        while (end < text.length() && Character.isLetter(text.charAt(end))) {
            end++;
        }
        switch (text.substring(start, end).toUpperCase(Locale.ROOT)) {
            case "SELECT":
            case "INSERT":
            case "UPDATE":
            case "DELETE":
            case "MERGE":
            case "REPLACE":
            case "WITH":
            case "VALUES":
            case "TABLE":
            case "SHOW":
            case "EXPLAIN":
            case "SAVEPOINT":
            case "RELEASE":
            case "BEGIN":
            case "START":
            case "COMMIT":
            case "PREPARE":
            case "DEALLOCATE":
            case "LISTEN":
            case "NOTIFY":
            case "":
                return NOTHING;
            case "SET":
            case "USE":
            case "PRAGMA":
                return SESSION;
            case "EXECUTE":
                // What is prepared is no definition, and forgetting would take it away.
                return text.toUpperCase(Locale.ROOT).contains("IMMEDIATE") ? TABLES : NOTHING;
            case "ROLLBACK":
                return BACK;
            default:
                return TABLES;
        }
    }

    /** Returns the end of a comment; PostgreSQL's may be nested. */
    private static int comment(String text, int start) {
        int depth = 0;
        int at = start;
        while (at < text.length()) {
            if (text.startsWith("/*", at)) {
                depth++;
                at += 2;
            } else if (text.startsWith("*/", at)) {
                at += 2;
                if (--depth == 0) {
                    return at;
                }
            } else {
                at++;
            }
        }
        return at;
    }

    /** Returns PostgreSQL's type of an array of such elements; null for texts, whose type the server decides. */
    static String arrayType(Object element) {
        if (element instanceof Short) {
            return "_int2";
        }
        if (element instanceof Integer) {
            return "_int4";
        }
        if (element instanceof Long) {
            return "_int8";
        }
        if (element instanceof Boolean) {
            return "_bool";
        }
        if (element instanceof Float) {
            return "_float4";
        }
        if (element instanceof Double) {
            return "_float8";
        }
        if (element instanceof BigDecimal) {
            return "_numeric";
        }
        if (element instanceof byte[]) {
            return "_bytea";
        }
        if (element instanceof UUID) {
            return "_uuid";
        }
        if (element instanceof LocalDate) {
            return "_date";
        }
        if (element instanceof LocalTime) {
            return "_time";
        }
        if (element instanceof LocalDateTime) {
            return "_timestamp";
        }
        return element instanceof OffsetDateTime ? "_timestamptz" : null;
    }

    /** Returns bytes in the form of PostgreSQL. */
    static String hex(byte[] bytes) {
        StringBuilder text = new StringBuilder("\\x");
        for (byte one : bytes) {
            text.append(Character.forDigit(one >> 4 & 15, 16)).append(Character.forDigit(one & 15, 16));
        }
        return text.toString();
    }
}
