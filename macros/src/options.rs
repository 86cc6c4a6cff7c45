//! The options in the parentheses of the attribute.

use proc_macro2::{Ident, Span};
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{Error, Expr, ExprLit, Lit, LitInt, LitStr, Path, Result, Token, parenthesized};

use crate::nearest::advice;

const KNOWN: [&str; 9] = [
    "url",
    "config",
    "migrations",
    "migrator",
    "fixtures",
    "strategy",
    "flavor",
    "worker_threads",
    "crate",
];
const STRATEGIES: [&str; 3] = ["rollback", "clone", "truncate"];
const FLAVORS: [&str; 2] = ["current_thread", "multi_thread"];

/// The options, checked as far as possible without looking at files.
#[derive(Default)]
pub(crate) struct Options {
    /// `url` or `config`: anything that is `IntoConfig`.
    pub(crate) source: Option<Expr>,
    /// Folder of migrations.
    pub(crate) migrations: Option<LitStr>,
    /// Migrator of sqlx.
    pub(crate) migrator: Option<Expr>,
    pub(crate) fixtures: Vec<LitStr>,
    /// One of the known strategies.
    pub(crate) strategy: Option<LitStr>,
    pub(crate) multi_thread: bool,
    pub(crate) worker_threads: Option<LitInt>,
    /// Path of the crate `ebbtide`.
    pub(crate) krate: Option<Path>,
    /// The given options, in their order.
    given: Vec<Ident>,
}

impl Options {
    /// Returns the first option that has no meaning for a test without a database.
    pub(crate) fn about_database(&self) -> Option<&Ident> {
        self.given
            .iter()
            .find(|name| !["flavor", "worker_threads", "crate"].iter().any(|known| *name == known))
    }

    fn has(&self, name: &str) -> Option<&Ident> {
        self.given.iter().find(|given| *given == name)
    }

    fn read(&mut self, input: ParseStream<'_>) -> Result<()> {
        let name = name(input)?;
        if self.has(&name.to_string()).is_some() {
            return Err(Error::new(name.span(), format!("`{name}` is given twice")));
        }
        match name.to_string().as_str() {
            "url" => self.source = Some(url(&name, input)?),
            "config" => self.source = Some(value(&name, "my_config()", input)?),
            "migrations" => self.migrations = Some(text(&name, "\"migrations\"", input)?),
            "migrator" => self.migrator = Some(value(&name, "MIGRATOR", input)?),
            "fixtures" => self.fixtures = list(&name, input)?,
            "strategy" => self.strategy = Some(one_of(&name, &STRATEGIES, input)?),
            "flavor" => self.multi_thread = one_of(&name, &FLAVORS, input)?.value() == FLAVORS[1],
            "worker_threads" => self.worker_threads = Some(threads(&name, input)?),
            "crate" => self.krate = Some(path(&name, input)?),
            other => return Err(Error::new(name.span(), unknown(other))),
        }
        self.given.push(name);
        Ok(())
    }

    fn check(&self) -> Result<()> {
        for (one, other, why) in [
            ("url", "config", "both name the database; leave one out"),
            ("migrations", "migrator", "both give the migrations; leave one out"),
        ] {
            if let (Some(_), Some(second)) = (self.has(one), self.has(other)) {
                return Err(Error::new(second.span(), format!("`{one}` and `{other}`: {why}")));
            }
        }
        match &self.worker_threads {
            Some(threads) if !self.multi_thread => Err(Error::new(
                threads.span(),
                "`worker_threads` needs `flavor = \"multi_thread\"`; the flavor `current_thread` has only one thread",
            )),
            _ => Ok(()),
        }
    }
}

impl Parse for Options {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let mut options = Self::default();
        while !input.is_empty() {
            options.read(input)?;
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        options.check()?;
        Ok(options)
    }
}

/// Parses the name of an option.
fn name(input: ParseStream<'_>) -> Result<Ident> {
    if let Ok(value) = input.fork().parse::<LitStr>() {
        let message = format!(
            "a value needs the name of its option: write `url = {}`",
            value.to_token_stream()
        );
        return Err(Error::new(value.span(), message));
    }
    input.call(Ident::parse_any).map_err(|error| {
        Error::new(
            error.span(),
            "an option must have a name and a value, as in `url = \"sqlite::memory:\"`",
        )
    })
}

