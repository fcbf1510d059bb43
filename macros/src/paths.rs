//! Every path of the runtime that the expansion names, in one place.
//!
//! They are absolute, so that nothing the user's module defines or shadows can be meant instead.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};

macro_rules! paths {
    ($($field:ident => $item:path,)*) => {
        /// The items of the runtime's hidden module for generated code.
        #[derive(Debug, Clone)]
        pub(crate) struct Paths {
            $(pub(crate) $field: TokenStream,)*
        }

        impl Paths {
            /// Paths below the runtime crate: `::springhare`, or what `crate = path` says.
            pub(crate) fn new(root: Option<&syn::Path>) -> Self {
                let root = root.map_or_else(|| quote!(::springhare), ToTokens::to_token_stream);
                Self { $($field: quote!(#root::__private::$item),)* }
            }
        }
    };
}

paths! {
    acknowledge_mode => AcknowledgeMode,
    argument => Argument,
    binding_attributes => BindingAttributes,
    batch_context => BatchContext,
    circuit_attributes => CircuitAttributes,
    concurrency => Concurrency,
    delivery_context => DeliveryContext,
    from_batch => FromBatch,
    from_delivery => FromDelivery,
    handled => handled,
    handled_blocking => handled_blocking,
    header => header,
    header_or => header_or,
    into_batch_outcome => IntoBatchOutcome,
    into_outcome => IntoOutcome,
    invocation => Invocation,
    invoke => Invoke,
    listener_attributes => ListenerAttributes,
    listener_error => ListenerError,
    listener_item => ListenerItem,
    outcome => Outcome,
    partition_by => PartitionBy,
    partition_key => PartitionKey,
    payload => Payload,
    rabbit_listener_endpoint => RabbitListenerEndpoint,
    registration => Registration,
    recover => Recover,
    rejected => rejected,
    requirements => Requirements,
    retry_attributes => RetryAttributes,
    run_blocking => run_blocking,
    invoke_by_type => invoke_by_type,
    require_each => require_each,
    schema_of => SchemaOf,
    state => State,
    typed_handler => TypedHandler,
    submit => inventory::submit,
    take_parts => take_parts,
    without_schema => WithoutSchema,
}
