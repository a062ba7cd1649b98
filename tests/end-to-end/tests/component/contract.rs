//! The component against its world, and the world against its readers.

use std::collections::BTreeSet;

use groupcast::plugin::{ALLOWED_IMPORTS, EMBEDDED, inspect};
use groupcast_guest::plan::part::Part;
use groupcast_tests::component;
use wit_parser::{Resolve, TypeDefKind, WorldItem};

use super::forge::wit;

fn world() -> (Resolve, BTreeSet<String>, BTreeSet<String>) {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir(wit()).unwrap();
    let world = resolve.select_world(&[package], Some("sync")).unwrap();
    let names = |items: &wit_parser::IndexMap<wit_parser::WorldKey, WorldItem>| {
        items
            .keys()
            .map(|key| resolve.name_world_key(key))
            .collect::<BTreeSet<_>>()
    };
    let imports = names(&resolve.worlds[world].imports);
    let exports = names(&resolve.worlds[world].exports);
    (resolve, imports, exports)
}

#[test]
fn the_component_imports_and_exports_what_its_world_names_and_nothing_else() {
    let (_, imports, exports) = world();
    assert!(
        imports.len() >= 12 && exports.len() == 1,
        "{imports:#?} {exports:#?}"
    );
    let (engine, _) = component();
    let outside = inspect(&engine, EMBEDDED, "the component").unwrap();

    let mut foreign = Vec::new();
    for (import, allowed) in &outside.imports {
        if !imports.contains(import) || !allowed {
            foreign.push(import.clone());
        }
    }
    assert_eq!(
        foreign,
        Vec::<String>::new(),
        "imports that world `sync` does not name"
    );
    assert_eq!(outside.exports.iter().cloned().collect::<BTreeSet<_>>(), exports);

    // The import section is the permission list: what can be asked of nobody cannot be misused.
    for absent in ["wasi:cli", "wasi:filesystem", "wasi:sockets", "wasi:random"] {
        assert!(
            !outside
                .imports
                .iter()
                .any(|(import, _)| import.starts_with(absent)),
            "{absent}"
        );
        assert!(
            !imports.iter().any(|import| import.starts_with(absent)),
            "{absent} in the world"
        );
    }
    // The component does use what makes it a sync, so that the list above was not of something else.
    for needed in [
        "wasi:http/outgoing-handler@",
        "groupcast:sync/plan-sink@",
        "groupcast:sync/ledger@",
    ] {
        assert!(
            outside
                .imports
                .iter()
                .any(|(import, _)| import.starts_with(needed)),
            "{needed}"
        );
    }
}

#[test]
fn the_host_allows_exactly_the_imports_of_the_world() {
    let (_, imports, _) = world();
    let named: BTreeSet<&str> = imports
        .iter()
        .map(|import| import.split('@').next().unwrap())
        .collect();
    assert_eq!(named, ALLOWED_IMPORTS.iter().copied().collect());
}

/// Names of the items of our own package without a doc comment.
fn bare(resolve: &Resolve) -> Vec<String> {
    let mut bare = Vec::new();
    let mut look = |documented: bool, name: String| {
        if !documented {
            bare.push(name);
        }
    };
    let (_, package) = resolve
        .packages
        .iter()
        .find(|(_, package)| package.name.namespace == "groupcast")
        .unwrap();
    for (name, id) in &package.worlds {
        look(!resolve.worlds[*id].docs.is_empty(), format!("world {name}"));
    }
    for (interface, id) in &package.interfaces {
        let found = &resolve.interfaces[*id];
        look(!found.docs.is_empty(), format!("interface {interface}"));
        for (name, function) in &found.functions {
            look(!function.docs.is_empty(), format!("{interface}.{name}"));
        }
        for (name, id) in &found.types {
            let ty = &resolve.types[*id];
            // What `use` brings in is documented where it is defined.
            if let TypeDefKind::Type(wit_parser::Type::Id(_)) = ty.kind {
                continue;
            }
            look(!ty.docs.is_empty(), format!("{interface}.{name}"));
            let members: Vec<(&str, bool)> = match &ty.kind {
                TypeDefKind::Record(record) => record
                    .fields
                    .iter()
                    .map(|field| (&*field.name, field.docs.is_empty()))
                    .collect(),
                TypeDefKind::Variant(variant) => variant
                    .cases
                    .iter()
                    .map(|case| (&*case.name, case.docs.is_empty()))
                    .collect(),
                TypeDefKind::Enum(cases) => cases
                    .cases
                    .iter()
                    .map(|case| (&*case.name, case.docs.is_empty()))
                    .collect(),
                TypeDefKind::Flags(flags) => flags
                    .flags
                    .iter()
                    .map(|flag| (&*flag.name, flag.docs.is_empty()))
                    .collect(),
                _ => Vec::new(),
            };
            for (member, bare) in members {
                look(!bare, format!("{interface}.{name}.{member}"));
            }
        }
    }
    bare
}

#[test]
fn every_item_of_the_wit_is_documented() {
    let (resolve, _, _) = world();
    assert_eq!(bare(&resolve), Vec::<String>::new());
}

#[test]
fn an_item_without_documentation_would_be_found() {
    let mut resolve = Resolve::default();
    let text = "package groupcast:x;\n/// A.\ninterface a {\n/// R.\nrecord r { f: u8 }\ng: func();\n}";
    resolve.push_source("x.wit", text).unwrap();
    assert_eq!(bare(&resolve), ["a.g", "a.r.f"]);
}

#[test]
fn the_published_schema_of_a_plan_part_is_current() {
    let path = wit().join("plan-part.schema.json");
    let current = serde_json::to_string_pretty(&schemars::schema_for!(Part)).unwrap() + "\n";
    if std::env::var_os("GROUPCAST_WRITE_SCHEMA").is_some() {
        std::fs::write(&path, &current).unwrap();
    }
    let published = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        published == current,
        "run this test with GROUPCAST_WRITE_SCHEMA=1 and commit {}",
        path.display()
    );
}

#[test]
fn the_component_lies_beside_the_programs_for_other_hosts_to_load() {
    let program = std::env::current_exe().unwrap();
    // target/<profile>/deps/component-… → target/<profile>/groupcast.wasm
    let file = program.ancestors().nth(2).unwrap().join("groupcast.wasm");
    let bytes = std::fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    assert!(
        bytes == EMBEDDED,
        "{} is not the component that the programs carry",
        file.display()
    );
}
