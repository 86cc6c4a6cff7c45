//! `#[ebbtide::transactional]` and `#[ebbtide::atomic]`: functions whose body runs in a transaction.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::ext::IdentExt as _;
use syn::parse::{ParseStream, Parser as _};
use syn::spanned::Spanned as _;
use syn::visit::Visit;
use syn::{Error, Expr, ExprPath, FnArg, Item, ItemFn, Path, Result, ReturnType, Token, Type};

use crate::nearest::advice;

/// What the attribute is written as, and what its first argument means.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Attribute {
    /// Of a database, connection or transaction that the function has.
    Transactional,
    /// Of a database of the process-wide registry.
    Atomic,
}

impl Attribute {
    fn name(self) -> &'static str {
        match self {
            Self::Transactional => "#[ebbtide::transactional]",
            Self::Atomic => "#[ebbtide::atomic]",
        }
    }

    fn example(self) -> &'static str {
        match self {
            Self::Transactional => "#[ebbtide::transactional(database)]",
            Self::Atomic => "#[ebbtide::atomic(\"default\")]",
        }
    }
}

/// The options without a value, which are methods of the builder.
const FLAGS: [&str; 6] = [
    "read_only",
    "deferrable",
    "immediate",
    "exclusive",
    "deferred",
    "rollback_only",
];
const LEVELS: [&str; 5] = [
    "ReadUncommitted",
    "ReadCommitted",
    "RepeatableRead",
    "Snapshot",
    "Serializable",
];

/// The arguments of the attribute.
#[derive(Default)]
struct Options {
    /// The database, or the alias.
    place: Option<Expr>,
    isolation: Option<Expr>,
    timeout: Option<Expr>,
    /// The name of the transaction in the body.
    handle: Option<Ident>,
    flags: Vec<Ident>,
    /// The name of the option, and the number of attempts.
    retry: Option<(Ident, Option<Expr>)>,
    krate: Option<Path>,
    given: Vec<String>,
}

impl Options {
    fn parser(attribute: Attribute) -> impl FnOnce(ParseStream<'_>) -> Result<Self> {
        move |input| {
            let mut options = Self {
                place: place(attribute, input)?,
                ..Self::default()
            };
            while !input.is_empty() {
                options.read(attribute, input)?;
                if !input.is_empty() {
                    input.parse::<Token![,]>()?;
                }
            }
            Ok(options)
        }
    }

    fn read(&mut self, attribute: Attribute, input: ParseStream<'_>) -> Result<()> {
        let name = input.call(Ident::parse_any).map_err(|error| {
            let message = format!(
                "only the first argument is a value alone, as in `{}`",
                attribute.example()
            );
            Error::new(error.span(), message)
        })?;
        let word = name.to_string();
        if self.given.contains(&word) {
            return Err(Error::new(name.span(), format!("`{name}` is given twice")));
        }
        match word.as_str() {
            "isolation" => self.isolation = Some(level(value(&name, "Serializable", input)?)?),
            "timeout" => self.timeout = Some(value(&name, "Duration::from_secs(5)", input)?),
            "handle" => match value(&name, "transaction", input)? {
                Expr::Path(path) if path.path.get_ident().is_some() => self.handle = path.path.get_ident().cloned(),
                other => {
                    return Err(Error::new_spanned(
                        other,
                        "`handle` must be a name, as in `handle = transaction`",
                    ));
                }
            },
            "retry" if !input.peek(Token![=]) => self.retry = Some((name, None)),
            "retry" => self.retry = Some((name.clone(), Some(value(&name, "3", input)?))),
            "crate" => match value(&name, "::ebbtide", input)? {
                Expr::Path(path) => self.krate = Some(path.path),
                other => {
                    return Err(Error::new_spanned(
                        other,
                        "`crate` must be a path, as in `crate = ::ebbtide`",
                    ));
                }
            },
            flag if FLAGS.contains(&flag) => {
                if input.peek(Token![=]) {
                    let message = format!("`{name}` takes no value: write `{name}` alone, or leave it out");
                    return Err(Error::new(name.span(), message));
                }
                self.flags.push(name);
            }
            other => return Err(Error::new(name.span(), unknown(attribute, other))),
        }
        self.given.push(word);
        Ok(())
    }
}

