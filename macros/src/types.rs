//! What can be told from a parameter's type by its spelling.
//!
//! A macro sees names, not types: it knows the runtime's own extractors by their last path
//! segment and takes everything else for the user's. So a rule may say "two bodies" about what it
//! knows, and must stay silent about what it does not.

use proc_macro2::TokenStream;
use quote::ToTokens as _;
use syn::visit_mut::{self, VisitMut};
use syn::{Generics, Lifetime, ReturnType, Type, TypeImplTrait, TypeReference};

/// Extractors that read the whole body.
const PAYLOADS: &[&str] = &["Json", "Text", "Bytes", "Payload", "Protobuf"];

/// Extractors of the runtime that leave the delivery's settlement alone.
const NEUTRAL: &[&str] = &[
    "AppId",
    "Attempt",
    "BatchSize",
    "Channel",
    "ConsumerTag",
    "CorrelationId",
    "DeliveryCount",
    "ExchangeName",
    "Headers",
    "LastInBatch",
    "Message",
    "MessageId",
    "Properties",
    "Path",
    "QueueName",
    "RabbitTemplate",
    "ReceivedDelay",
    "Redelivered",
    "ReplyTo",
    "RoutingKey",
    "State",
    "Timestamp",
    "UserId",
    "XDeath",
];

/// Those of them that all messages of a consumer have in common.
const COMMON: &[&str] =
    &["BatchSize", "Channel", "ConsumerTag", "QueueName", "RabbitTemplate", "State"];

/// What answers whoever sent the message.
const REPLIES: &[&str] = &["Json", "Text", "String", "Bytes", "Message", "Reply"];

/// What a parameter is, as far as its type's name tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extractor {
    Payload,
    DeliveryTag,
    Outbox,
    /// The runtime's, and none of the above.
    Neutral,
    /// The user's own, or an alias: anything may be in it.
    Unknown,
}

impl Extractor {
    /// Looks through `Option<_>`, `Result<_, _>`, `Valid<_>` and `Vec<_>` to what they hold.
    pub(crate) fn of(ty: &Type) -> Self {
        match ty {
            Type::Group(group) => Self::of(&group.elem),
            Type::Paren(paren) => Self::of(&paren.elem),
            Type::Reference(reference) => Self::of_reference(&reference.elem),
            Type::Path(path) => {
                let Some(last) = path.path.segments.last() else { return Self::Unknown };
                let name = last.ident.to_string();
                match name.as_str() {
                    "Option" | "Result" | "Valid" | "Vec" => {
                        first_type(&last.arguments).map_or(Self::Unknown, Self::of)
                    }
                    // What it holds may fail to be made, and is not the message's only body.
                    "Fault" => match first_type(&last.arguments).map(Self::of) {
                        Some(Self::Payload) => Self::Neutral,
                        held => held.unwrap_or(Self::Unknown),
                    },
                    "DeliveryTag" => Self::DeliveryTag,
                    "Outbox" => Self::Outbox,
                    name if PAYLOADS.contains(&name) => Self::Payload,
                    name if NEUTRAL.contains(&name) => Self::Neutral,
                    _ => Self::Unknown,
                }
            }
            _ => Self::Unknown,
        }
    }

    /// `&str` and `&[u8]` borrow the body.
    fn of_reference(referent: &Type) -> Self {
        match referent {
            Type::Slice(_) => Self::Payload,
            Type::Path(path) if path.path.is_ident("str") => Self::Payload,
            _ => Self::Unknown,
        }
    }
}

/// The type in `Path<..>`, looked for as extractors are.
pub(crate) fn path(ty: &Type) -> Option<&Type> {
    let inside = first_type(&last_segment(ty)?.arguments)?;
    match name(ty)?.as_str() {
        "Path" => Some(inside),
        "Option" | "Result" | "Vec" => path(inside),
        _ => None,
    }
}

/// What a `Vec<_>` holds.
pub(crate) fn list_item(ty: &Type) -> Option<&Type> {
    held_by(ty, "Vec")
}

/// What a `Json<_>` holds.
pub(crate) fn json(ty: &Type) -> Option<&Type> {
    held_by(ty, "Json")
}

fn held_by<'t>(ty: &'t Type, holder: &str) -> Option<&'t Type> {
    let last = last_segment(ty)?;
    if last.ident == holder { first_type(&last.arguments) } else { None }
}

/// Whether each message has one of its own, as far as is known.
pub(crate) fn is_one_messages(ty: &Type) -> bool {
    match Extractor::of(ty) {
        Extractor::Payload | Extractor::DeliveryTag | Extractor::Outbox => true,
        Extractor::Neutral => name(ty).is_some_and(|name| !COMMON.contains(&name.as_str())),
        Extractor::Unknown => false,
    }
}

