//! Files that are no sync component are refused before anything of them runs, with what is wrong with them.

use groupcast::plugin::{EMBEDDED, Plugin, PluginError};
use groupcast_tests::component;

use super::forge::Forgery;

fn refused(bytes: &[u8]) -> PluginError {
    let (engine, _) = component();
    match Plugin::from_bytes(&engine, bytes, "foreign.wasm") {
        Ok(_) => panic!("a foreign file was taken"),
        Err(error) => error,
    }
}

#[test]
fn what_is_no_component_is_named_for_what_it_is() {
    for (bytes, expected) in [
        (&b""[..], "no WebAssembly file"),
        (b"#!/bin/sh\necho hello\n", "no WebAssembly file"),
        (b"\0asm", "no valid component"),
        (b"\0asm\x01\0\0\0", "core module"),
        (&EMBEDDED[..EMBEDDED.len() / 2], "no valid component"),
    ] {
        let told = refused(bytes).to_string();
        assert!(
            told.starts_with("foreign.wasm: ") && told.contains(expected),
            "{expected}: {told}"
        );
    }
    let mut damaged = EMBEDDED.to_vec();
    let middle = damaged.len() / 2;
    damaged[middle..middle + 64].fill(0xff);
    assert!(matches!(refused(&damaged), PluginError::Invalid { .. }));
}

#[test]
fn a_file_that_is_too_large_is_not_compiled() {
    let mut large = EMBEDDED.to_vec();
    large.resize((32 << 20) + 1, 0);
    assert!(matches!(refused(&large), PluginError::TooLarge { .. }));
}

#[test]
fn a_component_that_asks_for_more_than_the_world_names_is_refused_with_what_it_asks_for() {
    let bytes = Forgery::of(
        "package hostile:plugin;
         world w {
           import wasi:filesystem/preopens@0.2.12;
           import wasi:random/random@0.2.12;
           import wasi:clocks/monotonic-clock@0.2.12;
           import groupcast:sync/state@0.1.0;
           export groupcast:sync/directory-sync@0.1.0;
         }",
    )
    .import("wasi:filesystem/preopens", "get-directories")
    .import("wasi:random/random", "get-random-u64")
    .import("wasi:clocks/monotonic-clock", "now")
    .build();
    let PluginError::ForeignImports { imports, .. } = refused(&bytes) else {
        panic!("{}", refused(&bytes));
    };
    assert!(
        imports
            .iter()
            .any(|import| import.starts_with("wasi:filesystem/preopens")),
        "{imports:?}"
    );
    assert!(
        imports
            .iter()
            .any(|import| import.starts_with("wasi:random/random")),
        "{imports:?}"
    );
    assert!(
        !imports.iter().any(|import| import.starts_with("wasi:clocks")),
        "{imports:?}"
    );

    // An interface that looks like one of ours and gives what no interface may.
    let world = "package groupcast:more; interface secrets { reveal: func() -> string; }
                 world w { import secrets; export groupcast:sync/directory-sync@0.1.0; }";
    let bytes = Forgery::of(world)
        .import("groupcast:more/secrets", "reveal")
        .build();
    let told = refused(&bytes).to_string();
    assert!(told.contains("groupcast:more/secrets"), "{told}");
}

#[test]
fn a_component_without_the_export_is_refused() {
    for world in [
        "package other:plugin; world w { export run: func(); }",
        "package other:plugin; interface directory-sync { describe: func() -> string; } world w { export directory-sync; }",
        // Another version of the package, as a plugin built for a later Groupcast would bring.
        "package groupcast:sync@0.9.0; interface directory-sync { describe: func() -> string; }
         world w { export directory-sync; }",
    ] {
        let error = refused(&Forgery::of(world).build());
        assert!(
            matches!(error, PluginError::MissingExport { .. }),
            "{world}: {error}"
        );
    }
}

#[test]
fn an_export_of_the_right_name_and_another_shape_is_refused() {
    let world = "package groupcast:sync@0.1.0;
                 interface directory-sync { describe: func() -> string; plan: func(); }
                 world w { export directory-sync; }";
    let error = refused(&Forgery::alone(world).build());
    assert!(matches!(error, PluginError::MissingExport { .. }), "{error}");
}

#[test]
fn an_import_of_another_version_is_refused() {
    let world = "package groupcast:sync@0.7.0;
                 interface state { get: func(key: string) -> u32; }
                 world w { import state; export groupcast:sync/directory-sync@0.1.0; }";
    let error = refused(
        &Forgery::of(world)
            .import("groupcast:sync/state@0.7.0", "get")
            .build(),
    );
    let told = error.to_string();
    assert!(
        matches!(error, PluginError::Invalid { .. }) && told.contains("groupcast:sync/state@0.7.0"),
        "{told}"
    );
}
