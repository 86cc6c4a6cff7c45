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

/// Makes an enum or a newtype a type that rows and statements of every backend have: `Type`, `Decode` and `Encode` for
/// `ebbtide::any::Any`.
///
/// It stands beside `#[derive(sqlx::Type)]`, in either order, reads sqlx's attributes, and adds what that leaves out
/// for `Any`. For enums by name (`#[sqlx(type_name = …, rename_all = …)]`, `#[sqlx(rename = …)]` at a variant), enums by
/// number (`#[repr(i32)]`), and newtypes (`#[sqlx(transparent)]`). A `Vec` of such a type is an array.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> ebbtide::Result<()> {
/// # let database = ebbtide::Database::connect("sqlite::memory:").await?;
/// #[derive(Debug, PartialEq, sqlx::Type, ebbtide::Type)]
/// #[sqlx(type_name = "mood", rename_all = "snake_case")]
/// enum Mood {
///     VeryHappy,
///     Calm,
/// }
///
/// #[derive(Debug, PartialEq, sqlx::Type, ebbtide::Type)]
/// #[sqlx(transparent)]
/// struct UserId(i64);
///
/// let sql = "SELECT 7 AS id, 'very_happy' AS mood";
/// let read: (UserId, Mood) = database.fetch_one(sql, ()).decode().await?;
/// assert_eq!(read, (UserId(7), Mood::VeryHappy));
/// # Ok(()) }
/// ```
///
/// A composite type is PostgreSQL's alone: read rows with one by `.decode_on::<sqlx::Postgres, _>()`.
#[proc_macro_derive(Type, attributes(sqlx, ebbtide))]
pub fn derive_type(input: TokenStream) -> TokenStream {
    let input = syn::parse_macro_input!(input as syn::DeriveInput);
    derive::expand(&input)
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}
