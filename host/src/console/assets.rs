//! Style, script and picture of the console: embedded, each under the hash of its content, so that a browser may keep it
//! for good and never shows an old one. What may not enter: anything that is fetched from elsewhere.

use std::sync::LazyLock;

use groupcast_guest::plan::part::sha256_hex;

/// An embedded file.
#[derive(Debug)]
pub struct Asset {
    /// What it is called in the sources.
    pub name: &'static str,
    /// Its path below the console's root.
    pub path: String,
    /// Media type.
    pub media_type: &'static str,
    /// Content.
    pub content: &'static [u8],
}

static ALL: LazyLock<Vec<Asset>> = LazyLock::new(|| {
    let script = "text/javascript; charset=utf-8";
    vec![
        asset(
            "console.css",
            "text/css; charset=utf-8",
            include_bytes!("assets/console.css"),
        ),
        asset("console.js", script, include_bytes!("assets/console.js")),
        asset("htmx.min.js", script, include_bytes!("assets/htmx.min.js")),
        asset("sse.min.js", script, include_bytes!("assets/sse.min.js")),
        asset(
            "favicon.svg",
            "image/svg+xml",
            include_bytes!("assets/favicon.svg"),
        ),
    ]
});

fn asset(name: &'static str, media_type: &'static str, content: &'static [u8]) -> Asset {
    let hash = sha256_hex(content);
    let hash = hash.get(..16).unwrap_or(&hash);
    let (stem, ending) = name.rsplit_once('.').unwrap_or((name, ""));
    Asset {
        name,
        path: format!("/assets/{stem}.{hash}.{ending}"),
        media_type,
        content,
    }
}

/// The path of an asset by its name in the sources; empty for one that there is not.
pub fn path(name: &str) -> &'static str {
    ALL.iter()
        .find(|one| one.name == name)
        .map_or("", |one| one.path.as_str())
}

/// The asset at a path.
pub fn at(path: &str) -> Option<&'static Asset> {
    ALL.iter().find(|one| one.path == path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_asset_is_found_by_its_content_and_by_nothing_else() {
        let style = at(path("console.css")).unwrap();
        assert_eq!(style.media_type, "text/css; charset=utf-8");
        assert!(style.path.contains(&sha256_hex(style.content)[..16]));
        assert!(at("/assets/console.css").is_none() && at("/assets/console.0.css").is_none());
    }

    #[test]
    fn nothing_is_fetched_from_elsewhere() {
        for asset in ALL.iter().filter(|one| one.name.starts_with("console.")) {
            let text = std::str::from_utf8(asset.content).unwrap();
            assert!(
                !text.contains("://") && !text.contains("@import") && !text.contains("url("),
                "{}",
                asset.name
            );
        }
    }
}
