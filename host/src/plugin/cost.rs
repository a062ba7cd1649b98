//! What compiling a component would cost, told from its bytes before anything of it is compiled. Cranelift cannot be
//! interrupted, and its time and memory grow faster than a function does: what no honest component has is refused.

use wasmparser::{BinaryReaderError, Parser, Payload};

/// Bytes of one function. The bundled component's largest has a twentieth of it.
const LARGEST_FUNCTION: usize = 256 << 10;
/// Bytes of all functions.
const MOST_CODE: usize = 16 << 20;
/// Functions.
const MOST_FUNCTIONS: usize = 100_000;
/// Local variables of all functions, for each of which the compiler keeps books.
const MOST_LOCALS: u64 = 2_000_000;
/// Modules and components within each other and beside each other.
const MOST_MODULES: usize = 64;

/// What a component consists of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Cost {
    largest: usize,
    code: usize,
    functions: usize,
    locals: u64,
    modules: usize,
}

fn count(bytes: &[u8]) -> Result<Cost, BinaryReaderError> {
    let mut cost = Cost::default();
    for payload in Parser::new(0).parse_all(bytes) {
        match payload? {
            Payload::CodeSectionEntry(body) => {
                let size = body.as_bytes().len();
                cost.largest = cost.largest.max(size);
                cost.code = cost.code.saturating_add(size);
                cost.functions = cost.functions.saturating_add(1);
                for local in body.get_locals_reader()? {
                    cost.locals = cost.locals.saturating_add(u64::from(local?.0));
                }
            }
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => {
                cost.modules = cost.modules.saturating_add(1);
            }
            _ => {}
        }
    }
    Ok(cost)
}

/// Whether a component may be compiled.
///
/// # Errors
/// What is too much of it. Bytes that do not parse are nobody's concern here: compiling says what is wrong with them.
pub(super) fn judge(bytes: &[u8]) -> Result<(), String> {
    let Ok(cost) = count(bytes) else {
        return Ok(());
    };
    let over = |what: &str, found: u64, most: u64| {
        if found > most {
            return Err(format!(
                "{what}: {found}, where a component may have {most} at most, since compiling it would take too long"
            ));
        }
        Ok(())
    };
    over(
        "bytes of its largest function",
        cost.largest as u64,
        LARGEST_FUNCTION as u64,
    )?;
    over("bytes of code", cost.code as u64, MOST_CODE as u64)?;
    over("functions", cost.functions as u64, MOST_FUNCTIONS as u64)?;
    over("local variables", cost.locals, MOST_LOCALS)?;
    over(
        "modules and components within it",
        cost.modules as u64,
        MOST_MODULES as u64,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_component_is_far_from_every_bound() {
        let cost = count(super::super::EMBEDDED).unwrap();
        println!("{cost:?}");
        assert!(judge(super::super::EMBEDDED).is_ok());
        assert!(cost.largest * 4 < LARGEST_FUNCTION, "{cost:?}");
        assert!(cost.code * 4 < MOST_CODE, "{cost:?}");
        assert!(cost.functions * 4 < MOST_FUNCTIONS, "{cost:?}");
        assert!(cost.locals * 4 < MOST_LOCALS, "{cost:?}");
    }
}
