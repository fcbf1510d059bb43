//! `partition_by`: what a message's key is taken from.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Expr, ExprLit, Lit, LitStr};

use crate::diagnostics::Errors;
use crate::grammar::Entry;
use crate::paths::Paths;
use crate::value;

const EXAMPLE: &str = "\"header:x-customer\"";
const CHOICE: &str = "there are \"routing_key\", \"correlation_id\", \"message_id\", \
                      \"header:NAME\", or the path of a function";

/// What a message's key is taken from.
#[derive(Debug)]
pub(crate) enum PartitionBy {
    RoutingKey,
    CorrelationId,
    MessageId,
    Header(LitStr),
    /// `fn(&DeliveryContext) -> Option<impl Hash>`
    Function(syn::Path),
}

impl PartitionBy {
    /// The record's value.
    pub(crate) fn tokens(&self, paths: &Paths) -> TokenStream {
        let Paths { partition_by, partition_key, .. } = paths;
        match self {
            Self::RoutingKey => quote!(#partition_by::RoutingKey),
            Self::CorrelationId => quote!(#partition_by::CorrelationId),
            Self::MessageId => quote!(#partition_by::MessageId),
            Self::Header(name) => quote!(#partition_by::Header(#name)),
            Self::Function(function) => quote! {
                #partition_by::Function(|__cx| {
                    ::core::option::Option::map(
                        #function(__cx),
                        |__key| #partition_key::of(&__key),
                    )
                })
            },
        }
    }
}

pub(crate) fn partition_by(entry: &Entry, errors: &mut Errors) -> Option<PartitionBy> {
    match value::assigned(entry, EXAMPLE, errors)? {
        Expr::Lit(ExprLit { lit: Lit::Str(word), .. }) => of_word(word, errors),
        Expr::Path(path) => Some(PartitionBy::Function(path.path.clone())),
        other => {
            errors.add(other, "`partition_by` takes a word in quotes, or a function", CHOICE);
            None
        }
    }
}

fn of_word(word: &LitStr, errors: &mut Errors) -> Option<PartitionBy> {
    let text = word.value();
    if let Some(name) = text.strip_prefix("header:") {
        if name.is_empty() {
            errors.add(word, "which header?", "write `partition_by = \"header:x-customer\"`");
            return None;
        }
        return Some(PartitionBy::Header(LitStr::new(name, word.span())));
    }
    match text.as_str() {
        "routing_key" => Some(PartitionBy::RoutingKey),
        "correlation_id" => Some(PartitionBy::CorrelationId),
        "message_id" => Some(PartitionBy::MessageId),
        _ => {
            errors.add(word, format!("`partition_by` knows no \"{text}\""), CHOICE);
            None
        }
    }
}
