//! Filters against tags, and filters that make no sense.

use alloc::string::String;

use super::*;

fn parse(text: &str) -> FilterNode<'_> {
    serde_json::from_str(text).expect("a filter")
}

fn is_for(filter: &str, tags: &[(&str, &str)]) -> bool {
    let filter = compile(&parse(filter)).expect(filter);
    let mut annotation = Vec::new();
    annotation::write(&mut annotation, None, tags);
    passes(&filter, &annotation)
}

#[test]
fn a_leaf_compares_one_tag() {
    for (cmp, values, passing, failing) in [
        ("eq", r#""val":"b""#, &["b"][..], &["", "B", "bb"][..]),
        ("eq", "", &[""], &["b"]),
        ("neq", r#""val":"b""#, &["", "bb"], &["b"]),
        ("in", r#""vals":["b","c"]"#, &["b", "c"], &["", "bc"]),
        ("nin", r#""vals":["b","c"]"#, &["", "bc"], &["b", "c"]),
        ("ex", "", &["", "b"], &[]),
        ("nex", "", &[], &["", "b"]),
        ("sw", r#""val":"ab""#, &["ab", "abc"], &["a", "xab"]),
        ("ew", r#""val":"ab""#, &["ab", "xab"], &["b", "abc"]),
        ("ct", r#""val":"ab""#, &["ab", "xabx"], &["ba", ""]),
        (
            "lt",
            r#""val":"10""#,
            &["9", "-11", "9.99"],
            &["10", "10.0", "x", ""],
        ),
        (
            "lte",
            r#""val":"10""#,
            &["9", "10.00", "+10"],
            &["10.01", "1e1"],
        ),
        (
            "gt",
            r#""val":"-1.5""#,
            &["-1.49", "0", "-0", "007"],
            &["-1.5", "-2", "."],
        ),
        (
            "gte",
            r#""val":"0.10""#,
            &["0.1", "00.1000", "1"],
            &["0.09", "-1", "1.", ".5"],
        ),
        ("gte", r#""val":"x""#, &[], &["x", "1"]),
        (
            "gt",
            r#""val":"99999999999999999999""#,
            &["100000000000000000000"],
            &["9"],
        ),
    ] {
        let comma = if values.is_empty() { "" } else { "," };
        let filter = alloc::format!(r#"{{"key":"k","cmp":"{cmp}"{comma}{values}}}"#);
        for value in passing {
            assert!(
                is_for(&filter, &[("a", "x"), ("k", value)]),
                "{filter} {value}"
            );
        }
        for value in failing {
            assert!(
                !is_for(&filter, &[("a", "x"), ("k", value)]),
                "{filter} {value}"
            );
        }
        let is_negative = matches!(cmp, "neq" | "nin" | "nex");
        assert_eq!(is_for(&filter, &[("a", "b")]), is_negative, "{filter}");
        assert_eq!(is_for(&filter, &[]), is_negative, "{filter}");
    }
}

#[test]
fn inner_nodes_combine_their_children() {
    let leaf = |key: &str| alloc::format!(r#"{{"key":"{key}","cmp":"ex"}}"#);
    let (a, b, c) = (leaf("a"), leaf("b"), leaf("c"));
    let and = alloc::format!(r#"{{"op":"and","nodes":[{a},{b},{c}]}}"#);
    let or = alloc::format!(r#"{{"op":"or","nodes":[{a},{b}]}}"#);
    let not = alloc::format!(r#"{{"op":"not","nodes":[{or}]}}"#);
    let mixed = alloc::format!(r#"{{"op":"and","nodes":[{not},{c}]}}"#);
    for set in 0..8_u8 {
        let names = ["a", "b", "c"].into_iter().enumerate();
        let tags: Vec<_> = names
            .filter(|&(bit, _)| set & (1 << bit) != 0)
            .map(|(_, name)| (name, "1"))
            .collect();
        let has = |bit: u8| set & (1 << bit) != 0;
        assert_eq!(is_for(&and, &tags), set == 7);
        assert_eq!(is_for(&or, &tags), has(0) || has(1));
        assert_eq!(is_for(&not, &tags), !(has(0) || has(1)));
        assert_eq!(is_for(&mixed, &tags), !(has(0) || has(1)) && has(2));
    }
}

#[test]
fn what_makes_no_sense_is_no_filter() {
    let leaf = r#"{"key":"a","cmp":"ex"}"#;
    for filter in [
        "{}".into(),
        r#"{"key":"a"}"#.into(),
        r#"{"cmp":"ex"}"#.into(),
        r#"{"key":"a","cmp":"like","val":"b"}"#.into(),
        r#"{"key":"a","cmp":"EQ","val":"b"}"#.into(),
        r#"{"key":"a","cmp":"eq","vals":["b"]}"#.into(),
        r#"{"key":"a","cmp":"in","val":"b"}"#.into(),
        r#"{"key":"a","cmp":"in"}"#.into(),
        r#"{"key":"a","cmp":"nin","val":"b","vals":["b"]}"#.into(),
        r#"{"key":"a","cmp":"ex","val":"b"}"#.into(),
        r#"{"key":"a","cmp":"nex","vals":["b"]}"#.into(),
        alloc::format!(r#"{{"op":"and","nodes":[{leaf}]}}"#),
        alloc::format!(r#"{{"op":"or","nodes":[{leaf}]}}"#),
        r#"{"op":"and"}"#.into(),
        r#"{"op":"not"}"#.into(),
        alloc::format!(r#"{{"op":"not","nodes":[{leaf},{leaf}]}}"#),
        alloc::format!(r#"{{"op":"xor","nodes":[{leaf},{leaf}]}}"#),
        alloc::format!(r#"{{"op":"not","key":"a","nodes":[{leaf}]}}"#),
        alloc::format!(r#"{{"key":"a","cmp":"ex","nodes":[{leaf}]}}"#),
        alloc::string::String::from(r#"{"op":"not","nodes":[{"op":"not"}]}"#),
    ] as [String; 20]
    {
        assert_eq!(compile(&parse(&filter)), None, "{filter}");
    }
}

#[test]
fn a_filter_is_short() {
    let of = |len: usize| {
        let text = alloc::format!(r#"{{"key":"a","cmp":"eq","val":"{}"}}"#, "x".repeat(len));
        compile(&parse(&text)).map(|filter| filter.len())
    };
    // Operator, key with its length, number of values, length of the value.
    let most = MAX_FILTER_BYTES - (1 + 3 + 2 + 2);
    assert_eq!(of(most), Some(MAX_FILTER_BYTES));
    assert_eq!(of(most + 1), None);
    assert_eq!(of(70_000), None);
}
