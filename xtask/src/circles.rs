//! Which files of a crate use which, and those that do so in a circle.
//!
//! The sources of a crate by the names of their modules go in; the circles come out. A file uses another if it names
//! something in that, or something that a third file re-exports from it, outside of its unit tests. That a module
//! declares its children and re-exports what they have is no use. The reading of Rust is as rough as the purpose
//! allows: paths are found that begin with `crate`, `super`, `self` or the name of a child.

use std::collections::{BTreeMap, BTreeSet};
use std::iter::Peekable;

/// The modules of a crate, `a::b` or nothing for its root, and their sources.
pub(crate) type Modules = BTreeMap<String, String>;

/// The name of the module in a file, from its path below `src`. None for the root of a program.
pub(crate) fn module_name(path: &str) -> Option<String> {
    let path = path.strip_suffix(".rs")?;
    let path = path.strip_suffix("/mod").unwrap_or(path);
    match path {
        "lib" => Some(String::new()),
        "main" => None,
        _ if path.starts_with("bin/") => None,
        _ => Some(path.replace('/', "::")),
    }
}

/// Groups of modules that all use each other, directly or through others of the group.
pub(crate) fn circles(modules: &Modules) -> Vec<Vec<String>> {
    let parsed: BTreeMap<&str, Vec<Path>> = modules
        .iter()
        .map(|(name, source)| (name.as_str(), paths(source)))
        .collect();
    let uses: BTreeMap<&str, BTreeSet<&str>> = parsed
        .iter()
        .map(|(&name, paths)| {
            let own = paths.iter().filter(|path| !path.exported);
            let used = own.filter_map(|path| target(&parsed, name, &path.names, RE_EXPORTS));
            (name, used.filter(|&used| used != name).collect())
        })
        .collect();
    let reach: BTreeMap<&str, BTreeSet<&str>> = uses.keys().map(|&name| (name, reach(&uses, name))).collect();
    let mut circles = BTreeSet::new();
    for (&name, reached) in &reach {
        if reached.contains(name) {
            let group = reached.iter().filter(|&&other| reach[other].contains(name));
            circles.insert(group.map(|&other| other.to_owned()).collect());
        }
    }
    circles.into_iter().collect()
}

/// All modules that `start` uses, directly or through others.
fn reach<'m>(uses: &BTreeMap<&'m str, BTreeSet<&'m str>>, start: &str) -> BTreeSet<&'m str> {
    let mut reached = BTreeSet::new();
    let mut open = vec![start];
    while let Some(name) = open.pop() {
        for &used in &uses[name] {
            if reached.insert(used) {
                open.push(used);
            }
        }
    }
    reached
}

/// A path in a source.
#[derive(Debug, PartialEq, Eq)]
struct Path {
    names: Vec<String>,
    /// It is re-exported.
    exported: bool,
}

/// Re-exports in a row that are followed.
const RE_EXPORTS: usize = 4;

/// The module that has what a path in `module` names.
fn target<'m>(
    parsed: &BTreeMap<&'m str, Vec<Path>>,
    module: &str,
    names: &[String],
    re_exports: usize,
) -> Option<&'m str> {
    let mut place: Vec<&str> = module.split("::").filter(|name| !name.is_empty()).collect();
    let mut names = names;
    match names.first()?.as_str() {
        "crate" => {
            place.clear();
            names = &names[1..];
        }
        "self" => names = &names[1..],
        "super" => {
            while names.first().is_some_and(|name| name == "super") {
                place.pop();
                names = &names[1..];
            }
        }
        child => {
            let child = [&place[..], &[child]].concat().join("::");
            parsed.get_key_value(child.as_str())?;
        }
    }
    while let Some((name, rest)) = names.split_first()
        && parsed.contains_key([&place[..], &[name]].concat().join("::").as_str())
    {
        place.push(name);
        names = rest;
    }
    let (&found, paths) = parsed.get_key_value(place.join("::").as_str())?;
    let exporter = names.first().and_then(|name| {
        let mut exported = paths.iter().filter(|path| path.exported);
        exported.find(|path| path.names.last() == Some(name))
    });
    match exporter {
        Some(path) if re_exports > 0 => target(parsed, found, &path.names, re_exports - 1).or(Some(found)),
        _ => Some(found),
    }
}

