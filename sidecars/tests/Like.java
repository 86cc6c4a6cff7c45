package org.postgresql;

/** A proxy of what is not public is a class of the same package, so the sidecar takes this one for pgjdbc's. */
interface Like {
}
