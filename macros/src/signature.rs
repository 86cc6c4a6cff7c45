//! Checks the signature of a test function.

use proc_macro2::Span;
use syn::{Error, FnArg, ItemFn, Result, ReturnType, Type};

/// The way in which the test takes its database.
pub(crate) enum Taken {
    /// By value; contains the span of the type.
    Database(Span),
    /// Not at all.
    Nothing,
}

/// Checks the function.
pub(crate) fn check(function: &ItemFn) -> Result<Taken> {
    let signature = &function.sig;
    if signature.asyncness.is_none() {
        return Err(Error::new(
            signature.fn_token.span,
            format!(
                "`#[ebbtide::test]` needs an async function: write `async fn {}`",
                signature.ident
            ),
        ));
    }
    if !signature.generics.params.is_empty() {
        return Err(Error::new_spanned(&signature.generics, "a test cannot be generic"));
    }
    let other = signature.unsafety.map(|token| token.span);
    let other = other.or(signature.abi.as_ref().map(|abi| abi.extern_token.span));
    if let Some(span) = other.or(signature.constness.map(|token| token.span)) {
        return Err(Error::new(span, "a test must be a plain `async fn`"));
    }
    if let Some(attribute) = function
        .attrs
        .iter()
        .find(|attribute| attribute.path().is_ident("test"))
    {
        return Err(Error::new_spanned(
            attribute,
            "`#[ebbtide::test]` already makes the function a test; leave `#[test]` out",
        ));
    }
    taken(function)
}

fn taken(function: &ItemFn) -> Result<Taken> {
    let mut inputs = function.sig.inputs.iter();
    let Some(first) = inputs.next() else {
        return Ok(Taken::Nothing);
    };
    if let Some(second) = inputs.next() {
        return Err(Error::new_spanned(
            second,
            "a test takes one argument, `database: Database`, or none",
        ));
    }
    match first {
        FnArg::Receiver(receiver) => Err(Error::new_spanned(
            receiver,
            "a test cannot be a method: it takes `database: Database`, or nothing",
        )),
        FnArg::Typed(argument) => match &*argument.ty {
            Type::Reference(reference) => Err(Error::new_spanned(
                reference,
                "a test takes its database by value: `database: Database`",
            )),
            Type::ImplTrait(_) => Err(Error::new_spanned(
                &argument.ty,
                "a test takes `database: Database`, or nothing",
            )),
            taken => Ok(Taken::Database(syn::spanned::Spanned::span(taken))),
        },
    }
}

/// Returns whether the function returns nothing, so that only a panic can fail it.
pub(crate) fn returns_unit(function: &ItemFn) -> bool {
    match &function.sig.output {
        ReturnType::Default => true,
        ReturnType::Type(_, output) => matches!(&**output, Type::Tuple(tuple) if tuple.elems.is_empty()),
    }
}
