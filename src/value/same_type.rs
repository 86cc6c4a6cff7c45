//! Compares types by name, because `Any` would require a `'static` bound.

use std::any::type_name;

/// Returns whether a visitor that creates `T` creates the type `O`. Both names are constants, so this costs nothing at
/// run time.
pub(super) fn is<T, O>() -> bool {
    type_name::<T>() == type_name::<O>()
}
