//! A component file from outside: what it could do at most, and what it says of itself.

use std::fmt::Write as _;

use super::text::{BAD, FAINT, GOOD, STRONG, count, grouped, paint, shown};
use crate::plugin::{Manifest, Outside};

/// The file, and its own description where it could be asked.
pub fn plugin(origin: &str, outside: &Outside, manifest: Option<&Manifest>) -> String {
    let mut text = format!("{}\n", paint(STRONG, shown(origin)));
    let _ = writeln!(text, "  SHA-256  {}", outside.digest);
    let _ = writeln!(text, "  size     {} bytes", grouped(outside.size));
    let _ = writeln!(text, "\n{}", paint(STRONG, "Imports: all that it can reach"));
    for (import, allowed) in &outside.imports {
        if *allowed {
            let _ = writeln!(text, "  {} {}", paint(GOOD, "✓"), shown(import));
        } else {
            let _ = writeln!(
                text,
                "  {} {}  {}",
                paint(BAD, "✗"),
                shown(import),
                paint(BAD, "Groupcast gives this to no plugin")
            );
        }
    }
    if outside.imports.is_empty() {
        text.push_str("  nothing\n");
    }
    let _ = writeln!(text, "\n{}", paint(STRONG, "Exports"));
    for export in &outside.exports {
        let _ = writeln!(text, "  {}", shown(export));
    }
    if let Some(manifest) = manifest {
        described(&mut text, manifest);
    }
    text
}

fn described(text: &mut String, manifest: &Manifest) {
    let _ = writeln!(
        text,
        "\n{} {}",
        paint(
            STRONG,
            format!(
                "It says that it is {} {}",
                shown(&manifest.name),
                shown(&manifest.version)
            )
        ),
        paint(FAINT, "(nothing of this is granted by its saying so)")
    );
    let vendors: Vec<String> = manifest.vendors.iter().map(|vendor| shown(vendor)).collect();
    let _ = writeln!(text, "  writes to: {}", vendors.join(", "));
    for credential in &manifest.credentials {
        let _ = writeln!(
            text,
            "  needs {}: {}",
            shown(&credential.name),
            shown(&credential.purpose)
        );
        for scope in &credential.scopes {
            let _ = writeln!(text, "    {}", paint(FAINT, shown(scope)));
        }
    }
    if !manifest.egress.is_empty() {
        let _ = writeln!(
            text,
            "  makes {}:",
            count(
                manifest.egress.len() as u64,
                "kind of request",
                "kinds of requests"
            )
        );
    }
    for rule in &manifest.egress {
        let mut kind = String::from(if rule.writes { "writes" } else { "reads" });
        if rule.batch {
            kind.push_str(", batch");
        }
        let _ = writeln!(
            text,
            "    {:<6} {} {}  {}",
            shown(&rule.method),
            shown(&rule.credential),
            shown(&rule.path),
            paint(FAINT, kind)
        );
    }
}
