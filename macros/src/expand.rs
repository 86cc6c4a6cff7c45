//! The expansion of the attribute: a plain test that passes the function to the runner.

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Error, Item, ItemFn, Result};

use crate::options::Options;
use crate::scripts::{Folder, fixture};
use crate::signature::{self, Taken};

pub(crate) fn expand(options: TokenStream, function: TokenStream) -> Result<TokenStream> {
    let options: Options = syn::parse2(options)?;
    let function = match syn::parse2(function)? {
        Item::Fn(function) => function,
        other => {
            return Err(Error::new_spanned(
                other,
                "`#[ebbtide::test]` can only be used on an `async fn`",
            ));
        }
    };
    let taken = signature::check(&function)?;
    if let (Taken::Nothing, Some(option)) = (&taken, options.about_database()) {
        return Err(Error::new(
            option.span(),
            format!("`{option}` needs a database, and the test takes none: add the argument `database: Database`"),
        ));
    }
    let krate = options
        .krate
        .as_ref()
        .map_or_else(|| quote!(::ebbtide), |path| quote!(#path));
    let hidden = quote!(#krate::testing::attribute);
    let name = &function.sig.ident;
    let run = match taken {
        Taken::Database(span) => {
            // The span reports an argument of another type at its place.
            let call = quote_spanned!(span=> #name(database));
            let spec = spec(&options, &function, &krate, &hidden)?;
            quote!(#hidden::run(#spec, |database: #krate::Database| #call))
        }
        Taken::Nothing => {
            let runtime = runtime(&options, &hidden);
            quote!(#hidden::run_without_database(#runtime, #name))
        }
    };
    let (attributes, visibility) = (&function.attrs, &function.vis);
    let mut inner = function.clone();
    inner.attrs.clear();
    inner.vis = syn::Visibility::Inherited;
    // A test that must panic has to return nothing.
    let (output, run) = if signature::returns_unit(&function) {
        (quote!(), quote!(let _: ::std::process::ExitCode = #run;))
    } else {
        (quote!(-> ::std::process::ExitCode), run)
    };
    Ok(quote! {
        #(#attributes)*
        #[::core::prelude::v1::test]
        #visibility fn #name() #output {
            #inner
            #run
        }
    })
}

fn spec(options: &Options, function: &ItemFn, krate: &TokenStream, hidden: &TokenStream) -> Result<TokenStream> {
    let name = &function.sig.ident;
    let source = options.source.as_ref().map_or_else(
        || quote!(::core::option::Option::None),
        |source| quote!(::core::option::Option::Some(#krate::IntoConfig::into_config(#source))),
    );
    let migrations = match (&options.migrations, &options.migrator) {
        (Some(folder), _) => Folder::read(folder)?.expand(hidden),
        // The span reports a value of another type at its place.
        (None, Some(migrator)) => quote_spanned!(migrator.span()=> #hidden::Migrations::of(&#migrator)),
        (None, None) => quote!(#hidden::Migrations::none()),
    };
    let fixtures = options.fixtures.iter().map(|name| fixture(name, hidden));
    let fixtures = fixtures.collect::<Result<Vec<_>>>()?;
    let strategy = match options.strategy.as_ref().map(syn::LitStr::value).as_deref() {
        Some("clone") => format_ident!("Clone"),
        Some("truncate") => format_ident!("Truncate"),
        _ => format_ident!("Rollback"),
    };
    let should_panic = function
        .attrs
        .iter()
        .any(|attribute| attribute.path().is_ident("should_panic"));
    let runtime = runtime(options, hidden);
    Ok(quote!(#hidden::Spec {
        name: ::core::concat!(::core::module_path!(), "::", ::core::stringify!(#name)),
        manifest: ::core::env!("CARGO_MANIFEST_DIR"),
        source: #source,
        migrations: #migrations,
        fixtures: &[#(#fixtures),*],
        strategy: #hidden::Strategy::#strategy,
        runtime: #runtime,
        should_panic: #should_panic,
    }))
}

fn runtime(options: &Options, hidden: &TokenStream) -> TokenStream {
    match (&options.worker_threads, options.multi_thread) {
        (Some(threads), _) => quote!(#hidden::Runtime::MultiThread(::core::option::Option::Some(#threads))),
        (None, true) => quote!(#hidden::Runtime::MultiThread(::core::option::Option::None)),
        (None, false) => quote!(#hidden::Runtime::CurrentThread),
    }
}
