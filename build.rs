//! Links the addon against Node, where it is built with its face.

fn main() {
    #[cfg(feature = "node")]
    napi_build::setup();
}
