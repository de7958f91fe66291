//! Checked arithmetic of sizes. The options of an operator are numbers that a caller may choose freely, and a kernel
//! trusts the indices that follow from them, so every product of sizes is checked here before a kernel runs.

use candle_core::{Result, bail};

/// The number of values that are allocated without asking first whether there is memory for them.
const ALWAYS_FITS: usize = 1 << 26;

/// Returns the product of sizes, or fails if it is more than the number of values that an address space can hold. A size
/// of 0 does not hide that the others are too large. `what` names what has these sizes.
pub(crate) fn product(what: &str, sizes: &[usize]) -> Result<usize> {
    let bounded = sizes.iter().try_fold(1usize, |product, &size| product.checked_mul(size.max(1)));
    match bounded {
        Some(product) if product <= isize::MAX as usize / size_of::<f64>() => {
            Ok(if sizes.contains(&0) { 0 } else { product })
        }
        _ => bail!("{what} of {sizes:?} values is too large to be addressed; smaller sizes or paddings are possible"),
    }
}

/// Fails unless there is memory for as many f32 values as the product of the sizes: a failed allocation would end the
/// process. All operators of this crate check their results and buffers with it.
///
/// `what` names in the error what has these sizes.
///
/// # Errors
/// Fails if the product is too large for an address space, or if the system refuses so much memory.
///
/// # Example
///
/// ```
/// assert!(ops::check_memory("an image", &[3, 28, 28]).is_ok());
/// assert!(ops::check_memory("an image", &[3, usize::MAX, 28]).is_err());
/// ```
pub fn check_memory(what: &str, sizes: &[usize]) -> Result<()> {
    let len = product(what, sizes)?;
    if len > ALWAYS_FITS && Vec::<f32>::new().try_reserve_exact(len).is_err() {
        bail!("{what} of {sizes:?} values does not fit in memory; smaller sizes or paddings are possible")
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_that_wrap_are_errors() {
        assert_eq!(product("a block", &[2, 3, 4]).unwrap(), 24);
        assert_eq!(product("a block", &[]).unwrap(), 1);
        assert_eq!(product("a block", &[usize::MAX >> 4, 0]).unwrap(), 0);
        for sizes in [&[1 << 32, 1 << 32][..], &[1 << 32, 0, 1 << 32], &[usize::MAX, 2], &[usize::MAX]] {
            assert!(product("a block", sizes).is_err(), "{sizes:?}");
        }
    }

    #[test]
    fn sizes_beyond_any_memory_are_errors() {
        assert!(check_memory("a block", &[1 << 20]).is_ok());
        let error = check_memory("a block", &[1 << 30, 1 << 29]).unwrap_err().to_string();
        assert!(error.contains("does not fit in memory"), "{error}");
    }
}
