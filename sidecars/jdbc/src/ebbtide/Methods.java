package ebbtide;

import java.lang.reflect.Method;

/**
 * Methods of drivers, which are known by their names only.
 */
final class Methods {
    private Methods() {
    }

    /** Returns a method of a class or of one of its superclasses, whoever may call it. */
    static Method find(Class<?> type, String name, Class<?>... parameters) throws NoSuchMethodException {
        for (Class<?> one = type; one != null; one = one.getSuperclass()) {
            try {
                Method method = one.getDeclaredMethod(name, parameters);
                method.setAccessible(true);
                return method;
            } catch (NoSuchMethodException error) {
                // A superclass has it.
            }
        }
        throw new NoSuchMethodException(name);
    }

    /** Calls a method without parameters. */
    static Object call(Object on, String name) throws ReflectiveOperationException {
        try {
            return find(on.getClass(), name).invoke(on);
        } catch (RuntimeException error) {
            throw new ReflectiveOperationException(error);
        }
    }
}
