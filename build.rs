//! Links the addon against Node, where it is built with its face.

fn main() {
    #[cfg(feature = "node")]
    {
        napi_build::setup();
        // On macOS a library says where it lies: by default that is the folder it was built in, on another machine.
        if std::env::var("CARGO_CFG_TARGET_VENDOR").as_deref() == Ok("apple") {
            println!("cargo:rustc-cdylib-link-arg=-Wl,-install_name,@rpath/slabcast.node");
        }
    }
}
