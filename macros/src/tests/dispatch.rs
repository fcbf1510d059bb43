//! Words in braces, several bindings, handlers by type.

use super::{accepted, mistakes, plain, refused};
use crate::listener;
use proc_macro2::TokenStream;
use quote::quote;

fn takes(ty: &TokenStream) -> TokenStream {
    quote!(
        async fn f(words: #ty) {}
    )
}

fn topic(keys: &TokenStream) -> TokenStream {
    quote!(queue = "q", exchange = "e", kind = "topic", #keys)
}

#[test]
fn as_many_words_are_taken_as_stand_in_braces() {
    let one = || topic(&quote!(key = "logs.{level}"));
    let two = || topic(&quote!(keys = ["{host}.{level}", "a.{host}.#.{level}"]));
    for fits in [quote!(Path<String>), quote!(Path<(u8,)>), quote!(Option<Path<&str>>)] {
        accepted(one(), takes(&fits));
    }
    accepted(two(), takes(&quote!(Path<(String, u32)>)));
    accepted(two(), takes(&quote!(Path<Line>)));
    accepted(one(), takes(&quote!(MyOwn)));
    accepted(topic(&quote!(key = "${key}")), takes(&quote!(Path<(u8, u8)>)));
    accepted(topic(&quote!(key = "${a:x.y}.{level}")), takes(&quote!(Path<String>)));
    accepted(topic(&quote!(key = "${a:${b:x}.y}.{level}")), takes(&quote!(Path<String>)));
    accepted(topic(&quote!(key = KEY)), takes(&quote!(Path<(u8, u8)>)));
    let wrong = "`Path` takes 2 words, and the key \\\"logs.{level}\\\" has 1";
    refused(one(), takes(&quote!(Path<(String, u32)>)), &[wrong]);
    let wrong = "`Path` takes 1 word, and the key \\\"{host}.{level}\\\" has 2";
    refused(two(), takes(&quote!(Result<Path<String>, PathRejection>)), &[wrong]);
    refused(one(), plain(), &["nobody takes `{level}`"]);
    let none = "`Path` takes the words in braces of a key, and no key has any";
    refused(topic(&quote!(key = "logs.*")), takes(&quote!(Path<String>)), &[none]);
    refused(quote!(queue = "q"), takes(&quote!(Path<String>)), &[none]);
}

#[test]
fn braces_hold_one_name_for_one_word() {
    for (key, mistake) in [
        ("logs.x{level}", "braces stand for a whole word: in `x{level}` there is more"),
        ("logs.{level", "the braces of `{level` are not a pair"),
        ("logs.{}", "the braces of `{}` do not hold a name"),
        ("logs.{log-level}", "the braces of `{log-level}` do not hold a name"),
        ("{level}.{level}", "`{level}` stands twice"),
        ("${a}{level}", "braces stand for a whole word: in `x{level}` there is more"),
    ] {
        refused(topic(&quote!(key = #key)), takes(&quote!(Path<String>)), &[mistake]);
    }
    refused(
        topic(&quote!(keys = ["{level}.a", "{word}.b"])),
        takes(&quote!(Path<String>)),
        &["the keys have different words in braces, and a message matches one of them"],
    );
    refused(
        quote!(queue = "q", exchange = "e", kind = "direct", key = "a.{level}"),
        takes(&quote!(Path<String>)),
        &["`{level}` stands for a word of a pattern, and a direct exchange has none"],
    );
}

#[test]
fn bindings_are_checked_one_by_one() {
    accepted(quote!(bindings((exchange = "a", key = "x"), (exchange = "b"))), plain());
    for (bindings, mistake) in [
        (quote!(bindings), "`bindings` takes a list in parentheses"),
        (quote!(bindings()), "`bindings` is empty"),
        (quote!(bindings(exchange = "a")), "each binding stands in parentheses of its own"),
        (quote!(bindings((exchange = "a"), (key = "x"))), "a binding to which exchange?"),
        (quote!(bindings((exchange = "a", durable = true))), "a binding knows no `durable`"),
        (quote!(bindings((exchange = "a", kind = "fan"))), "there is no kind of exchange named"),
        (
            quote!(exchange = "b", bindings((exchange = "a"))),
            "`bindings` and `exchange` are given together",
        ),
    ] {
        let found = mistakes(quote!(queue = "q", #bindings), plain());
        assert!(matches!(found.as_slice(), [one] if one.starts_with(mistake)), "{found:?}");
    }
}

#[test]
fn a_handlers_type_is_known_and_its_own() {
    accepted(
        quote!(queue = "q"),
        handlers(&quote! {
            const WORD: &'static str = "a";
            const OTHER: Inner = Inner { word: "b" };
            #[rabbit_handler]
            async fn a(&self, Json(a): Json<events::A>, tag: DeliveryTag) {}
            fn plain(&self) -> u8 { 1 }
            #[rabbit_handler]
            pub async fn b(&self, #[payload] b: Option<B>) -> ListenerResult { Ok(()) }
            #[rabbit_handler(type = "c", default)]
            async fn c(&self, body: Bytes) {}
        }),
    );
}

#[test]
fn what_is_generated_beside_an_impl_says_self_nowhere() {
    let block = handlers(&quote! {
        #[rabbit_handler]
        async fn a(
            &self,
            a: Json<Self>,
            #[header("x", default = vec![Self::NONE])] x: Vec<u8>,
        ) -> ListenerResult<Json<Self>> { Ok(Self::answer()) }
    });
    let block = quote!(#[rabbit_listener(queue = Self::OTHER)] #block);
    let text = listener(quote!(queue = Self::QUEUE), block).to_string();
    let (untouched, generated) = text.split_once("const _ : () =").unwrap();
    assert!(untouched.contains("a : Json < Self >"), "{untouched}");
    assert!(untouched.contains("-> ListenerResult < Json < Self"), "{untouched}");
    assert!(!generated.contains("Self"), "{generated}");
    for spelled_out in ["Orders :: QUEUE", "Orders :: OTHER", "Orders :: NONE", "\"Orders\""] {
        assert!(generated.contains(spelled_out), "{spelled_out} in {generated}");
    }
}

/// The handlers of an `impl` on one queue.
fn handlers(methods: &TokenStream) -> TokenStream {
    quote!(impl Orders { #methods })
}

fn mistaken(cases: &[(TokenStream, &str)]) {
    for (methods, mistake) in cases {
        let found = mistakes(quote!(queue = "q"), handlers(methods));
        assert!(matches!(found.as_slice(), [one] if one.starts_with(mistake)), "{found:?}");
    }
}

#[test]
fn each_type_has_one_handler() {
    mistaken(&[
        (quote!(), "an `impl` without `#[rabbit_handler]` handles nothing"),
        (
            quote!(
                #[rabbit_handler]
                async fn a(&self, body: Bytes) {}
            ),
            "the type of what it takes can't be told from its arguments",
        ),
        (
            quote!(
                #[rabbit_handler]
                async fn a(&self, a: Json<Vec<A>>) {}
            ),
            "the type of what it takes can't be told from its arguments",
        ),
        (
            quote! {
                #[rabbit_handler] async fn a(&self, a: Json<A>) {}
                #[rabbit_handler(type = "A")] async fn b(&self) {}
            },
            "two handlers take the type",
        ),
        (
            quote! {
                #[rabbit_handler(default)] async fn a(&self) {}
                #[rabbit_handler(default)] async fn b(&self) {}
            },
            "two handlers take what no other takes",
        ),
    ]);
}

#[test]
fn a_handlers_words_are_read_like_a_listeners() {
    mistaken(&[
        (
            quote!(
                #[rabbit_handler(default = false)]
                async fn a(&self, body: Bytes) {}
            ),
            "the type of what it takes can't be told from its arguments",
        ),
        (
            quote!(
                #[rabbit_handler(default = "yes")]
                async fn a(&self, a: Json<A>) {}
            ),
            "`default` takes true or false",
        ),
        (
            quote!(
                #[rabbit_handler(type = "a", type = "b")]
                async fn a(&self, body: Bytes) {}
            ),
            "`type` is given twice",
        ),
    ]);
    accepted(
        quote!(queue = "q"),
        handlers(&quote! {
            #[rabbit_handler(default = true)] async fn a(&self, a: Json<A>) {}
            #[rabbit_handler(default = false)] async fn b(&self, b: Json<B>) {}
        }),
    );
}

#[test]
fn handlers_under_conditions_of_their_own_may_stand_for_each_other() {
    let either = handlers(&quote! {
        #[cfg(unix)] #[rabbit_handler] async fn a(&self, a: Json<A>) {}
        #[rabbit_handler] #[cfg(not(unix))] async fn b(&self, a: Json<A>) {}
        #[cfg(unix)] #[rabbit_handler(default)] async fn c(&self) {}
        #[cfg(not(unix))] #[rabbit_handler(default)] async fn d(&self) {}
    });
    let text = listener(quote!(queue = "q"), either).to_string();
    assert!(!text.contains("compile_error"), "{text}");
    // Two methods, and of each its two functions and its entry.
    assert_eq!(text.matches("# [cfg (unix)]").count(), 8);
    mistaken(&[
        (
            quote! {
                #[cfg(unix)] #[rabbit_handler] async fn a(&self, a: Json<A>) {}
                #[cfg(unix)] #[rabbit_handler] async fn b(&self, a: Json<A>) {}
            },
            "two handlers take the type",
        ),
        (
            quote! {
                #[cfg(unix)] #[rabbit_handler(default)] async fn a(&self) {}
                #[rabbit_handler(default)] async fn b(&self) {}
            },
            "two handlers take what no other takes",
        ),
    ]);
}

#[test]
fn of_an_impl_that_can_not_be_parsed_the_mistake_alone_is_told() {
    let block = handlers(&quote! {
        #[inline] #[rabbit_handler] async fn a(&self, a: Json<A>);
        #[springhare::rabbit_handler(type = "b")] async fn b(&self) {}
    });
    let text = listener(quote!(queue = "q"), block).to_string();
    assert!(text.contains("a handler needs a body"), "{text}");
    assert!(!text.contains("rabbit_handler"), "{text}");
    assert!(text.contains("# [inline] async fn a"), "{text}");
}

#[test]
fn a_handler_is_an_async_method_that_shares_itself() {
    mistaken(&[
        (
            quote!(
                #[rabbit_handler(default)]
                async fn a(&mut self) {}
            ),
            "handlers share `self`, and work at the same time",
        ),
        (
            quote!(
                #[rabbit_handler(default)]
                async fn a(self) {}
            ),
            "handlers share `self`, and work at the same time",
        ),
        (
            quote!(
                #[rabbit_handler(default)]
                async fn a() {}
            ),
            "a handler is a method",
        ),
        (
            quote!(
                #[rabbit_handler(default)]
                fn a(&self) {}
            ),
            "a handler that is not async would hold up all others while it works",
        ),
        (
            quote!(
                #[rabbit_handler(default, id = "a")]
                async fn a(&self) {}
            ),
            "`#[rabbit_handler]` knows no `id`",
        ),
    ]);
}

#[test]
fn what_handlers_by_type_can_not_do_is_refused() {
    let queue = || quote!(queue = "q");
    let one = || {
        quote!(
            #[rabbit_handler(default)]
            async fn a(&self) {}
        )
    };
    let method = one();
    refused(
        queue(),
        quote!(impl Clone for Orders { #method }),
        &["handlers stand in an `impl` of the type itself"],
    );
    refused(
        queue(),
        quote!(impl<T> Orders<T> { #method }),
        &["a listener cannot be generic: nobody chooses the type"],
    );
    refused(
        quote!(queue = "q", blocking),
        handlers(&one()),
        &["the handlers of an `impl` do not block"],
    );
    refused(
        quote!(queue = "q", batch = 10),
        handlers(&one()),
        &["a batch mixes types, and a handler takes one"],
    );
}