/// The paths in a source that may lead to other modules of its crate.
fn paths(source: &str) -> Vec<Path> {
    let tokens = tokens(source);
    let mut paths = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let rest = &tokens[at..];
        at += match rest[0] {
            "use" => {
                // `pub use` or `pub(crate) use`.
                let exported = at > 0 && matches!(tokens[at - 1], "pub" | ")");
                let len = rest.iter().position(|&token| token == ";").unwrap_or(rest.len());
                tree(
                    &mut rest[1..len].iter().copied().peekable(),
                    &[],
                    exported,
                    &mut paths,
                );
                len
            }
            "crate" | "super" | "self" if rest.get(1) == Some(&"::") => {
                let colons_between = |(index, token): &(usize, &&str)| (**token == "::") == (index % 2 == 1);
                let path = rest.iter().enumerate().take_while(colons_between);
                let names: Vec<String> = path.step_by(2).map(|(_, name)| (*name).to_owned()).collect();
                let len = 2 * names.len() - 1;
                paths.push(Path {
                    names,
                    exported: false,
                });
                len
            }
            _ => 1,
        };
    }
    paths
}

/// The paths of a use tree, `a::{b, c::{self, d as e}}`.
fn tree<'s>(
    tokens: &mut Peekable<impl Iterator<Item = &'s str>>,
    prefix: &[String],
    exported: bool,
    paths: &mut Vec<Path>,
) {
    let mut names = prefix.to_vec();
    while let Some(token) = tokens.next_if(|token| !matches!(*token, "," | "}")) {
        match token {
            "::" => {}
            "{" => {
                while tokens.peek().is_some_and(|token| *token != "}") {
                    tree(&mut *tokens, &names, exported, paths);
                    tokens.next_if_eq(&",");
                }
                tokens.next();
                return;
            }
            "as" => {
                tokens.next();
            }
            "self" if !prefix.is_empty() => {}
            name => names.push(name.to_owned()),
        }
    }
    paths.push(Path { names, exported });
}

/// Names, `::` and single marks of a source, without comments, literals and unit tests.
fn tokens(source: &str) -> Vec<&str> {
    let mut rest = without_tests(source);
    let mut tokens = Vec::new();
    while let Some(first) = rest.chars().next() {
        let is_name = |c: char| c.is_alphanumeric() || c == '_';
        let name_len = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
        let (name, after) = rest.split_at(name_len);
        let skipped = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if matches!(name, "r" | "br") && (after.starts_with('"') || after.starts_with("#\"")) {
            raw_string_len(after) + name.len()
        } else if first == '"' {
            quoted_len(rest)
        } else if first == '\'' {
            // Or else it begins a lifetime.
            let is_character = rest[1..].starts_with('\\') || rest.chars().nth(2) == Some('\'');
            if is_character { quoted_len(rest) } else { 1 }
        } else {
            let len = match first {
                _ if name_len > 0 => name_len,
                ':' if rest.starts_with("::") => 2,
                _ => first.len_utf8(),
            };
            if !first.is_whitespace() {
                tokens.push(&rest[..len]);
            }
            len
        };
        rest = &rest[skipped..];
    }
    tokens
}

/// A source up to its unit tests, which stand at its end.
fn without_tests(source: &str) -> &str {
    let mut attributes = source.match_indices("\n#[cfg(");
    let tests = attributes.find(|&(at, _)| {
        let mut lines = source[at + 1..].lines();
        lines.next().is_some_and(|condition| condition.contains("test"))
            && lines.next().is_some_and(|module| module.starts_with("mod "))
    });
    tests.map_or(source, |(at, _)| &source[..at])
}

