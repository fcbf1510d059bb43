use super::*;

fn pattern(text: &str) -> Pattern {
    Pattern::new(Permission::Read, text).unwrap()
}

fn refused(text: &str) -> PatternError {
    Pattern::new(Permission::Read, text).unwrap_err()
}

/// What Erlang's `re:run` says to the same (RabbitMQ 3.10.8's own).
#[test]
fn names_match_as_in_rabbitmq() {
    for (text, name) in [
        ("a", "banana"),
        ("^q", "queue"),
        ("e$", "queue"),
        (".*", ""),
        ("^(a|b)\\.x$", "b.x"),
        ("(?i)AB", "ab"),
        ("[[:alpha:]]", "a"),
        ("[\\w-]", "-"),
        ("^..$", "é"),
        ("é", "née"),
        ("]", "]"),
        ("[]a]", "]"),
        ("a??", "a"),
        ("\\Aa\\z", "a"),
        ("\\x41", "A"),
        ("(?s).", "\n"),
        ("(?m)^b", "a\nb"),
        ("(?<n>a)", "a"),
        ("^amq\\.gen-", "amq.gen-x"),
        ("(?:)", "x"),
    ] {
        assert!(pattern(text).matches(name), "{text} {name:?}");
    }
    for (text, name) in [("^q", "a q"), ("^q$", "qq"), ("^.$", "\n"), ("a.c", "ac"), ("\\d", "٣")]
    {
        assert!(!pattern(text).matches(name), "{text} {name:?}");
    }
}

#[test]
fn an_empty_pattern_is_found_in_nothing_but_an_empty_text() {
    assert!(!pattern("").matches("q"));
    assert!(pattern("").matches(""));
    assert!(!pattern("^$").matches("q"));
}

#[test]
fn a_line_end_is_not_the_end() {
    // Here RabbitMQ is laxer: its `$` matches before a last line end.
    assert!(!pattern("^q$").matches("q\n"));
    assert!(!pattern("").matches("\n"));
}

#[test]
fn what_linear_time_can_not_do_is_refused() {
    for (text, character) in [("a(?=b)", 2), ("^(?!b)", 2), ("(?<=a)b", 1), ("é(?<!a)b", 2)] {
        let error = refused(text);
        assert_eq!((error.fault(), error.character()), (&PatternFault::LookAround, character));
        assert_eq!(error.pattern(), text);
    }
    assert_eq!(*refused("(a)\\1").fault(), PatternFault::Backreference);
}

#[test]
fn what_rabbitmq_reads_otherwise_is_refused() {
    for (text, character) in [
        ("^a++ab$", 4),
        ("a*+", 3),
        ("a{2}{3}", 5),
        ("[a&&b]", 2),
        ("[a~~b]", 2),
        ("[a-z--b]", 2),
        ("[[a]b]", 2),
        ("\\<a", 1),
        ("a\\>", 2),
        ("\\b{start}a", 1),
        ("\\v", 1),
        ("[a\\v]", 3),
        ("(?x)a b", 3),
        ("(?R)a", 3),
        ("(?u:a)", 3),
    ] {
        let error = refused(text);
        let is_ambiguous = matches!(error.fault(), PatternFault::Ambiguous { .. });
        assert!(is_ambiguous && error.character() == character, "{text}: {error}");
        assert!(error.to_string().contains("means something else in RabbitMQ"), "{error}");
    }
    assert!(pattern("^(?:a+)+b$").matches("aab"));
}

#[test]
fn what_is_no_pattern_says_where() {
    for (text, character) in [
        ("a(b", 2),
        ("a)", 2),
        ("*a", 1),
        ("a{username}", 3),
        ("(?>a)", 3),
        ("\\pL", 1),
        ("[é]", 2),
    ] {
        let error = refused(text);
        let is_syntax = matches!(error.fault(), PatternFault::Syntax { .. });
        assert!(is_syntax && error.character() == character, "{text}: {error}");
    }
    assert_eq!(
        refused("a(b").to_string(),
        "the read pattern 'a(b' is refused at character 2: unclosed group"
    );
}

#[test]
fn a_large_pattern_is_refused_at_once() {
    let long = "a".repeat(PATTERN_MAX_BYTES + 1);
    assert_eq!(*refused(&long).fault(), PatternFault::TooLarge { max: PATTERN_MAX_BYTES });
    let large = "(?:(?:a{1000}){1000}){1000}";
    assert_eq!(*refused(large).fault(), PatternFault::TooLarge { max: COMPILED_MAX_BYTES });
    let deep = format!("{}a{}", "(".repeat(5000), ")".repeat(5000));
    assert!(matches!(refused(&deep).fault(), PatternFault::Syntax { .. }));
}

#[test]
fn what_would_backtrack_for_ever_is_matched() {
    assert!(!pattern("^(a|a)*$").matches(&format!("{}b", "a".repeat(250))));
    assert!(!pattern("(x+x+)+y").matches(&"x".repeat(255)));
}
