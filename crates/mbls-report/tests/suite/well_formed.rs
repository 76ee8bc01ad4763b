//! A checker of the HTML that the page may contain: every tag closed in order, attributes quoted,
//! ids unique, references resolved.

use std::collections::BTreeSet;

const VOID: [&str; 2] = ["meta", "br"];

/// Panics with a description of the first fault.
pub(crate) fn check(html: &str) {
    let body = html.strip_prefix("<!DOCTYPE html>\n").expect("a document type");
    let mut open: Vec<String> = Vec::new();
    let (mut ids, mut references) = (BTreeSet::new(), BTreeSet::new());
    let mut rest = body;
    while let Some(start) = rest.find('<') {
        check_text(&rest[..start], open.last().map(String::as_str));
        let end = start + rest[start..].find('>').expect("a tag that ends");
        let tag = &rest[start + 1..end];
        rest = &rest[end + 1..];
        if tag == "script" || tag.starts_with("script ") {
            rest = rest.split_once("</script>").expect("the end of the script").1;
            continue;
        }
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(name), "closing tag out of order");
            continue;
        }
        let (tag, closed) = tag.strip_suffix('/').map_or((tag, false), |tag| (tag, true));
        let (name, attributes) = tag.split_once(' ').unwrap_or((tag, ""));
        assert!(!name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric()), "tag {tag:?}");
        for (key, value) in parse_attributes(attributes) {
            match key {
                "id" => assert!(ids.insert(value.to_string()), "id {value} twice"),
                "aria-labelledby" => references.extend(value.split(' ').map(str::to_string)),
                "href" if value.starts_with("data:text/csv;") => {}
                "href" => {
                    let target = value.strip_prefix('#').expect("a link in the page");
                    references.insert(target.to_string());
                }
                "src" => assert!(
                    value.starts_with("data:image/"),
                    "a source outside of the page: {value}"
                ),
                "style" | "onclick" => panic!("attribute {key}"),
                _ => {}
            }
        }
        if !closed && !VOID.contains(&name) {
            open.push(name.to_string());
        }
    }
    assert_eq!(rest, "\n", "text after the document");
    assert!(open.is_empty(), "never closed: {open:?}");
    let missing: Vec<&String> = references.difference(&ids).collect();
    assert!(missing.is_empty(), "references to nothing: {missing:?}");
}

/// Checks that there is no stray markup and that every ampersand starts an entity.
fn check_text(text: &str, element: Option<&str>) {
    if element == Some("style") {
        return;
    }
    assert!(!text.contains('>'), "stray > in {text:?}");
    for (at, _) in text.match_indices('&') {
        let known = ["&amp;", "&lt;", "&gt;", "&quot;", "&#39;"];
        assert!(known.iter().any(|entity| text[at..].starts_with(entity)), "bare & in {text:?}");
    }
    assert!(
        !text.chars().any(|c| c.is_control() && c != '\n' && c != '\t'),
        "control character in {text:?}"
    );
}

fn parse_attributes(mut text: &str) -> Vec<(&str, &str)> {
    let mut attributes = Vec::new();
    while !text.is_empty() {
        let (key, rest) =
            text.split_once("=\"").unwrap_or_else(|| panic!("attribute without quotes: {text:?}"));
        let (value, rest) =
            rest.split_once('"').unwrap_or_else(|| panic!("attribute without end: {text:?}"));
        assert!(
            key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'),
            "attribute name {key:?}"
        );
        check_text(value, None);
        attributes.push((key, value));
        text = rest.strip_prefix(' ').unwrap_or(rest);
    }
    attributes
}

#[test]
fn accepts_and_rejects() {
    check("<!DOCTYPE html>\n<p id=\"a\">1 &lt; 2<br><i class=\"b\"/></p>\n");
    for bad in [
        "<p><b></p></b>\n",
        "<p>\n",
        "</p>\n",
        "<p>a & b</p>\n",
        "<p>a > b</p>\n",
        "<p class=a></p>\n",
        "<p id=\"a\"></p><p id=\"a\"></p>\n",
        "<p aria-labelledby=\"a\"></p>\n",
        "<a href=\"elsewhere\"></a>\n",
        "<p></p>after\n",
    ] {
        let document = format!("<!DOCTYPE html>\n{bad}");
        assert!(std::panic::catch_unwind(|| check(&document)).is_err(), "{bad}");
    }
}
