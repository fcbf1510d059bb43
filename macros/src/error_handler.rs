//! The function that calls a listener's error handler, in tokens.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned as _;

use crate::listener::Endpoint;
use crate::paths::Paths;

/// The value of the record's `error_handler`.
pub(crate) fn shim(endpoint: &Endpoint, paths: &Paths) -> TokenStream {
    let Some(handler) = &endpoint.failure.error_handler else {
        return quote!(::core::option::Option::None);
    };
    let Paths { delivery_context, invocation, into_outcome, listener_error, .. } = paths;
    // What does not fit is reported at the path.
    let call = quote_spanned! {handler.span()=> #handler(__error, __cx).await };
    quote_spanned! {Span::mixed_site()=>
        ::core::option::Option::Some({
            fn __handle_error<'__d>(
                __cx: &'__d #delivery_context,
                __error: #listener_error,
            ) -> #invocation<'__d> {
                ::std::boxed::Box::pin(async move {
                    #into_outcome::into_outcome(#call, __cx)
                })
            }
            __handle_error
        })
    }
}
