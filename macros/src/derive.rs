//! The expansion of `#[derive(ebbtide::Type)]`: what sqlx's derive leaves out for the database `Any`.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::{Data, DataEnum, DeriveInput, Error, Field, Fields, Result};

use crate::attributes::{Attributes, rename};

pub(crate) fn expand(input: &DeriveInput) -> Result<TokenStream> {
    let attributes = Attributes::read(&input.attrs)?;
    let krate = attributes.krate();
    let (implementation, as_sqlx) = match &input.data {
        Data::Enum(data) => enumeration(input, data, &attributes, &krate)?,
        Data::Struct(data) => {
            let field = newtype(input, &data.fields, &attributes)?;
            (wrapped(input, field, &attributes, &krate), true)
        }
        Data::Union(data) => {
            return Err(Error::new(
                data.union_token.span,
                "a union has no SQL type; `ebbtide::Type` is for enums and newtypes",
            ));
        }
    };
    let (generics, arguments, clause) = input.generics.split_for_impl();
    let name = &input.ident;
    // What sqlx's derive has to give is asked for at the name of the type.
    let check = if as_sqlx && input.generics.params.is_empty() {
        quote_spanned!(name.span()=> const _: fn() = #krate::any::is_derived_by_sqlx::<#name>;)
    } else {
        quote!()
    };
    let clause = match (clause, input.generics.type_params().next()) {
        (None, Some(_)) => quote!(where Self: #krate::types::sqlx::Type<#krate::any::Any>),
        (Some(clause), Some(_)) => {
            let predicates = &clause.predicates;
            quote!(where Self: #krate::types::sqlx::Type<#krate::any::Any>, #predicates)
        }
        (clause, None) => quote!(#clause),
    };
    Ok(quote! {
        #implementation

        #[automatically_derived]
        impl #generics #krate::any::AnyMember for #name #arguments #clause {}

        #check
    })
}

/// Returns the one field of a newtype.
fn newtype<'i>(input: &'i DeriveInput, fields: &'i Fields, attributes: &Attributes) -> Result<&'i Field> {
    if let Some(rename_all) = &attributes.rename_all {
        return Err(Error::new(
            rename_all.span(),
            "`rename_all` is for the variants of an enum",
        ));
    }
    let mut all = fields.iter();
    match (all.next(), all.next(), fields) {
        (Some(field), None, Fields::Unnamed(_)) => Ok(field),
        (Some(field), None, _) if attributes.transparent => Ok(field),
        (Some(_), _, Fields::Named(_)) => Err(Error::new(
            input.ident.span(),
            format!(
                "`{0}` is a composite type, which only PostgreSQL has: read rows with it by \
                 `.decode_on::<sqlx::Postgres, _>()` and `#[derive(sqlx::Type)]` alone, keep it as a document \
                 (`#[sqlx(json)]` at the field of type `{0}`), or, with one field, add `#[sqlx(transparent)]`",
                input.ident
            ),
        )),
        (Some(_), Some(second), _) => Err(Error::new_spanned(
            second,
            "a tuple struct has an SQL type only if it has one field; keep several as a document: `#[sqlx(json)]`",
        )),
        _ => Err(Error::new(
            input.ident.span(),
            "a struct without fields has no SQL type; `ebbtide::Type` is for enums and newtypes",
        )),
    }
}

/// Returns the `Type` of a newtype, if sqlx's derive makes it one of PostgreSQL alone.
fn wrapped(input: &DeriveInput, field: &Field, attributes: &Attributes, krate: &TokenStream) -> TokenStream {
    if attributes.transparent {
        return quote!();
    }
    let (name, inner) = (&input.ident, &field.ty);
    let (generics, arguments, clause) = input.generics.split_for_impl();
    let predicates = clause.map(|clause| &clause.predicates);
    quote! {
        #[automatically_derived]
        impl #generics #krate::types::sqlx::Type<#krate::any::Any> for #name #arguments
        where
            #inner: #krate::types::sqlx::Type<#krate::any::Any>,
            #predicates
        {
            fn type_info() -> #krate::any::AnyTypeInfo {
                <#inner as #krate::types::sqlx::Type<#krate::any::Any>>::type_info()
            }

            fn compatible(info: &#krate::any::AnyTypeInfo) -> ::core::primitive::bool {
                <#inner as #krate::types::sqlx::Type<#krate::any::Any>>::compatible(info)
            }
        }
    }
}

/// Returns `Type` and `Decode` of an enum by name. Of one by number sqlx's derive gives all.
fn enumeration(
    input: &DeriveInput,
    data: &DataEnum,
    attributes: &Attributes,
    krate: &TokenStream,
) -> Result<(TokenStream, bool)> {
    if attributes.transparent {
        return Err(Error::new(
            input.ident.span(),
            "`#[sqlx(transparent)]` is for a struct with one field, not for an enum",
        ));
    }
    if let Some(variant) = data.variants.iter().find(|variant| !variant.fields.is_empty()) {
        return Err(Error::new_spanned(
            variant,
            "a variant with fields has no SQL type; keep the enum as a document: `#[sqlx(json)]` at the field of its type",
        ));
    }
    if attributes.is_number {
        return Ok((quote!(), true));
    }
    let name = &input.ident;
    let (mut variants, mut names) = (Vec::new(), Vec::new());
    for variant in &data.variants {
        variants.push(&variant.ident);
        names.push(rename(variant, attributes)?);
    }
    let unknown = format!("it is none of the names `{}`", names.join("`, `"));
    let implementation = quote! {
        #[automatically_derived]
        impl #krate::types::sqlx::Type<#krate::any::Any> for #name {
            fn type_info() -> #krate::any::AnyTypeInfo {
                <::core::primitive::str as #krate::types::sqlx::Type<#krate::any::Any>>::type_info()
            }

            fn compatible(_: &#krate::any::AnyTypeInfo) -> ::core::primitive::bool {
                true
            }
        }

        #[automatically_derived]
        impl<'r> #krate::types::sqlx::Decode<'r, #krate::any::Any> for #name {
            fn decode(
                value: #krate::any::AnyValueRef<'r>,
            ) -> ::core::result::Result<Self, #krate::types::sqlx::error::BoxDynError> {
                let name = <&'r ::core::primitive::str as #krate::types::sqlx::Decode<'r, #krate::any::Any>>::decode(value)?;
                match name {
                    #(#names => ::core::result::Result::Ok(Self::#variants),)*
                    _ => ::core::result::Result::Err(#krate::Mismatch::new(#unknown).help("read it as String").into()),
                }
            }
        }
    };
    Ok((implementation, true))
}