/// Parses the first argument, the database or the alias, and the comma after it.
fn place(attribute: Attribute, input: ParseStream<'_>) -> Result<Option<Expr>> {
    let option = input.peek(Ident::peek_any) && input.peek2(Token![=]);
    // An argument of the function may have the name of a flag; an alias cannot.
    let flag = attribute == Attribute::Atomic && input.fork().call(Ident::parse_any).is_ok_and(|name| known(&name));
    if input.is_empty() || option || flag {
        return match attribute {
            Attribute::Transactional => Err(Error::new(
                Span::call_site(),
                "`#[ebbtide::transactional]` needs the database first: `#[ebbtide::transactional(database)]`, with an expression such as \
                 an argument or `self.database`; for a database of the installed registry write `#[ebbtide::atomic(\"default\")]`",
            )),
            Attribute::Atomic => Ok(None),
        };
    }
    let place = input.parse()?;
    if !input.is_empty() {
        input.parse::<Token![,]>()?;
    }
    Ok(Some(place))
}

fn known(name: &Ident) -> bool {
    FLAGS.iter().any(|flag| name == flag) || name == "retry"
}

/// Parses the value after `name =`.
fn value(name: &Ident, example: &str, input: ParseStream<'_>) -> Result<Expr> {
    let missing = || {
        Error::new(
            name.span(),
            format!("`{name}` needs a value, as in `{name} = {example}`"),
        )
    };
    input.parse::<Token![=]>().map_err(|_| missing())?;
    if input.is_empty() || input.peek(Token![,]) {
        return Err(missing());
    }
    input.parse()
}

/// Refuses the name of a level that there is not. Any other expression is left to the compiler.
fn level(value: Expr) -> Result<Expr> {
    let Some(name) = (match &value {
        Expr::Path(ExprPath { path, qself: None, .. }) => path.get_ident().map(Ident::to_string),
        _ => None,
    }) else {
        return Ok(value);
    };
    // A constant or variable of the user's is in capitals or begins with a small letter.
    let type_name = name.starts_with(char::is_uppercase) && name.contains(char::is_lowercase);
    if type_name && !LEVELS.contains(&name.as_str()) {
        let message = format!("there is no isolation level `{name}`{}", advice(&name, LEVELS));
        return Err(Error::new_spanned(value, message));
    }
    Ok(value)
}

fn unknown(attribute: Attribute, name: &str) -> String {
    let options = FLAGS
        .into_iter()
        .chain(["isolation", "timeout", "handle", "retry", "crate"]);
    format!("`{}` has no option `{name}`{}", attribute.name(), advice(name, options))
}

/// Finds a type that a closure cannot name.
struct FindImpl(Option<Span>);

impl Visit<'_> for FindImpl {
    fn visit_type_impl_trait(&mut self, found: &syn::TypeImplTrait) {
        self.0.get_or_insert(found.span());
    }
}

/// Returns the place of an `impl Trait` in a type.
fn impl_trait(ty: &Type) -> Option<Span> {
    let mut found = FindImpl(None);
    found.visit_type(ty);
    found.0
}

/// Returns the type that the function returns, which must be a `Result`.
fn output(attribute: Attribute, function: &ItemFn) -> Result<&Type> {
    let signature = &function.sig;
    if signature.asyncness.is_none() {
        let message = format!(
            "`{}` needs an async function: write `async fn {}`; under `#[async_trait]` let the method call such a function",
            attribute.name(),
            signature.ident
        );
        return Err(Error::new(signature.fn_token.span, message));
    }
    let needed =
        "a transactional function returns a `Result`: the transaction is committed at `Ok` and rolled back at `Err`";
    let output = match &signature.output {
        ReturnType::Default => return Err(Error::new(signature.ident.span(), needed)),
        ReturnType::Type(_, output) => &**output,
    };
    if matches!(output, Type::Tuple(tuple) if tuple.elems.is_empty()) {
        return Err(Error::new_spanned(output, needed));
    }
    match impl_trait(output) {
        Some(span) => Err(Error::new(
            span,
            "a transactional function cannot return `impl Trait`: name the type, or box the value",
        )),
        None => Ok(output),
    }
}

