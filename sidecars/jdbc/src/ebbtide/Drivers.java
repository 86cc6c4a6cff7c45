package ebbtide;

import java.io.BufferedReader;
import java.io.File;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.URISyntaxException;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.Driver;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.Enumeration;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.zip.ZipException;
import java.util.zip.ZipFile;

/**
 * Finds drivers in jars. Each list of jars has a class loader of its own, so two versions of a driver may run side by side.
 */
final class Drivers {
    private static final String SERVICE = "META-INF/services/java.sql.Driver";
    private static final Map<List<String>, URLClassLoader> LOADERS = new HashMap<List<String>, URLClassLoader>();

    private static final Map<File, ClassLoader> NATIVE = new HashMap<File, ClassLoader>();

    private Drivers() {
    }

    /**
     * Connects by the first driver that takes the URL. {@code java.sql.DriverManager} is never asked: it hides drivers of
     * other class loaders.
     */
    static Connection connect(List<String> jars, String name, String url, Properties properties) throws Refused, SQLException {
        ClassLoader loader = loader(jars);
        Thread.currentThread().setContextClassLoader(loader);
        List<String> tried = new ArrayList<String>();
        for (Driver driver : name.isEmpty() ? announced(loader, tried) : named(loader, name, jars)) {
            String shown = driver.getClass().getName();
            if (!driver.acceptsURL(url)) {
                tried.add(shown);
                continue;
            }
            Connection connection = loadable(driver).connect(url, properties);
            if (connection != null) {
                return connection;
            }
            tried.add(shown + " did not connect");
        }
        String message = tried.isEmpty() ? "no driver was found for the URL " : "no driver takes the URL ";
        StringBuilder names = new StringBuilder();
        for (String one : tried) {
            names.append(names.length() == 0 ? "; tried: " : ", ").append(one);
        }
        throw new Refused("no-driver", message + Secrets.hidden(url) + names, shown(jars));
    }

    /**
     * Returns the driver of the same jar that can load its native library. A virtual machine loads the one of Debian's
     * sqlite-jdbc for one class loader only, so lists with that jar share the first one's classes.
     */
    private static Driver loadable(Driver driver) {
        Class<?> type = driver.getClass();
        if (!type.getName().startsWith("org.sqlite.")) {
            return driver;
        }
        try {
            File jar = new File(type.getProtectionDomain().getCodeSource().getLocation().toURI()).getCanonicalFile();
            ClassLoader first;
            synchronized (NATIVE) {
                if (!NATIVE.containsKey(jar)) {
                    NATIVE.put(jar, type.getClassLoader());
                }
                first = NATIVE.get(jar);
            }
            Thread.currentThread().setContextClassLoader(first);
            return (Driver) first.loadClass(type.getName()).getDeclaredConstructor().newInstance();
        } catch (ReflectiveOperationException | URISyntaxException | IOException | RuntimeException error) {
            return driver;
        }
    }

    private static synchronized ClassLoader loader(List<String> jars) throws Refused {
        URLClassLoader known = LOADERS.get(jars);
        if (known != null) {
            return known;
        }
        URL[] places = new URL[jars.size()];
        for (int i = 0; i < places.length; i++) {
            places[i] = place(jars.get(i));
        }
        // The parent knows java.sql and nothing of this program.
        URLClassLoader made = new URLClassLoader(places, ClassLoader.getSystemClassLoader().getParent());
        LOADERS.put(new ArrayList<String>(jars), made);
        return made;
    }

    private static URL place(String path) throws Refused {
        File file = new File(path);
        if (!file.exists()) {
            throw new Refused("file-missing", "there is no file " + file.getAbsolutePath());
        }
        try {
            if (!file.isDirectory()) {
                new ZipFile(file).close();
            }
            return file.toURI().toURL();
        } catch (ZipException error) {
            throw new Refused("not-a-jar", "the file " + file.getAbsolutePath() + " is not a jar: " + error.getMessage());
        } catch (IOException error) {
            throw new Refused("file-missing", "the file " + file.getAbsolutePath() + " cannot be read: " + error.getMessage());
        }
    }

    private static List<Driver> named(ClassLoader loader, String name, List<String> jars) throws Refused {
        List<Driver> found = new ArrayList<Driver>();
        try {
            Object made = loader.loadClass(name).getDeclaredConstructor().newInstance();
            if (!(made instanceof Driver)) {
                throw new Refused("wrong-class", "the class " + name + " is not a java.sql.Driver", shown(jars));
            }
            found.add((Driver) made);
        } catch (ClassNotFoundException error) {
            throw new Refused("class-missing", "there is no class " + name + " in the jars " + jars, shown(jars));
        } catch (LinkageError error) {
            throw new Refused("class-missing", "the class " + name + " cannot be loaded: " + error, shown(jars));
        } catch (ReflectiveOperationException error) {
            Throwable cause = error.getCause() == null ? error : error.getCause();
            throw new Refused("wrong-class", "no object of the class " + name + " can be made: " + cause, shown(jars));
        }
        return found;
    }

    /** Returns the drivers that the jars announce, and notes why others cannot be used. */
    private static List<Driver> announced(ClassLoader loader, List<String> tried) throws Refused {
        List<Driver> found = new ArrayList<Driver>();
        for (String name : names(loader)) {
            try {
                found.add((Driver) loader.loadClass(name).getDeclaredConstructor().newInstance());
            } catch (ReflectiveOperationException error) {
                tried.add(name + " cannot be used: " + error);
            } catch (LinkageError error) {
                tried.add(name + " cannot be used: " + error);
            } catch (ClassCastException error) {
                tried.add(name + " is not a java.sql.Driver");
            }
        }
        return found;
    }

    private static Set<String> names(ClassLoader loader) throws Refused {
        Set<String> names = new LinkedHashSet<String>();
        try {
            Enumeration<URL> files = loader.getResources(SERVICE);
            while (files.hasMoreElements()) {
                BufferedReader lines = new BufferedReader(
                        new InputStreamReader(files.nextElement().openStream(), StandardCharsets.UTF_8));
                try {
                    for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                        String name = line.replaceFirst("#.*", "").trim();
                        if (!name.isEmpty()) {
                            names.add(name);
                        }
                    }
                } finally {
                    lines.close();
                }
            }
        } catch (IOException error) {
            throw new Refused("not-a-jar", SERVICE + " cannot be read: " + error.getMessage());
        }
        return names;
    }

    private static List<String> shown(List<String> jars) {
        List<String> shown = new ArrayList<String>();
        for (String jar : jars) {
            shown.add("jar " + new File(jar).getAbsolutePath());
        }
        if (shown.isEmpty()) {
            shown.add("no jar was given");
        }
        return shown;
    }
}
