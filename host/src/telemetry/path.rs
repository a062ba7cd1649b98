//! The pattern of a request's path: what traces may show of it. IDs, addresses and queries stay out.

use std::sync::OnceLock;

/// What stands for a path that no rule of the built-in component knows.
const OTHER: &str = "other";

/// The pattern of a URL or path, such as `/v1.0/groups/{id}/members`; `other` where it is none that the built-in
/// component asks for. So a plugin that writes a secret into a path writes nothing into a trace.
pub fn template(url: &str) -> &'static str {
    static KNOWN: OnceLock<Vec<&'static str>> = OnceLock::new();
    let known = KNOWN.get_or_init(|| {
        let mut paths: Vec<_> = groupcast_guest::manifest::manifest()
            .egress
            .into_iter()
            .map(|rule| rule.path)
            .collect();
        // What is written out goes before what a placeholder stands for.
        paths.sort_unstable_by_key(|path| (path.matches('{').count(), *path));
        paths.dedup();
        paths
    });
    let path = path_of(url);
    known
        .iter()
        .find(|template| matches(template, path))
        .copied()
        .unwrap_or(OTHER)
}

/// A URL's path without its query.
fn path_of(url: &str) -> &str {
    let path = match url.split_once("://") {
        Some((_, rest)) => rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("/"),
        None => url,
    };
    path.split(['?', '#']).next().unwrap_or_default()
}

fn matches(template: &str, path: &str) -> bool {
    let (mut templates, mut segments) = (template.split('/'), path.split('/'));
    loop {
        match (templates.next(), segments.next()) {
            (None, None) => return true,
            (Some(template), Some(segment)) if fits(template, segment) => {}
            _ => return false,
        }
    }
}

fn fits(template: &str, segment: &str) -> bool {
    let Some((before, rest)) = template.split_once('{') else {
        return template == segment;
    };
    let after = rest.split_once('}').map_or("", |(_, after)| after);
    !segment.is_empty()
        && !segment.starts_with('$')
        && segment.len() >= before.len() + after.len()
        && segment.starts_with(before)
        && segment.ends_with(after)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_of_the_built_in_component_is_its_own_pattern() {
        for rule in groupcast_guest::manifest::manifest().egress {
            let path = rule.path.replace(['{', '}'], "");
            let url = format!("https://api.example:8443{path}?secret=alice%40example.com#x");
            let told = template(&url);
            assert!(matches(told, &path), "{url}: {told}");
            assert!(told.starts_with('/'), "{told}");
        }
    }

    #[test]
    fn what_is_not_known_shows_nothing() {
        for url in [
            "https://graph.microsoft.com/v1.0/users/alice@example.com/messages",
            "https://graph.microsoft.com/exfiltrated-secret",
            "https://graph.microsoft.com",
            "",
        ] {
            assert_eq!(template(url), OTHER, "{url}");
        }
    }
}