pub(crate) fn expand(attribute: Attribute, options: TokenStream, function: TokenStream) -> Result<TokenStream> {
    let options = Options::parser(attribute).parse2(options)?;
    let mut function = match syn::parse2(function)? {
        Item::Fn(function) => function,
        other => {
            let message = format!("`{}` can only be used on an `async fn` with a body", attribute.name());
            return Err(Error::new_spanned(other, message));
        }
    };
    let output = output(attribute, &function)?.clone();
    let krate = options
        .krate
        .as_ref()
        .map_or_else(|| quote!(::ebbtide), |path| quote!(#path));
    let begin = begin(attribute, &options, &krate);
    let copies = options.retry.as_ref().map(|_| copies(&function));
    let handle = options
        .handle
        .as_ref()
        .map_or_else(|| quote!(_), ToTokens::to_token_stream);
    let body = &function.block;
    // The body does not see this variable, whatever its own are called.
    let transaction = Ident::new("transaction", Span::mixed_site());
    // The name is where a result that does not fit is reported.
    let run = quote_spanned!(function.sig.ident.span()=> .run(async move |#handle| -> #output #body).await);
    function.block = syn::parse_quote!({
        #copies
        let #transaction = #begin;
        #transaction #run
    });
    Ok(function.into_token_stream())
}

/// Returns the expression of the transaction.
fn begin(attribute: Attribute, options: &Options, krate: &TokenStream) -> TokenStream {
    let mut begin = match (&options.place, attribute) {
        // The span reports a value of another type at its place.
        (Some(place), Attribute::Transactional) => {
            quote_spanned!(place.span()=> #krate::Queryable::transaction(&(#place)))
        }
        (Some(alias), Attribute::Atomic) => quote_spanned!(alias.span()=> #krate::in_transaction(#alias)),
        (None, _) => quote!(#krate::in_transaction(::core::option::Option::None)),
    };
    if let Some(level) = &options.isolation {
        let level = match level {
            Expr::Path(path)
                if path
                    .path
                    .get_ident()
                    .is_some_and(|name| LEVELS.iter().any(|known| name == known)) =>
            {
                quote!(#krate::IsolationLevel::#path)
            }
            level => quote!(#level),
        };
        begin = quote!(#begin.isolation(#level));
    }
    for flag in &options.flags {
        begin = quote!(#begin.#flag());
    }
    if let Some(limit) = &options.timeout {
        begin = quote!(#begin.timeout(#limit));
    }
    if let Some((name, attempts)) = &options.retry {
        let retry = format_ident!("retry", span = name.span());
        if attribute == Attribute::Atomic {
            begin = quote!(#begin.builder().await?);
        }
        begin = quote!(#begin.#retry());
        if let Some(attempts) = attempts {
            begin = quote!(#begin.attempts(#attempts));
        }
    }
    begin
}

/// Requires of each argument that it can be cloned, because each attempt has a copy; the error is reported at its type.
fn copies(function: &ItemFn) -> TokenStream {
    let types = function.sig.inputs.iter().filter_map(|input| match input {
        FnArg::Typed(argument) if impl_trait(&argument.ty).is_none() => Some(&argument.ty),
        _ => None,
    });
    let checks = types.map(|ty| {
        quote_spanned! {ty.span()=>
            let _ = |argument: #ty| {
                fn copied<T: ::core::clone::Clone>(_: &T) {}
                copied(&argument)
            };
        }
    });
    quote!(#(#checks)*)
}