/// The length of a literal with the quotes around it.
fn quoted_len(text: &str) -> usize {
    let mut characters = text.char_indices();
    let quote = characters.next().map(|(_, quote)| quote);
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' => {
                characters.next();
            }
            _ if Some(character) == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// The length of a raw string after its `r`.
fn raw_string_len(text: &str) -> usize {
    let hashes = text.len() - text.trim_start_matches('#').len();
    let end = format!("\"{}", &text[..hashes]);
    let inner = &text[hashes + 1..];
    inner
        .find(&end)
        .map_or(text.len(), |at| hashes + 1 + at + end.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(modules: &[(&str, &str)]) -> Vec<String> {
        let modules = modules
            .iter()
            .map(|&(name, source)| (name.to_owned(), source.to_owned()))
            .collect();
        let circles = circles(&modules);
        circles.iter().map(|circle| circle.join(" ")).collect()
    }

    #[test]
    fn circles_are_found_however_files_name_each_other() {
        for uses in [
            "use crate::b::B;",
            "use crate::{c, b::{self, B as D}};",
            "use super::b;",
            "fn f() { crate::b::g(); }",
            "fn f() -> super::b::B {}",
            "macro_rules! m { () => { $crate::b::g!() } }",
            "const Q: char = '\"'; use crate::b; const R: char = '\"';",
            "fn f<'a>(x: &'a crate::b::B) {}",
            "pub(crate) use crate::b;\npub(super) fn f() { self::g(); super::b::h() }",
            // Through what the root re-exports.
            "use crate::B;",
        ] {
            let root = "mod a; mod b; mod c; pub use b::B;";
            let modules = [("", root), ("a", uses), ("b", "use crate::a;"), ("c", "")];
            assert_eq!(found(&modules), ["a b"], "{uses}");
        }
    }

    #[test]
    fn long_circles_are_one() {
        let modules = [
            ("a", "use crate::b;"),
            ("b", "use crate::c;"),
            ("c", "use crate::{a, d};"),
            ("d", ""),
            ("e", "use crate::f;"),
            ("f", "use super::e;"),
        ];
        assert_eq!(found(&modules), ["a b c", "e f"]);
    }

    #[test]
    fn a_parent_may_hand_on_what_children_have() {
        let parent = "mod child; mod other; pub(crate) use self::child::Child;";
        let other = "use super::Child; use crate::outside;";
        let child = "fn f() {}";
        let outside = "fn g() { crate::parent::h() }";
        let modules = [
            ("parent", parent),
            ("parent::child", child),
            ("parent::other", other),
            ("outside", outside),
        ];
        assert_eq!(found(&modules), [""; 0]);
        // But if it uses one that uses what it has itself, that is a circle.
        let parent = "mod child; use child::Child; fn h() {}";
        let modules = [("parent", parent), ("parent::child", "use super::h;")];
        assert_eq!(found(&modules), ["parent parent::child"]);
    }

    #[test]
    fn what_is_no_code_is_no_use() {
        for source in [
            "// use crate::b;",
            "/// [`crate::b`]",
            "const S: &str = \"\\\"use crate::b;\";",
            "const S: &str = r#\"\" use crate::b;\"#;",
            "pub(crate) fn f(&self) {}",
            "\n#[cfg(test)]\nmod tests { use crate::b; }",
            "\n#[cfg(unix)]\nmod a;\n\n#[cfg(all(test, unix))]\nmod tests {\n    use crate::b;\n}",
        ] {
            assert_eq!(
                found(&[("a", source), ("b", "use crate::a;")]),
                [""; 0],
                "{source}"
            );
        }
    }

    #[test]
    fn modules_are_named_by_their_files() {
        assert_eq!(module_name("lib.rs"), Some(String::new()));
        assert_eq!(module_name("a.rs"), Some("a".into()));
        assert_eq!(module_name("a/mod.rs"), Some("a".into()));
        assert_eq!(module_name("a/b.rs"), Some("a::b".into()));
        assert_eq!(module_name("main.rs"), None);
        assert_eq!(module_name("bin/a.rs"), None);
        assert_eq!(module_name("README.md"), None);
    }
}
