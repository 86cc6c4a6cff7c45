//! The attributes of the crate `ebbtide`, which re-exports them, and its derive `ebbtide::Type`.

mod attributes;
mod derive;
mod expand;
mod nearest;
mod options;
mod scripts;
mod signature;
mod transactional;

use proc_macro::TokenStream;

use transactional::Attribute;

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

/// Runs the body of an `async fn` in a transaction of a database: `#[ebbtide::transactional(database)]`.
#[proc_macro_attribute]
pub fn transactional(options: TokenStream, function: TokenStream) -> TokenStream {
    in_transaction(Attribute::Transactional, options, function)
}

/// Runs the body of an `async fn` in a transaction of a database of the installed registry: `#[ebbtide::atomic("default")]`.
#[proc_macro_attribute]
pub fn atomic(options: TokenStream, function: TokenStream) -> TokenStream {
    in_transaction(Attribute::Atomic, options, function)
}

fn in_transaction(attribute: Attribute, options: TokenStream, function: TokenStream) -> TokenStream {
    transactional::expand(attribute, options.into(), function.into())
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}
