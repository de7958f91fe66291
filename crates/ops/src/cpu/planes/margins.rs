/// Returns `len` values from `start` on, with `margin` arbitrary values before and after them: a slice of `values`
/// where it reaches far enough, a copy in `scratch` elsewhere.
#[inline(always)]
pub fn with_margins<'a>(
    values: &'a [f32],
    start: usize,
    len: usize,
    margin: usize,
    scratch: &'a mut [f32],
) -> &'a [f32] {
    if margin <= start && start + len + margin <= values.len() {
        return &values[start - margin..start + len + margin];
    }
    scratch[margin..margin + len].copy_from_slice(&values[start..start + len]);
    scratch
}
