//! Sync components that mean harm. On wasm32 this crate is one component that can do every misdeed of the catalogue;
//! which one it does is written into it ([`MARK`]), so that each misdeed is a component of its own, with its own digest.
//! Elsewhere the crate is the list of the misdeeds, for the tests that name them.
//!
//! What Rust cannot be made to do (a `realloc` that lies, a case that the type does not have) is not here but written as
//! instructions, in `tests/end-to-end/tests/component/forge.rs`.

#[cfg(target_arch = "wasm32")]
mod guest;

/// What stands before the order within the component: `MARK`, then [`ORDER_BYTES`] bytes, ended by a zero byte.
pub const MARK: &[u8; 16] = b"hostile-order-1:";

/// What stands between the misdeed's name and its arguments: whatever else may be in them, this is not.
pub const SEPARATOR: char = '\u{1f}';

/// Bytes that an order may have.
pub const ORDER_BYTES: usize = 2_032;

/// Writes an order into the component; `None` where it has no place for one, or the order is too long.
#[must_use]
pub fn ordered(component: &[u8], misdeed: &str, arguments: &[&str]) -> Option<Vec<u8>> {
    let mut order = misdeed.to_owned();
    for argument in arguments {
        order.push(SEPARATOR);
        order.push_str(argument);
    }
    order.push('\0');
    let mut made = component.to_vec();
    let at = made.windows(MARK.len()).position(|window| window == MARK)?;
    let place = made.get_mut(at.checked_add(MARK.len())?..)?;
    let place = place.get_mut(..ORDER_BYTES)?.get_mut(..order.len())?;
    place.copy_from_slice(order.as_bytes());
    Some(made)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_takes_its_place_and_nothing_else() {
        let mut component = b"before".to_vec();
        component.extend(MARK);
        component.extend([b'.'; ORDER_BYTES]);
        component.extend(b"after");
        let made = ordered(&component, "infinite-loop", &["a", "b"]).unwrap();
        assert_eq!(made.len(), component.len());
        assert!(made.starts_with(b"beforehostile-order-1:infinite-loop\x1fa\x1fb\0...."));
        assert!(made.ends_with(b"..after"));
        assert_eq!(ordered(&component, &"x".repeat(ORDER_BYTES), &[]), None);
        assert_eq!(ordered(b"no place", "x", &[]), None);
    }
}