/// What is returned when all goes well: what a `Result<_, _>` holds, or the type itself.
pub(crate) fn successful(ty: &Type) -> &Type {
    match name(ty).as_deref() {
        Some("Result" | "ListenerResult") => {
            last_segment(ty).and_then(|last| first_type(&last.arguments)).unwrap_or(ty)
        }
        _ => ty,
    }
}

/// Whether it answers who sent the message, as far as is known.
pub(crate) fn is_reply(ty: &Type) -> bool {
    match held_by(ty, "Option") {
        Some(held) => is_reply(held),
        None => name(ty).is_some_and(|name| REPLIES.contains(&name.as_str())),
    }
}

/// What holds a body read as the type inside.
const READ_AS: &[&str] = &["Json", "Payload", "Protobuf", "Valid"];

/// What the body is read as.
pub(crate) fn body_type(ty: &Type) -> Option<&Type> {
    let inside = first_type(&last_segment(ty)?.arguments)?;
    match name(ty)?.as_str() {
        "Option" | "Result" => body_type(inside),
        "Valid" => Some(body_type(inside).unwrap_or(inside)),
        holder if READ_AS.contains(&holder) => Some(inside),
        _ => None,
    }
}

/// What an `Option<_>` holds, or the type itself.
pub(crate) fn inside_option(ty: &Type) -> &Type {
    held_by(ty, "Option").unwrap_or(ty)
}

/// The name of a type that holds no other: `OrderCreated`, `events::OrderCreated<'_>`.
pub(crate) fn plain_name(ty: &Type) -> Option<String> {
    let last = last_segment(ty)?;
    first_type(&last.arguments).is_none().then(|| last.ident.to_string())
}

/// A type as people write it.
pub(crate) fn words(ty: &Type) -> String {
    let spaced = ty.to_token_stream().to_string();
    [(" < ", "<"), ("< ", "<"), (" >", ">"), (" ::", "::"), (":: ", "::"), (" ,", ","), ("& ", "&")]
        .into_iter()
        .fold(spaced, |text, (from, to)| text.replace(from, to))
}

/// The last word of its path.
pub(crate) fn name(ty: &Type) -> Option<String> {
    last_segment(ty).map(|last| last.ident.to_string())
}

fn last_segment(ty: &Type) -> Option<&syn::PathSegment> {
    match ty {
        Type::Group(group) => last_segment(&group.elem),
        Type::Paren(paren) => last_segment(&paren.elem),
        Type::Path(path) => path.path.segments.last(),
        _ => None,
    }
}

/// Whether a handler that returns this answers nothing: `()`, and a `Result` of it.
pub(crate) fn returns_nothing(output: &ReturnType) -> bool {
    fn is_nothing(ty: &Type) -> bool {
        match ty {
            Type::Group(group) => is_nothing(&group.elem),
            Type::Paren(paren) => is_nothing(&paren.elem),
            Type::Tuple(tuple) => tuple.elems.is_empty(),
            Type::Path(path) => path.path.segments.last().is_some_and(|last| {
                let ok = first_type(&last.arguments);
                match last.ident.to_string().as_str() {
                    "ListenerResult" => ok.is_none_or(is_nothing),
                    "Result" => ok.is_some_and(is_nothing),
                    _ => false,
                }
            }),
            _ => false,
        }
    }
    match output {
        ReturnType::Default => true,
        ReturnType::Type(_, ty) => is_nothing(ty),
    }
}

fn first_type(arguments: &syn::PathArguments) -> Option<&Type> {
    let syn::PathArguments::AngleBracketed(arguments) = arguments else { return None };
    arguments.args.iter().find_map(|argument| match argument {
        syn::GenericArgument::Type(ty) => Some(ty),
        _ => None,
    })
}

/// The first `impl Trait` inside a type, however deep.
pub(crate) fn impl_trait(ty: &Type) -> Option<TokenStream> {
    struct Find(Option<TokenStream>);
    impl VisitMut for Find {
        fn visit_type_impl_trait_mut(&mut self, found: &mut TypeImplTrait) {
            self.0.get_or_insert_with(|| found.to_token_stream());
        }
    }
    let mut find = Find(None);
    find.visit_type_mut(&mut ty.clone());
    find.0
}

