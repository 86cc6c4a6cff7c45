//! The attributes of sqlx's derive, as far as they matter here, and one of our own.

use heck::{ToKebabCase, ToLowerCamelCase, ToShoutySnakeCase, ToSnakeCase, ToUpperCamelCase};
use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::meta::ParseNestedMeta;
use syn::{Attribute, Error, LitStr, Path, Result, Token, Variant};

use crate::nearest::advice;

/// A style of `rename_all`, and its conversion.
type Style = (&'static str, fn(&str) -> String);

const STYLES: [Style; 7] = [
    ("lowercase", |name| name.to_lowercase()),
    ("snake_case", |name| name.to_snake_case()),
    ("UPPERCASE", |name| name.to_uppercase()),
    ("SCREAMING_SNAKE_CASE", |name| name.to_shouty_snake_case()),
    ("kebab-case", |name| name.to_kebab_case()),
    ("camelCase", |name| name.to_lower_camel_case()),
    ("PascalCase", |name| name.to_upper_camel_case()),
];
/// The attributes that sqlx's derive knows for a type; it reports the others.
const KNOWN: [&str; 5] = ["transparent", "type_name", "rename_all", "no_pg_array", "default"];

/// The attributes of a type.
#[derive(Default)]
pub(crate) struct Attributes {
    pub(crate) transparent: bool,
    pub(crate) rename_all: Option<LitStr>,
    /// Set if it has a `#[repr(i32)]` or similar.
    pub(crate) is_number: bool,
    krate: Option<Path>,
}

impl Attributes {
    pub(crate) fn read(attributes: &[Attribute]) -> Result<Self> {
        let mut read = Self::default();
        for attribute in attributes {
            if attribute.path().is_ident("sqlx") {
                attribute.parse_nested_meta(|meta| read.of_sqlx(&meta))?;
            } else if attribute.path().is_ident("ebbtide") {
                attribute.parse_nested_meta(|meta| read.of_ebbtide(&meta))?;
            } else if attribute.path().is_ident("repr") {
                attribute.parse_nested_meta(|meta| {
                    read.is_number |= is_integer(&meta.path);
                    skip(&meta)
                })?;
            }
        }
        Ok(read)
    }

    fn of_sqlx(&mut self, meta: &ParseNestedMeta<'_>) -> Result<()> {
        if meta.path.is_ident("transparent") {
            self.transparent = true;
        } else if meta.path.is_ident("rename_all") {
            let style: LitStr = meta.value()?.parse()?;
            if !STYLES.iter().any(|(known, _)| *known == style.value()) {
                let advice = advice(&style.value(), STYLES.iter().map(|(known, _)| *known));
                let message = format!("there is no style `{}` of `rename_all`{advice}", style.value());
                return Err(Error::new(style.span(), message));
            }
            self.rename_all = Some(style);
        } else if KNOWN.iter().any(|known| meta.path.is_ident(known)) {
            skip(meta)?;
        } else {
            let name = meta.path.to_token_stream().to_string();
            return Err(meta.error(format!(
                "`#[sqlx(…)]` of a type has no `{name}`{}",
                advice(&name, KNOWN)
            )));
        }
        Ok(())
    }

    fn of_ebbtide(&mut self, meta: &ParseNestedMeta<'_>) -> Result<()> {
        if !meta.path.is_ident("crate") {
            return Err(meta.error("`#[ebbtide(…)]` of a type has only `crate = path::of::ebbtide`"));
        }
        self.krate = Some(meta.value()?.parse()?);
        Ok(())
    }

    /// Returns the path of the crate `ebbtide`.
    pub(crate) fn krate(&self) -> TokenStream {
        self.krate
            .as_ref()
            .map_or_else(|| quote!(::ebbtide), ToTokens::to_token_stream)
    }
}

/// Returns whether a representation is that of an integer.
fn is_integer(path: &Path) -> bool {
    path.get_ident().is_some_and(|ident| {
        let name = ident.to_string();
        name.starts_with(['i', 'u']) && (name.ends_with("size") || name[1..].parse::<u8>().is_ok())
    })
}

/// Passes over what stands behind a name: a value, or something in parentheses.
fn skip(meta: &ParseNestedMeta<'_>) -> Result<()> {
    if meta.input.peek(Token![=]) {
        meta.value()?.parse::<syn::Expr>()?;
    } else if meta.input.peek(syn::token::Paren) {
        let content;
        syn::parenthesized!(content in meta.input);
        content.parse::<TokenStream>()?;
    }
    Ok(())
}

/// Returns the name of a variant in the database.
pub(crate) fn rename(variant: &Variant, of_type: &Attributes) -> Result<String> {
    let mut own = None;
    for attribute in variant
        .attrs
        .iter()
        .filter(|attribute| attribute.path().is_ident("sqlx"))
    {
        attribute.parse_nested_meta(|meta| {
            if meta.path.is_ident("rename") {
                own = Some(meta.value()?.parse::<LitStr>()?.value());
                return Ok(());
            }
            skip(&meta)
        })?;
    }
    if let Some(own) = own {
        return Ok(own);
    }
    let name = variant.ident.to_string();
    let style = of_type.rename_all.as_ref().map(LitStr::value);
    let convert = STYLES.iter().find(|(known, _)| style.as_deref() == Some(known));
    Ok(match convert {
        Some((_, convert)) => convert(&name),
        None => name,
    })
}

#[cfg(test)]
mod tests {
    use syn::parse_quote;

    use super::*;

    fn names(item: &syn::ItemEnum) -> Vec<String> {
        let attributes = Attributes::read(&item.attrs).unwrap();
        item.variants
            .iter()
            .map(|variant| rename(variant, &attributes).unwrap())
            .collect()
    }

    #[test]
    fn variants_are_named_as_sqlx_names_them() {
        let item = parse_quote! {
            #[sqlx(type_name = "mood", rename_all = "snake_case")]
            enum Mood { VeryHappy, #[sqlx(rename = "SO-SO")] Fair }
        };
        assert_eq!(names(&item), ["very_happy", "SO-SO"]);
        let item = parse_quote! { enum Mood { VeryHappy, r#Fair } };
        assert_eq!(names(&item), ["VeryHappy", "r#Fair"]);
        for (style, expected) in [
            ("lowercase", "veryhappy"),
            ("UPPERCASE", "VERYHAPPY"),
            ("SCREAMING_SNAKE_CASE", "VERY_HAPPY"),
            ("kebab-case", "very-happy"),
            ("camelCase", "veryHappy"),
            ("PascalCase", "VeryHappy"),
        ] {
            let item = parse_quote! { #[sqlx(rename_all = #style)] enum Mood { VeryHappy } };
            assert_eq!(names(&item), [expected]);
        }
    }

    #[test]
    fn a_representation_that_is_an_integer_makes_an_enum_of_numbers() {
        let is_number = |item: syn::ItemEnum| Attributes::read(&item.attrs).unwrap().is_number;
        assert!(is_number(parse_quote! { #[repr(i32)] enum Level { Low = 1 } }));
        assert!(is_number(parse_quote! { #[repr(u8, align(4))] enum Level { Low = 1 } }));
        assert!(!is_number(parse_quote! { #[repr(C)] enum Level { Low } }));
        assert!(!is_number(parse_quote! { enum Level { Low } }));
    }
}
