//! The attribute of the crate `ebbtide`, which re-exports it as `ebbtide::test`, and its derive `ebbtide::Type`.

mod attributes;
mod derive;
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

/// Makes an enum or a newtype a type of every backend: `#[derive(ebbtide::Type)]`.
#[proc_macro_derive(Type, attributes(sqlx, ebbtide))]
pub fn derive_type(input: TokenStream) -> TokenStream {
    let input = syn::parse_macro_input!(input as syn::DeriveInput);
    derive::expand(&input)
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}
