//! Links between files and anchors.

use crate::{files, read, root, shown};
use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

/// The links of a document and the anchors of its headings.
struct Document {
    links: Vec<String>,
    anchors: HashSet<String>,
}

fn parse(text: &str) -> Document {
    let (mut links, mut anchors, mut seen) = (Vec::new(), HashSet::new(), HashMap::new());
    let mut heading: Option<String> = None;
    for event in Parser::new_ext(text, Options::ENABLE_TABLES) {
        match event {
            Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                links.push(dest_url.into_string());
            }
            Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
            Event::End(TagEnd::Heading(_)) => {
                let anchor = anchor(&heading.take().unwrap_or_default());
                let earlier: &mut usize = seen.entry(anchor.clone()).or_insert(0);
                let is_first = *earlier == 0;
                anchors.insert(if is_first { anchor } else { format!("{anchor}-{earlier}") });
                *earlier += 1;
            }
            Event::Text(part) | Event::Code(part) => {
                if let Some(heading) = &mut heading {
                    heading.push_str(&part);
                }
            }
            _ => {}
        }
    }
    Document { links, anchors }
}

/// The anchor that code hosts and mdBook give a heading: lower case, spaces as hyphens, without
/// punctuation.
fn anchor(heading: &str) -> String {
    heading
        .trim()
        .to_lowercase()
        .chars()
        .filter_map(|c| match c {
            ' ' => Some('-'),
            c if c.is_alphanumeric() || c == '-' || c == '_' => Some(c),
            _ => None,
        })
        .collect()
}

/// Says what is wrong with a link of the document at `path`.
fn problem(path: &Path, link: &str) -> Option<String> {
    if ["https://", "http://", "mailto:"].iter().any(|scheme| link.starts_with(scheme)) {
        return None;
    }
    let (file, fragment) = link.split_once('#').unwrap_or((link, ""));
    let target = if file.is_empty() {
        path.to_owned()
    } else {
        path.parent().expect("a file has a folder").join(file)
    };
    let Ok(target) = target.canonicalize() else {
        return Some(format!("{}: {link}: there is no such file", shown(path)));
    };
    if !target.starts_with(root().canonicalize().expect("the root")) {
        return Some(format!("{}: {link}: outside of the repository", shown(path)));
    }
    if fragment.is_empty() || target.extension().is_none_or(|ending| ending != "md") {
        return None;
    }
    let known = parse(&read(&target)).anchors;
    (!known.contains(fragment))
        .then(|| format!("{}: {link}: there is no such heading", shown(path)))
}

#[test]
fn links_lead_somewhere() {
    let mut problems = Vec::new();
    let mut links = 0;
    for path in files(&[".md"]) {
        for link in parse(&read(&path)).links {
            links += 1;
            problems.extend(problem(&path, &link));
        }
    }
    assert!(links > 50, "{links} links");
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn every_page_is_in_the_summary() {
    let docs = root().join("docs");
    let summary = parse(&read(&docs.join("SUMMARY.md"))).links;
    for (folder, prefix) in [(docs.clone(), ""), (docs.join("guide"), "guide/")] {
        for entry in std::fs::read_dir(&folder).expect("a folder of pages") {
            let name = entry.expect("an entry").file_name().to_string_lossy().into_owned();
            let page = format!("{prefix}{name}");
            if name.ends_with(".md") && name != "SUMMARY.md" {
                assert!(summary.contains(&page), "{page} is not in SUMMARY.md");
            }
        }
    }
}

#[test]
fn wrong_links_are_found() {
    let path: PathBuf = root().join("README.md");
    assert_eq!(problem(&path, "CONTRIBUTING.md"), None);
    for (link, part) in [
        ("no-such-file.md", "no such file"),
        ("CONTRIBUTING.md#no-such-heading", "no such heading"),
        ("#no-such-heading", "no such heading"),
        ("../", "outside"),
    ] {
        let found = problem(&path, link).expect(link);
        assert!(found.contains(part), "{found}");
    }
    assert_eq!(anchor("A `code` heading, with (signs)"), "a-code-heading-with-signs");
}
