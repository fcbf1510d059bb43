//! The model in tokens. Total: whatever can be wrong was found before.
//!
//! Three things stand beside the untouched function: a hidden type of its name, by which
//! `listeners![..]` finds it; one shim that makes the arguments of a delivery; and one constant
//! record for each attribute, submitted to the registry. All behaviour lives in the runtime.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens as _, format_ident, quote, quote_spanned};
use syn::spanned::Spanned as _;
use syn::{ReturnType, Type};

use crate::batch;
use crate::error_handler;
use crate::listener::{Endpoint, Listener, Takes, Thread};
use crate::parameter::Source;
use crate::paths::Paths;
use crate::record;
use crate::signature::{ListenerFn, Param};
use crate::types;

/// The whole expansion.
pub(crate) fn expand(listener: &Listener) -> TokenStream {
    let Listener { function, endpoints, paths, .. } = listener;
    let Paths { listener_item, rabbit_listener_endpoint, registration, submit, .. } = paths;
    let conditions = function.conditions();
    let marker = marker(function);
    let marker_name = marker_name(function);
    let require = require(listener);
    let invoke = match listener.takes {
        Takes::OneMessage => invoke(listener),
        Takes::Batches => batch::invoke(listener),
    };
    let numbered = (1..).zip(endpoints);
    let (names, records): (Vec<_>, Vec<_>) =
        numbered.map(|(ordinal, endpoint)| record(listener, ordinal, endpoint)).unzip();
    quote! {
        #function
        #marker
        #(#conditions)*
        const _: () = {
            #require
            #invoke
            #(#records)*
            impl #listener_item for #marker_name {
                const ENDPOINTS: &'static [&'static #rabbit_listener_endpoint] = &[#(&#names),*];
            }
            #(#submit! { #registration(&#names) })*
        };
    }
}

/// After mistakes: the function and its hidden type, so that nothing else seems to be missing.
pub(crate) fn fallback(function: &ListenerFn, paths: &Paths, mistakes: &syn::Error) -> TokenStream {
    let mistakes = mistakes.to_compile_error();
    if function.sig.receiver().is_some() {
        // Inside an `impl` no item may stand beside it.
        return quote!(#mistakes #function);
    }
    let Paths { listener_item, rabbit_listener_endpoint, .. } = paths;
    let conditions = function.conditions();
    let marker = marker(function);
    let marker_name = marker_name(function);
    quote! {
        #mistakes
        #[allow(dead_code)]
        #function
        #marker
        #(#conditions)*
        impl #listener_item for #marker_name {
            const ENDPOINTS: &'static [&'static #rabbit_listener_endpoint] = &[];
        }
    }
}

/// The hidden type that bears the function's name among the types.
fn marker(function: &ListenerFn) -> TokenStream {
    let conditions = function.conditions();
    let vis = &function.vis;
    let name = marker_name(function);
    quote! {
        #(#conditions)*
        #[doc(hidden)]
        #vis enum #name {}
    }
}

fn marker_name(function: &ListenerFn) -> Ident {
    let mut name = function.ident().clone();
    name.set_span(Span::call_site().located_at(name.span()));
    name
}

/// Generated tokens that are shown at `place`. Being the macro's, they are not for lints to judge.
pub(crate) fn at(place: Span) -> Span {
    Span::mixed_site().located_at(place)
}

/// Lets each argument say what it needs of the application.
fn require(listener: &Listener) -> TokenStream {
    require_of(listener, &generated_name("__require"))
}

