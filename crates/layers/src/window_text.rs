use ops::Window;

/// Writes the settings of a convolution as in `3x3, stride 2, padding 1`, without those that are the default.
pub fn conv_text(window: &Window) -> String {
    let stride = if window.stride == [1, 1] { String::new() } else { format!(", stride {}", axes(window.stride)) };
    kernel_text(window) + &stride + &padding_text(window)
}

/// Writes the settings of a pooling as in `3x3, stride 2, padding 1`, without a padding of 0.
pub fn pool_text(window: &Window) -> String {
    kernel_text(window) + &format!(", stride {}", axes(window.stride)) + &padding_text(window)
}

fn kernel_text(window: &Window) -> String {
    format!("{}x{}", window.kernel[0], window.kernel[1])
}

fn padding_text(window: &Window) -> String {
    if window.padding == [0, 0] { String::new() } else { format!(", padding {}", axes(window.padding)) }
}

/// Writes the values of both axes, once if they are equal.
fn axes([height, width]: [usize; 2]) -> String {
    if height == width { height.to_string() } else { format!("{height}x{width}") }
}