/// Returns the message about an unknown option.
fn unknown(name: &str) -> String {
    for (option, words) in [("strategy", &STRATEGIES[..]), ("flavor", &FLAVORS[..])] {
        if words.contains(&name) {
            return format!("`{name}` is a {option}: write `{option} = \"{name}\"`");
        }
    }
    format!("`#[ebbtide::test]` has no option `{name}`{}", advice(name, KNOWN))
}

/// Parses the expression after `name =`.
fn value(name: &Ident, example: &str, input: ParseStream<'_>) -> Result<Expr> {
    let missing = || {
        let message = format!("`{name}` needs a value, as in `{name} = {example}`");
        Error::new(name.span(), message)
    };
    input.parse::<Token![=]>().map_err(|_| missing())?;
    if input.is_empty() || input.peek(Token![,]) {
        return Err(missing());
    }
    input.parse().map(ungrouped)
}

/// Parses any expression, but rejects literals other than text.
fn url(name: &Ident, input: ParseStream<'_>) -> Result<Expr> {
    let example = "\"sqlite::memory:\"";
    match value(name, example, input)? {
        Expr::Lit(ExprLit { lit, .. }) if !matches!(lit, Lit::Str(_)) => Err(Error::new(
            lit.span(),
            format!("`{name}` must be a string, as in `{name} = {example}`"),
        )),
        url => Ok(url),
    }
}

/// Removes the invisible parentheses around the arguments of a `macro_rules!` macro.
fn ungrouped(value: Expr) -> Expr {
    match value {
        Expr::Group(group) => ungrouped(*group.expr),
        value => value,
    }
}

fn text(name: &Ident, example: &str, input: ParseStream<'_>) -> Result<LitStr> {
    match value(name, example, input)? {
        Expr::Lit(ExprLit {
            lit: Lit::Str(text), ..
        }) => Ok(text),
        other => Err(Error::new(
            span(&other),
            format!(
                "`{name}` is read when the test is compiled, so it must be a string literal, as in `{name} = {example}`"
            ),
        )),
    }
}

fn one_of(name: &Ident, known: &[&'static str], input: ParseStream<'_>) -> Result<LitStr> {
    let text = text(name, &format!("\"{}\"", known[0]), input)?;
    let word = text.value();
    if known.contains(&word.as_str()) {
        return Ok(text);
    }
    let message = if word == "sandbox" {
        "there is no strategy `sandbox`: a test in a sandbox has the strategy `rollback`, which is the default"
            .to_owned()
    } else {
        format!("there is no {name} `{word}`{}", advice(&word, known.iter().copied()))
    };
    Err(Error::new(text.span(), message))
}

fn threads(name: &Ident, input: ParseStream<'_>) -> Result<LitInt> {
    let value = value(name, "2", input)?;
    if let Expr::Lit(ExprLit {
        lit: Lit::Int(number), ..
    }) = &value
        && number.base10_parse::<usize>().is_ok_and(|number| number > 0)
    {
        return Ok(number.clone());
    }
    Err(Error::new(
        span(&value),
        format!("`{name}` must be a number greater than 0, as in `{name} = 2`"),
    ))
}

fn path(name: &Ident, input: ParseStream<'_>) -> Result<Path> {
    match value(name, "::ebbtide", input)? {
        Expr::Path(path) => Ok(path.path),
        Expr::Lit(ExprLit {
            lit: Lit::Str(text), ..
        }) => text.parse(),
        other => Err(Error::new(
            span(&other),
            format!("`{name}` must be a path, as in `{name} = ::ebbtide`"),
        )),
    }
}

fn list(name: &Ident, input: ParseStream<'_>) -> Result<Vec<LitStr>> {
    let example = "`fixtures(\"users\", \"notes\")`";
    if !input.peek(syn::token::Paren) {
        return Err(Error::new(
            name.span(),
            format!("`{name}` needs a list, as in {example}"),
        ));
    }
    let content;
    parenthesized!(content in input);
    let names = Punctuated::<Expr, Token![,]>::parse_terminated(&content)?;
    names
        .into_iter()
        .map(ungrouped)
        .map(|name| match name {
            Expr::Lit(ExprLit {
                lit: Lit::Str(name), ..
            }) => Ok(name),
            other => Err(Error::new(
                span(&other),
                format!("the name of a fixture must be a string, as in {example}"),
            )),
        })
        .collect()
}

fn span(tokens: &impl ToTokens) -> Span {
    Error::new_spanned(tokens, "").span()
}
