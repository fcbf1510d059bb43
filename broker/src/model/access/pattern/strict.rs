use regex_syntax::ast::{self, AssertionKind, Ast, ClassSetBinaryOp, ClassSetItem, Span};
use regex_syntax::hir::translate::TranslatorBuilder;

use super::{PatternFault, Refused};

/// How deep groups and classes may be nested.
const NESTING_MAX: u32 = 100;

/// Checks that a pattern is understood, and that RabbitMQ understands the same.
pub(super) fn check(pattern: &str) -> Result<(), Refused> {
    let parsed = ast::parse::ParserBuilder::new().nest_limit(NESTING_MAX).build().parse(pattern);
    let parsed = parsed.map_err(|error| {
        let fault = match error.kind() {
            ast::ErrorKind::UnsupportedLookAround => PatternFault::LookAround,
            ast::ErrorKind::UnsupportedBackreference => PatternFault::Backreference,
            kind => PatternFault::Syntax { reason: kind.to_string() },
        };
        refused(error.span(), fault)
    })?;
    ast::visit(&parsed, SameInRabbitMq)?;
    // What has a syntax but no meaning on bytes: classes of Unicode.
    let mut translator = TranslatorBuilder::new().unicode(false).utf8(false).build();
    match translator.translate(pattern, &parsed) {
        Ok(_) => Ok(()),
        Err(error) => {
            let reason = error.kind().to_string();
            Err(refused(error.span(), PatternFault::Syntax { reason }))
        }
    }
}

/// Looks for what PCRE reads as something else.
struct SameInRabbitMq;

impl ast::Visitor for SameInRabbitMq {
    type Output = ();
    type Err = Refused;

    fn finish(self) -> Result<(), Refused> {
        Ok(())
    }

    fn visit_pre(&mut self, ast: &Ast) -> Result<(), Refused> {
        match ast {
            Ast::Repetition(outer) => match &*outer.ast {
                Ast::Repetition(_) => {
                    Err(ambiguous(&outer.op.span, "a quantifier after a quantifier", GROUP))
                }
                _ => Ok(()),
            },
            Ast::Flags(set) => check_flags(&set.flags),
            Ast::Group(group) => group.flags().map_or(Ok(()), check_flags),
            Ast::Literal(literal) => check_literal(literal),
            Ast::Assertion(assertion) => match assertion.kind {
                AssertionKind::StartLine
                | AssertionKind::EndLine
                | AssertionKind::StartText
                | AssertionKind::EndText
                | AssertionKind::WordBoundary
                | AssertionKind::NotWordBoundary => Ok(()),
                AssertionKind::WordBoundaryStart
                | AssertionKind::WordBoundaryEnd
                | AssertionKind::WordBoundaryStartAngle
                | AssertionKind::WordBoundaryEndAngle
                | AssertionKind::WordBoundaryStartHalf
                | AssertionKind::WordBoundaryEndHalf => {
                    Err(ambiguous(&assertion.span, "this word boundary", "write '\\b'"))
                }
            },
            _ => Ok(()),
        }
    }

    fn visit_class_set_item_pre(&mut self, item: &ClassSetItem) -> Result<(), Refused> {
        match item {
            ClassSetItem::Bracketed(class) => {
                Err(ambiguous(&class.span, "a class in a class", "write '\\[' for the character"))
            }
            ClassSetItem::Literal(literal) => check_literal(literal),
            _ => Ok(()),
        }
    }

    fn visit_class_set_binary_op_pre(&mut self, op: &ClassSetBinaryOp) -> Result<(), Refused> {
        let instead = "write '\\&', '\\-' or '\\~' for the character";
        Err(ambiguous(&op.span, "'&&', '--' or '~~' in a class", instead))
    }
}

const GROUP: &str = "write '(?:a+)+' for what is repeated twice";

/// Flags that both know; `x` would also take the spaces out of a user's name.
fn check_flags(flags: &ast::Flags) -> Result<(), Refused> {
    let unknown = flags.items.iter().find(|item| match item.kind {
        ast::FlagsItemKind::Negation => false,
        ast::FlagsItemKind::Flag(flag) => match flag {
            ast::Flag::CaseInsensitive
            | ast::Flag::MultiLine
            | ast::Flag::DotMatchesNewLine
            | ast::Flag::SwapGreed => false,
            ast::Flag::Unicode | ast::Flag::CRLF | ast::Flag::IgnoreWhitespace => true,
        },
    });
    match unknown {
        Some(item) => Err(ambiguous(&item.span, "this flag", "use 'i', 'm' and 's' only")),
        None => Ok(()),
    }
}

/// `\v` is one character here and a class of them there.
fn check_literal(literal: &ast::Literal) -> Result<(), Refused> {
    use ast::{LiteralKind, SpecialLiteralKind};
    if literal.kind == LiteralKind::Special(SpecialLiteralKind::VerticalTab) {
        return Err(ambiguous(&literal.span, "'\\v'", "write '\\x0b'"));
    }
    Ok(())
}

fn ambiguous(span: &Span, found: &'static str, instead: &'static str) -> Refused {
    refused(span, PatternFault::Ambiguous { found, instead })
}

fn refused(span: &Span, fault: PatternFault) -> Refused {
    Refused { offset: span.start.offset, fault }
}