/// The first borrow inside a type that can be told from its spelling: `&str`, `Event<'_>`.
pub(crate) fn borrow(ty: &Type) -> Option<TokenStream> {
    struct Find(Option<TokenStream>);
    impl Find {
        fn note(&mut self, lifetime: Option<&Lifetime>, place: &dyn Fn() -> TokenStream) {
            if lifetime.is_none_or(|lifetime| lifetime.ident != "static") {
                self.0.get_or_insert_with(place);
            }
        }
    }
    impl VisitMut for Find {
        fn visit_lifetime_mut(&mut self, found: &mut Lifetime) {
            self.note(Some(found), &|| found.to_token_stream());
        }

        fn visit_type_reference_mut(&mut self, found: &mut TypeReference) {
            self.note(found.lifetime.as_ref(), &|| found.to_token_stream());
            visit_mut::visit_type_reference_mut(self, found);
        }
    }
    let mut find = Find(None);
    find.visit_type_mut(&mut ty.clone());
    find.0
}

/// The type as the generated code writes it: the function's own lifetimes become `'_`, since the
/// delivery lives where the function is called.
pub(crate) fn with_inferred_lifetimes(ty: &Type, generics: &Generics) -> Type {
    struct Infer<'a>(&'a Generics);
    impl VisitMut for Infer<'_> {
        fn visit_lifetime_mut(&mut self, found: &mut Lifetime) {
            if self.0.lifetimes().any(|declared| declared.lifetime == *found) {
                *found = Lifetime::new("'_", found.span());
            }
        }
    }
    let mut ty = ty.clone();
    Infer(generics).visit_type_mut(&mut ty);
    ty
}

#[cfg(test)]
mod tests {
    use super::*;
    use syn::parse_quote;

    #[test]
    fn extractors_are_known_by_their_last_segment() {
        let cases: [(Type, Extractor); 14] = [
            (parse_quote!(Json<Order>), Extractor::Payload),
            (parse_quote!(springhare::Text), Extractor::Payload),
            (parse_quote!(Option<Json<Order>>), Extractor::Payload),
            (parse_quote!(Result<Json<Order>, Rejection>), Extractor::Payload),
            (parse_quote!(&str), Extractor::Payload),
            (parse_quote!(&'d [u8]), Extractor::Payload),
            (parse_quote!(springhare::DeliveryTag), Extractor::DeliveryTag),
            (parse_quote!(State<Json<u8>>), Extractor::Neutral),
            (parse_quote!(Attempt), Extractor::Neutral),
            (parse_quote!(LastInBatch), Extractor::Neutral),
            (parse_quote!(Fault<Json<Order>>), Extractor::Neutral),
            (parse_quote!(Fault<Order>), Extractor::Unknown),
            (parse_quote!(Order), Extractor::Unknown),
            (parse_quote!((Json<u8>, Text)), Extractor::Unknown),
        ];
        for (ty, expected) in cases {
            assert_eq!(Extractor::of(&ty), expected, "{}", ty.to_token_stream());
        }
    }

    #[test]
    fn only_the_functions_own_lifetimes_are_inferred() {
        let generics: syn::ItemFn = parse_quote!(
            fn f<'d>() {}
        );
        let ty: Type = parse_quote!(Json<(&'d str, &'static str, for<'x> fn(&'x u8))>);
        let expected: Type = parse_quote!(Json<(&'_ str, &'static str, for<'x> fn(&'x u8))>);
        assert_eq!(with_inferred_lifetimes(&ty, &generics.sig.generics), expected);
    }

    #[test]
    fn it_is_known_what_answers_nothing() {
        for (function, expected) in [
            ("fn f() {}", true),
            ("fn f() -> () {}", true),
            ("fn f() -> ListenerResult {}", true),
            ("fn f() -> springhare::ListenerResult<()> {}", true),
            ("fn f() -> Result<(), E> {}", true),
            ("fn f() -> Result<Json<u8>, E> {}", false),
            ("fn f() -> ListenerResult<Text> {}", false),
            ("fn f() -> Outcome {}", false),
            ("fn f() -> Answer {}", false),
        ] {
            let function: syn::ItemFn = syn::parse_str(function).unwrap();
            let output = &function.sig.output;
            assert_eq!(returns_nothing(output), expected, "{}", output.to_token_stream());
        }
    }

    #[test]
    fn borrows_are_found_by_their_spelling() {
        assert!(borrow(&parse_quote!(Json<Event<'_>>)).is_some());
        assert!(borrow(&parse_quote!(&str)).is_some());
        assert!(borrow(&parse_quote!(Json<&'static str>)).is_none());
        assert!(borrow(&parse_quote!(Json<Event>)).is_none());
    }
}
