use candle_nn::VarBuilder;

/// The paths under which the parameters of the two parts of a network are stored, so that weights can be exchanged with
/// PyTorch.
///
/// ```
/// use models::Naming;
///
/// assert_eq!(Naming::VGG, Naming { backbone: "features", head: "classifier" });
/// let as_in_timm = Naming { backbone: "", head: "head.fc" };
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Naming {
    /// The path of the backbone; empty if its layers have no common path.
    pub backbone: &'static str,
    /// The path of the head.
    pub head: &'static str,
}

impl Naming {
    /// The paths `features` and `classifier`, as in torchvision's VGG, AlexNet and MobileNet.
    pub const VGG: Self = Self { backbone: "features", head: "classifier" };
    /// Layers without a common path (`conv1`, `layer1.0.conv1`, …) and the head `fc`, as in torchvision's ResNet.
    pub const RESNET: Self = Self { backbone: "", head: "fc" };
}

/// Descends to a path, which may be empty.
pub(crate) fn descend<'a>(vb: VarBuilder<'a>, path: &str) -> VarBuilder<'a> {
    if path.is_empty() { vb } else { vb.pp(path) }
}

/// Joins two paths with a dot. Either may be empty.
pub(crate) fn join(parent: &str, child: &str) -> String {
    let dot = if parent.is_empty() || child.is_empty() { "" } else { "." };
    format!("{parent}{dot}{child}")
}
