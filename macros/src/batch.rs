//! The shim of a handler that gets several messages at a time.
//!
//! Each message gives its part to each argument; one that an extractor can't read is refused and
//! gives none. Then the arguments are made of the parts.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned as _;
use syn::{ReturnType, Type};

use crate::expand::{argument_name, at, call, generated_type};
use crate::listener::{Listener, Thread};
use crate::parameter::Source;
use crate::paths::Paths;
use crate::signature::Param;
use crate::types;

/// What an argument asks of the application.
pub(crate) fn require(
    param: &Param,
    argument: &TokenStream,
    listener: &Listener,
) -> Option<TokenStream> {
    let Paths { from_delivery, from_batch, payload, .. } = &listener.paths;
    let ty = generated_type(&param.ty, listener);
    match &param.source {
        Source::Extractor => Some(call(&quote!(#ty), from_batch, "require", argument)),
        Source::Payload => {
            let item = item_type(&ty);
            Some(call(&quote!(#payload<#item>), from_delivery, "require", argument))
        }
        Source::Header { .. } | Source::Mistaken => None,
    }
}

/// What an argument is made by, as far as it is of the message's body.
pub(crate) fn extractor(param: &Param, listener: &Listener) -> Option<TokenStream> {
    let payload = &listener.paths.payload;
    let ty = generated_type(&param.ty, listener);
    match &param.source {
        Source::Extractor => Some(quote!(#ty)),
        Source::Payload => {
            let item = item_type(&ty);
            Some(quote!(#payload<#item>))
        }
        Source::Header { .. } | Source::Mistaken => None,
    }
}

/// The shim.
pub(crate) fn invoke(listener: &Listener) -> TokenStream {
    let Listener { function, paths, .. } = listener;
    let Paths { batch_context, invocation, outcome, take_parts, .. } = paths;
    let params: Vec<_> = function.params.iter().enumerate().collect();
    let items: Vec<_> = params.iter().map(|(index, _)| item_name(*index)).collect();
    let parts: Vec<_> = params.iter().map(|(index, _)| part_name(*index)).collect();
    let taken = params.iter().map(|(index, param)| taken(*index, param, listener));
    let made = params.iter().map(|(index, param)| made(*index, param, listener));
    let call = call_function(listener);
    let boxed = quote_spanned! {at(function.ident().span())=>
        ::std::boxed::Box::pin(async move {
            #(let mut #items = ::std::vec::Vec::with_capacity(__cx.messages().len());)*
            for (__index, __message) in ::core::iter::Iterator::enumerate(__cx.messages().iter()) {
                let __taken = #take_parts(__cx, __index, || {
                    #(#taken)*
                    ::core::result::Result::Ok((#(#parts,)*))
                });
                if let ::core::option::Option::Some((#(#parts,)*)) = __taken {
                    #(#items.push(#parts);)*
                }
            }
            if __cx.accepted() == 0 {
                return #outcome::Ack;
            }
            #(#made)*
            #call
        })
    };
    quote_spanned! {Span::mixed_site()=>
        fn __invoke<'__d>(__cx: &'__d #batch_context) -> #invocation<'__d> {
            #boxed
        }
    }
}

/// Takes one message's part, or refuses the message.
fn taken(index: usize, param: &Param, listener: &Listener) -> TokenStream {
    let name = part_name(index);
    let listener_error = &listener.paths.listener_error;
    let part = part(param, listener);
    let place = at(param.ty.span());
    let field = matches!(param.source, Source::Payload).then(|| quote_spanned!(place=> .0));
    quote_spanned! {place=>
        let #name = match #part {
            ::core::result::Result::Ok(__value) => __value #field,
            ::core::result::Result::Err(__rejection) => {
                return ::core::result::Result::Err(
                    ::core::convert::Into::<#listener_error>::into(__rejection),
                );
            }
        };
    }
}

/// The `Result` of taking one message's part.
fn part(param: &Param, listener: &Listener) -> TokenStream {
    let Paths { from_delivery, from_batch, payload, header, header_or, .. } = &listener.paths;
    let ty = generated_type(&param.ty, listener);
    let item = item_type(&ty);
    let place = at(ty.span());
    let message = quote_spanned!(Span::mixed_site()=> __message);
    match &param.source {
        Source::Header { name, default: None } => {
            quote_spanned!(place=> #header::<#item>(#message, #name))
        }
        Source::Header { name, default: Some(default) } => {
            quote_spanned!(place=> #header_or::<#item>(#message, #name, || #default))
        }
        Source::Payload => call(&quote!(#payload<#item>), from_delivery, "from_delivery", &message),
        Source::Extractor | Source::Mistaken => {
            call(&quote!(#ty), from_batch, "from_message", &message)
        }
    }
}

/// `let` one argument be made of its parts, or fail with all messages.
fn made(index: usize, param: &Param, listener: &Listener) -> TokenStream {
    let Paths { outcome, from_batch, .. } = &listener.paths;
    let (name, items) = (argument_name(index), item_name(index));
    if !matches!(param.source, Source::Extractor) {
        return quote!(let #name = #items;);
    }
    let ty = generated_type(&param.ty, listener);
    let parts = quote_spanned!(Span::mixed_site()=> __cx, #items);
    let made = call(&quote!(#ty), from_batch, "from_batch", &parts);
    quote_spanned! {at(param.ty.span())=>
        let #name = match #made {
            ::core::result::Result::Ok(__value) => __value,
            ::core::result::Result::Err(__rejection) => {
                return #outcome::from_rejection(__rejection);
            }
        };
    }
}

fn call_function(listener: &Listener) -> TokenStream {
    let Listener { function, paths, thread, .. } = listener;
    let Paths { run_blocking, into_batch_outcome, .. } = paths;
    let names: Vec<_> = (0..function.params.len()).map(argument_name).collect();
    let callee = function.ident();
    let outcome = match &function.sig.output {
        ReturnType::Default => quote!(<() as #into_batch_outcome>::into_batch_outcome),
        ReturnType::Type(_, ty) => {
            let ty = generated_type(ty, listener);
            quote_spanned!(at(ty.span())=> <#ty as #into_batch_outcome>::into_batch_outcome)
        }
    };
    match thread {
        Thread::Executor => {
            quote_spanned!(Span::mixed_site()=> #outcome(#callee(#(#names),*).await, __cx))
        }
        Thread::Blocking => quote_spanned! {Span::mixed_site()=>
            match #run_blocking(move || #callee(#(#names),*)).await {
                ::core::result::Result::Ok(__value) => #outcome(__value, __cx),
                ::core::result::Result::Err(__outcome) => __outcome,
            }
        },
    }
}

/// What a list holds; the rules have seen that it is one where that matters.
fn item_type(ty: &Type) -> &Type {
    types::list_item(ty).unwrap_or(ty)
}

fn item_name(index: usize) -> Ident {
    format_ident!("__items{index}", span = Span::mixed_site())
}

fn part_name(index: usize) -> Ident {
    format_ident!("__part{index}", span = Span::mixed_site())
}
