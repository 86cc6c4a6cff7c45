//! The attribute of the crate `ebbtide`, which re-exports it as `ebbtide::test`; see the guide there.

mod expand;
mod nearest;
mod options;
mod scripts;
mod signature;

use proc_macro::TokenStream;

/// Turns an `async fn` into a test with a database: `#[ebbtide::test]`.
#[proc_macro_attribute]
pub fn test(options: TokenStream, function: TokenStream) -> TokenStream {
    expand::expand(options.into(), function.into())
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}