pub(crate) fn require_of(listener: &Listener, shim: &Ident) -> TokenStream {
    let Listener { function, paths, .. } = listener;
    let Paths { requirements, from_delivery, schema_of, without_schema, .. } = paths;
    let argument = quote_spanned!(Span::mixed_site()=> __requirements);
    let calls = function.params.iter().filter_map(|param| {
        if listener.takes == Takes::Batches {
            return batch::require(param, &argument, listener);
        }
        let extractor = extractor(param, listener)?;
        Some(call(&extractor, from_delivery, "require", &argument))
    });
    // A payload's schema is noted by a method that its type may have, or else by the trait's.
    let schemas = function.params.iter().filter_map(|param| {
        let extractor = match listener.takes {
            Takes::Batches => batch::extractor(param, listener)?,
            _ => extractor(param, listener)?,
        };
        Some(quote_spanned!(Span::mixed_site()=> <#schema_of<#extractor>>::NEW.note(#argument)))
    });
    quote_spanned! {Span::mixed_site()=>
        fn #shim(__requirements: &mut #requirements) {
            #[allow(unused_imports)]
            use #without_schema as _;
            #(#calls;)*
            #(#schemas;)*
        }
    }
}

/// The extractor an argument is made by; a header has none of its own.
fn extractor(param: &Param, listener: &Listener) -> Option<TokenStream> {
    let ty = generated_type(&param.ty, listener).into_token_stream();
    match &param.source {
        Source::Extractor => Some(ty),
        Source::Payload => {
            let (first, last) = ends(&ty);
            let payload = starting_at(first, &listener.paths.payload);
            let end = quote_spanned!(last=> >);
            Some(quote_spanned!(Span::mixed_site()=> #payload<#ty #end))
        }
        Source::Header { .. } | Source::Mistaken => None,
    }
}

/// Where tokens begin and end.
fn ends(tokens: &TokenStream) -> (Span, Span) {
    let mut spans = tokens.clone().into_iter().map(|token| token.span());
    let first = spans.next().unwrap_or_else(Span::mixed_site);
    (first, spans.last().unwrap_or(first))
}

/// The same tokens, but shown from `place` on: the first two may be a `::`.
fn starting_at(place: Span, tokens: &TokenStream) -> TokenStream {
    let begin = tokens.clone().into_iter().take(2).map(|mut token| {
        token.set_span(place);
        token
    });
    begin.chain(tokens.clone().into_iter().skip(2)).collect()
}

pub(crate) fn generated_type(ty: &Type, listener: &Listener) -> Type {
    types::with_inferred_lifetimes(ty, &listener.function.sig.generics)
}

/// The shim: arguments first, one by one, then the function, then what its return value means.
///
/// The arguments are made before the future: it is the function's own then, and a program with many
/// listeners has no second state machine for each.
fn invoke(listener: &Listener) -> TokenStream {
    let callee = listener.function.ident().to_token_stream();
    invoke_of(listener, &generated_name("__invoke"), &callee, None)
}

fn generated_name(name: &str) -> Ident {
    Ident::new(name, Span::mixed_site())
}

/// The shim by this name for this function or method; a method is called on `receiver`.
pub(crate) fn invoke_of(
    listener: &Listener,
    shim: &Ident,
    callee: &TokenStream,
    receiver: Option<&Type>,
) -> TokenStream {
    let Listener { function, paths, thread, .. } = listener;
    let Paths { delivery_context, invocation, handled, handled_blocking, .. } = paths;
    let names: Vec<_> = (0..function.params.len()).map(argument_name).collect();
    let params = function.params.iter().zip(&names);
    let arguments = params.map(|(param, name)| argument(param, name, listener));
    let own = receiver.map(|ty| own_state(ty, paths));
    let outcome = outcome(listener);
    let generated = Span::mixed_site();
    // A future that is not `Send` is reported here: at the function's name.
    let place = at(function.ident().span());
    let call = match (thread, receiver) {
        (Thread::Executor, None) => {
            quote_spanned!(place=> ::std::boxed::Box::new(#callee(#(#names),*)))
        }
        (Thread::Executor, Some(_)) => quote_spanned! {place=>
            ::std::boxed::Box::new(async move { #callee(&__own, #(#names),*).await })
        },
        (Thread::Blocking, _) => quote_spanned!(place=> move || #callee(#(#names),*)),
    };
    let handled = match thread {
        Thread::Executor => handled,
        Thread::Blocking => handled_blocking,
    };
    quote_spanned! {generated=>
        fn #shim<'__d>(__cx: &'__d #delivery_context) -> #invocation<'__d> {
            #own
            #(#arguments)*
            #handled(#call, #outcome, __cx)
        }
    }
}

/// The value that a method is called on.
fn own_state(ty: &Type, paths: &Paths) -> TokenStream {
    let Paths { rejected, state, from_delivery, .. } = paths;
    quote_spanned! {at(ty.span())=>
        let __own = match <#state<#ty> as #from_delivery<'_>>::from_delivery(__cx) {
            ::core::result::Result::Ok(__value) => __value,
            ::core::result::Result::Err(__rejection) => {
                return #rejected(__rejection);
            }
        };
    }
}

pub(crate) fn argument_name(index: usize) -> Ident {
    format_ident!("__argument{index}", span = Span::mixed_site())
}

/// `let` one argument, or return with its rejection.
fn argument(param: &Param, name: &Ident, listener: &Listener) -> TokenStream {
    let Paths { rejected, .. } = &listener.paths;
    let place = at(param.ty.span());
    let made = made(param, listener);
    let field = matches!(param.source, Source::Payload).then(|| quote_spanned!(place=> .0));
    quote_spanned! {place=>
        let #name = match #made {
            ::core::result::Result::Ok(__value) => __value #field,
            ::core::result::Result::Err(__rejection) => {
                return #rejected(__rejection);
            }
        };
    }
}

/// The `Result` of making one argument.
fn made(param: &Param, listener: &Listener) -> TokenStream {
    let Paths { from_delivery, header, header_or, .. } = &listener.paths;
    let ty = generated_type(&param.ty, listener);
    let place = at(ty.span());
    match &param.source {
        Source::Header { name, default: None } => {
            quote_spanned!(place=> #header::<#ty>(__cx, #name))
        }
        Source::Header { name, default: Some(default) } => {
            quote_spanned!(place=> #header_or::<#ty>(__cx, #name, || #default))
        }
        Source::Extractor | Source::Payload | Source::Mistaken => {
            let extractor = extractor(param, listener).unwrap_or_default();
            let argument = quote_spanned!(Span::mixed_site()=> __cx);
            call(&extractor, from_delivery, "from_delivery", &argument)
        }
    }
}

/// `<extractor as FromDelivery<'_>>::method(argument)`.
///
/// The call begins where the type begins and ends where it ends, as if the user had written it in
/// its place: what the compiler says about it in `require` and in `invoke` is then one and the
/// same, and is said once.
pub(crate) fn call(
    extractor: &TokenStream,
    tr: &TokenStream,
    method: &str,
    argument: &TokenStream,
) -> TokenStream {
    let (first, last) = ends(extractor);
    let begin = quote_spanned!(first=> <);
    let method = Ident::new(method, last);
    let end = quote_spanned!(last=> (#argument));
    quote_spanned!(Span::mixed_site()=> #begin #extractor as #tr<'_>>::#method #end)
}

/// The conversion of the return value, named by its type so that a wrong one is reported there.
fn outcome(listener: &Listener) -> TokenStream {
    let into_outcome = &listener.paths.into_outcome;
    match &listener.function.sig.output {
        ReturnType::Default => quote!(<() as #into_outcome>::into_outcome),
        ReturnType::Type(_, ty) => {
            let ty = generated_type(ty, listener);
            quote_spanned!(at(ty.span())=> <#ty as #into_outcome>::into_outcome)
        }
    }
}

/// The name and the definition of one attribute's record.
fn record(listener: &Listener, ordinal: u32, endpoint: &Endpoint) -> (Ident, TokenStream) {
    let Listener { function, paths, takes, thread, .. } = listener;
    let names = (function.name(), function.docs());
    record_of(&names, (*takes, *thread), paths, ordinal, endpoint)
}

/// The record of what has this name and this doc comment.
pub(crate) fn record_of(
    (function, docs): &(String, String),
    (takes, thread): (Takes, Thread),
    paths: &Paths,
    ordinal: u32,
    endpoint: &Endpoint,
) -> (Ident, TokenStream) {
    let path = &paths.rabbit_listener_endpoint;
    let invoke = &paths.invoke;
    let takes = match takes {
        Takes::OneMessage => quote!(One),
        Takes::Batches => quote!(Batch),
    };
    let error_handler = error_handler::shim(endpoint, paths);
    let name = format_ident!("__ENDPOINT_{ordinal}", span = Span::mixed_site());
    let attributes = record::attributes(endpoint, thread, paths);
    // Resolved where the user wrote the attribute, `line!` is that attribute's line, whichever of
    // a stack it is.
    let line = quote_spanned!(endpoint.place=> ::core::line!());
    let definition = quote! {
        static #name: #path = #path {
            function: #function,
            module: ::core::module_path!(),
            file: ::core::file!(),
            line: #line,
            docs: #docs,
            ordinal: #ordinal,
            attributes: #attributes,
            require: __require,
            invoke: #invoke::#takes(__invoke),
            error_handler: #error_handler,
        };
    };
    (name, definition)
}
