//! Every template over words that try to break it: names with markup, from right to left, and far too long. With
//! `GROUPCAST_GALLERY=folder` the pages are written there, to be looked at without a service.

use std::path::Path;

mod directory;
mod settings;
mod start;
mod words;
mod work;

fn all() -> Vec<(&'static str, String)> {
    let rooms = [
        start::rendered(),
        directory::rendered(),
        work::rendered(),
        settings::rendered(),
    ];
    rooms.into_iter().flatten().collect()
}

#[test]
fn no_words_become_markup_and_nothing_in_a_page_needs_a_looser_content_policy() {
    let pages = all();
    if let Some(folder) = std::env::var_os("GROUPCAST_GALLERY") {
        write(Path::new(&folder), &pages);
    }
    for (name, html) in &pages {
        assert!(!html.contains("<script>") && !html.contains("<b>Sales"), "{name}");
        assert!(!html.contains("style=") && !html.contains("<style"), "{name}");
        assert!(!html.contains("\u{202e}"), "{name}");
        // An attribute that would run something stands outside a quoted or escaped text only as ours, and there is none.
        for tag in html
            .split('<')
            .skip(1)
            .filter_map(|rest| rest.split_once('>'))
            .map(|(tag, _)| tag)
        {
            let runs = |word: &str| word.starts_with("on") && word.contains('=') && !word.contains("&#");
            assert!(!tag.split_whitespace().any(runs), "{name}: <{tag}>");
        }
        for script in html.split("<script").skip(1) {
            assert!(script.starts_with(" src=\"/assets/"), "{name}");
        }
    }
}

#[test]
fn every_field_has_a_label_and_every_id_is_there_once() {
    for (name, html) in &all() {
        let ids: Vec<&str> = html
            .split(" id=\"")
            .skip(1)
            .filter_map(|rest| rest.split('"').next())
            .collect();
        let mut once = ids.clone();
        once.sort_unstable();
        once.dedup();
        assert_eq!(once.len(), ids.len(), "{name}: an id is there twice: {ids:?}");
        for field in ["<input", "<select", "<textarea"]
            .iter()
            .flat_map(|kind| html.split(kind).skip(1))
        {
            let tag = field.split('>').next().unwrap_or_default();
            if tag.contains("type=\"hidden\"")
                || tag.contains("type=\"checkbox\"")
                || tag.contains("type=\"radio\"")
            {
                continue;
            }
            let id = tag.split(" id=\"").nth(1).and_then(|rest| rest.split('"').next());
            let id = id.unwrap_or_else(|| panic!("{name}: a field without an id: {tag}"));
            assert!(
                html.contains(&format!("for=\"{id}\"")),
                "{name}: no label for {id}"
            );
        }
    }
}

#[test]
fn posting_forms_carry_the_form_token() {
    for (name, html) in &all() {
        for form in html
            .split("<form")
            .skip(1)
            .filter_map(|rest| rest.split("</form>").next())
        {
            if form
                .split('>')
                .next()
                .unwrap_or_default()
                .contains("method=\"post\"")
            {
                assert!(form.contains("name=\"csrf\" value=\"abc-123\""), "{name}: {form}");
            }
        }
    }
}

fn write(folder: &Path, pages: &[(&str, String)]) {
    std::fs::create_dir_all(folder.join("assets")).unwrap();
    for name in [
        "console.css",
        "console.js",
        "htmx.min.js",
        "sse.min.js",
        "favicon.svg",
    ] {
        let path = crate::console::assets::path(name);
        let asset = crate::console::assets::at(path).unwrap();
        std::fs::write(folder.join(path.trim_start_matches('/')), asset.content).unwrap();
    }
    for (name, html) in pages {
        std::fs::write(folder.join(format!("{name}.html")), html).unwrap();
    }
}
