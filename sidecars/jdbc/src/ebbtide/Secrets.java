package ebbtide;

import java.util.regex.Pattern;

/**
 * Hides what is secret in a URL.
 */
final class Secrets {
    private static final Pattern NAMED = Pattern.compile("(?i)(pass\\w*|pwd|secret\\w*|token|\\w*key)=[^;&,)]*");
    private static final Pattern AUTHORITY = Pattern.compile("(//[^:/@;?]*):[^/]*@");
    private static final Pattern ORACLE = Pattern.compile("(:[^:/@]+)/[^/@]+@");

    private Secrets() {
    }

    /** Returns the URL with {@code ***} in place of passwords. */
    static String hidden(String url) {
        String named = NAMED.matcher(url).replaceAll("$1=***");
        return ORACLE.matcher(AUTHORITY.matcher(named).replaceAll("$1:***@")).replaceAll("$1/***@");
    }
}
