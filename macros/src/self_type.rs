//! `Self` in an `impl`, spelled out: what is generated stands outside of it.

use proc_macro2::{Group, TokenStream, TokenTree};
use quote::ToTokens;
use syn::parse::Parse;
use syn::{PathArguments, Type};

use crate::parameter::Source;
use crate::signature::ListenerFn;

/// The block's type, as it can stand in types and in expressions: `Orders`, `Orders::<u8>`.
#[derive(Debug)]
pub(crate) struct SelfType {
    path: Option<TokenStream>,
}

impl SelfType {
    /// Of a type without a name, which is a mistake, `Self` stays `Self`.
    pub(crate) fn of(ty: &Type) -> Self {
        let Type::Path(ty) = ty else { return Self { path: None } };
        let mut path = ty.clone();
        for segment in &mut path.path.segments {
            if let PathArguments::AngleBracketed(arguments) = &mut segment.arguments {
                arguments.colon2_token.get_or_insert_default();
            }
        }
        Self { path: Some(path.into_token_stream()) }
    }

    /// The tokens with the type in place of each `Self`.
    pub(crate) fn spelled_out(&self, tokens: TokenStream) -> TokenStream {
        match &self.path {
            Some(path) => tokens.into_iter().flat_map(|token| in_token(token, path)).collect(),
            None => tokens,
        }
    }

    /// The same in all of a method that goes into generated code.
    pub(crate) fn spell_out_in(&self, function: &mut ListenerFn) -> syn::Result<()> {
        self.parsed(&mut function.sig)?;
        for param in &mut function.params {
            self.parsed(&mut param.ty)?;
            if let Source::Header { default: Some(default), .. } = &mut param.source {
                self.parsed(default.as_mut())?;
            }
        }
        Ok(())
    }

    fn parsed(&self, node: &mut (impl Parse + ToTokens)) -> syn::Result<()> {
        *node = syn::parse2(self.spelled_out(node.to_token_stream()))?;
        Ok(())
    }
}

fn in_token(token: TokenTree, path: &TokenStream) -> TokenStream {
    match token {
        TokenTree::Ident(word) if word == "Self" => {
            let at_its_place = |mut token: TokenTree| {
                token.set_span(token.span().located_at(word.span()));
                token
            };
            path.clone().into_iter().map(at_its_place).collect()
        }
        TokenTree::Group(group) => {
            let inside = group.stream().into_iter().flat_map(|token| in_token(token, path));
            let mut spelled_out = Group::new(group.delimiter(), inside.collect());
            spelled_out.set_span(group.span());
            TokenTree::from(spelled_out).into()
        }
        other => other.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quote::quote;
    use syn::parse_quote;

    #[test]
    fn it_is_found_however_deep_and_may_have_arguments() {
        let own = SelfType::of(&parse_quote!(shop::Orders<u8>));
        let tokens = own.spelled_out(quote!(queue = Self::QUEUE, list(("x" = vec![Self { a }]))));
        let expected =
            quote!(queue = shop::Orders::<u8>::QUEUE, list(("x" = vec![shop::Orders::<u8> { a }])));
        assert_eq!(tokens.to_string(), expected.to_string());
    }

    #[test]
    fn what_is_no_path_has_no_name_to_spell_out() {
        let own = SelfType::of(&parse_quote!((u8, u8)));
        assert_eq!(own.spelled_out(quote!(Self::QUEUE)).to_string(), "Self :: QUEUE");
    }
}
