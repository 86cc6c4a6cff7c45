//! The attribute of the crate `ebbtide`, which exports it again as `ebbtide::test`; see the guide there.

mod expand;
mod nearest;
mod options;
mod scripts;
mod signature;

use proc_macro::TokenStream;

/// Makes an `async fn` a test that has a database: `#[ebbtide::test]`.
#[proc_macro_attribute]
pub fn test(options: TokenStream, function: TokenStream) -> TokenStream {
    expand::expand(options.into(), function.into())
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}
