package ebbtide;

import java.io.File;
import java.io.IOException;
import java.sql.DatabaseMetaData;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;

/**
 * What a driver says of itself. Each question may fail by itself: drivers throw where they have nothing to say.
 */
final class Opened {
    private final DatabaseMetaData about;
    private final List<String> pairs = new ArrayList<String>();

    private Opened(DatabaseMetaData about) {
        this.about = about;
    }

    static List<String> pairs(DatabaseMetaData about, Product product, int[] levels) {
        Opened opened = new Opened(about);
        for (String name : new String[] {"product", "version", "driver", "driver-version", "quote", "savepoints", "ddl", "folding",
            "isolation"}) {
            try {
                opened.add(name, opened.answer(name, levels));
            } catch (SQLException | RuntimeException | LinkageError error) {
                // The library has a careful answer of its own.
            }
        }
        opened.add("levels", opened.levels(product, levels));
        opened.add("transactions", product.byInterface() ? "api" : "text");
        opened.add("stream", product.streams() ? "1" : "0");
        opened.add("cancel", "1");
        opened.add("threads", "1");
        opened.add("process", process());
        return opened.pairs;
    }

    private String answer(String name, int[] levels) throws SQLException {
        switch (name) {
            case "product":
                return about.getDatabaseProductName();
            case "version":
                return about.getDatabaseProductVersion();
            case "driver":
                return about.getDriverName();
            case "driver-version":
                return about.getDriverVersion();
            case "quote":
                String quote = about.getIdentifierQuoteString();
                return quote == null ? null : quote.trim();
            case "savepoints":
                return about.supportsSavepoints() ? "1" : "0";
            case "ddl":
                return definitions();
            case "folding":
                return about.storesUpperCaseIdentifiers() ? "upper" : about.storesLowerCaseIdentifiers() ? "lower" : "none";
            default:
                int level = about.getDefaultTransactionIsolation();
                for (int i = 1; i < levels.length; i++) {
                    if (levels[i] == level) {
                        return String.valueOf(i);
                    }
                }
                return null;
        }
    }

    /** Several answers may be yes; the one that a transaction has to fear most comes first. */
    private String definitions() throws SQLException {
        if (about.dataDefinitionCausesTransactionCommit()) {
            return "commits";
        }
        if (about.dataDefinitionIgnoredInTransactions()) {
            return "ignored";
        }
        if (about.supportsDataDefinitionAndDataManipulationTransactions()) {
            return "transactional";
        }
        return about.supportsDataManipulationTransactionsOnly() ? "refused" : null;
    }

    private String levels(Product product, int[] levels) {
        StringBuilder text = new StringBuilder();
        for (int i = 1; i < levels.length; i++) {
            try {
                if (product.has(levels[i]) && about.supportsTransactionIsolationLevel(levels[i])) {
                    text.append(text.length() == 0 ? "" : ",").append(i);
                }
            } catch (SQLException | RuntimeException error) {
                // Not this one.
            }
        }
        return text.toString();
    }

    private static String process() {
        try {
            return new File("/proc/self").getCanonicalFile().getName();
        } catch (IOException error) {
            return null;
        }
    }

    private void add(String name, String value) {
        if (value != null) {
            pairs.add(name);
            pairs.add(value);
        }
    }
}
