//! An `impl` with handlers in tokens: a shim for each handler, and one that chooses among them.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};

use crate::attr::ListenerArgs;
use crate::expand::{invoke_of, record_of, require_of};
use crate::handlers::{Handler, HandlersImpl};
use crate::listener::{self, Endpoint, Listener, Takes, Thread};
use crate::paths::Paths;

/// The whole expansion.
pub(crate) fn expand(block: HandlersImpl, attributes: Vec<ListenerArgs>) -> TokenStream {
    let paths = listener::paths(&attributes);
    let Paths { listener_item, rabbit_listener_endpoint, registration, submit, .. } = &paths;
    let conditions: Vec<_> = block.conditions().cloned().collect();
    let self_ty = block.self_ty.clone();
    let about = (block.name(), block.docs());
    let untouched = quote!(#block);
    let endpoints: Vec<Endpoint> = attributes.into_iter().map(Endpoint::from).collect();
    let (shims, entries): (Vec<_>, Vec<_>) = block
        .handlers
        .into_iter()
        .enumerate()
        .map(|(index, handler)| typed(index, handler, &self_ty, &paths))
        .unzip();
    let choice = choice(&entries, &self_ty, &paths);
    let numbered = (1..).zip(&endpoints);
    let kind = (Takes::OneMessage, Thread::Executor);
    let (names, records): (Vec<_>, Vec<_>) = numbered
        .map(|(ordinal, endpoint)| record_of(&about, kind, &paths, ordinal, endpoint))
        .unzip();
    quote! {
        #untouched
        #(#conditions)*
        const _: () = {
            #(#shims)*
            #choice
            #(#records)*
            impl #listener_item for #self_ty {
                const ENDPOINTS: &'static [&'static #rabbit_listener_endpoint] = &[#(&#names),*];
            }
            #(#submit! { #registration(&#names) })*
        };
    }
}

/// After mistakes: the block, so that nothing else seems to be missing.
pub(crate) fn fallback(block: &HandlersImpl, paths: &Paths, mistakes: &syn::Error) -> TokenStream {
    let mistakes = mistakes.to_compile_error();
    let Paths { listener_item, rabbit_listener_endpoint, .. } = paths;
    let (self_ty, conditions) = (&block.self_ty, block.conditions());
    let item = (block.generics.is_none() && block.of_trait.is_none()).then(|| {
        quote! {
            #(#conditions)*
            impl #listener_item for #self_ty {
                const ENDPOINTS: &'static [&'static #rabbit_listener_endpoint] = &[];
            }
        }
    });
    quote!(#mistakes #[allow(dead_code)] #block #item)
}

/// A handler's shims, and its entry in the list.
fn typed(
    index: usize,
    handler: Handler,
    self_ty: &syn::Type,
    paths: &Paths,
) -> (TokenStream, TokenStream) {
    let generated =
        |name: &str| -> Ident { format_ident!("__{name}_{index}", span = Span::mixed_site()) };
    let (invoke, require) = (generated("invoke"), generated("require"));
    let type_name = match handler.type_literal() {
        Some(name) => quote!(::core::option::Option::Some(#name)),
        None => quote!(::core::option::Option::None),
    };
    let conditions: Vec<_> = handler.function.conditions().cloned().collect();
    let is_default = handler.default.is_some();
    let method = handler.function.ident().clone();
    let callee = quote!(<#self_ty>::#method);
    let listener = Listener {
        function: handler.function,
        endpoints: Vec::new(),
        paths: paths.clone(),
        thread: Thread::Executor,
        takes: Takes::OneMessage,
    };
    let require_shim = require_of(&listener, &require);
    let invoke_shim = invoke_of(&listener, &invoke, &callee, Some(self_ty));
    let typed_handler = &paths.typed_handler;
    let entry = quote! {
        #(#conditions)*
        #typed_handler {
            type_name: #type_name,
            is_default: #is_default,
            require: #require,
            invoke: #invoke,
        }
    };
    (quote!(#(#conditions)* #require_shim #(#conditions)* #invoke_shim), entry)
}

fn choice(entries: &[TokenStream], self_ty: &syn::Type, paths: &Paths) -> TokenStream {
    let Paths {
        typed_handler,
        delivery_context,
        invocation,
        requirements,
        from_delivery,
        state,
        invoke_by_type,
        require_each,
        ..
    } = paths;
    quote_spanned! {Span::mixed_site()=>
        const __HANDLERS: &'static [#typed_handler] = &[#(#entries),*];
        fn __require(__requirements: &mut #requirements) {
            <#state<#self_ty> as #from_delivery<'_>>::require(__requirements);
            #require_each(__requirements, __HANDLERS);
        }
        fn __invoke<'__d>(__cx: &'__d #delivery_context) -> #invocation<'__d> {
            #invoke_by_type(__cx, __HANDLERS)
        }
    }
}
