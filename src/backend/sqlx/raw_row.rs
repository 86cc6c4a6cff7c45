//! Rows of sqlx as the library reads them.

/// Implements [`RawRow`](crate::value::RawRow) for a row of sqlx. `$type_name` returns the name of a column's type; the
/// module `types` beside the call reads a value. `$boolean` is the name of the type of integers that are booleans.
macro_rules! raw_row {
    ($row:ty, $type_name:path $(, $boolean:literal)?) => {
        impl $crate::value::RawRow for $row {
            fn len(&self) -> usize {
                ::sqlx::Row::len(self)
            }

            fn name(&self, index: usize) -> &str {
                ::sqlx::Column::name(::sqlx::Row::column(self, index))
            }

            fn type_name(&self, index: usize) -> &str {
                $type_name(self, index)
            }

            fn value(&self, index: usize) -> $crate::error::Result<$crate::value::ValueRef<'_>> {
                types::value(self, index)
            }

            $(
                fn is_boolean(&self, index: usize) -> bool {
                    ::sqlx::TypeInfo::name(::sqlx::Column::type_info(::sqlx::Row::column(self, index))) == $boolean
                }
            )?

            fn native(&self) -> &dyn std::any::Any {
                self
            }
        }
    };
}

pub(crate) use raw_row;
