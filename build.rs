//! Has `wdk-build` set the linker up for a kernel driver where there is a kit: on a Windows host,
//! for Windows. Everywhere else the package is a library for the simulated kernel and needs
//! nothing.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    #[cfg(windows)]
    kit::main();
}

/// The work on a Windows host: only there does `wdk-build` exist.
#[cfg(windows)]
mod kit {
    use std::{env, panic, process};

    use wdk_build::{ConfigError, metadata::TryFromCargoMetadataError};

    /// How to get a kit: a build fetches nothing of it by itself.
    const HOW_TO_GET_A_KIT: &str = "\
any one of these brings a Windows Driver Kit:
        - the Enterprise WDK (EWDK) 10.0.26100: mount the image, run LaunchBuildEnv.cmd, build in that window
        - winget install Microsoft.WindowsSDK.10.0.26100
          winget install Microsoft.WindowsWDK.10.0.26100
        - nuget install Microsoft.Windows.WDK.x64 (10.0.26100.*), and WDKContentRoot set to its folder `c`
      docs/windows.md says more.";

    /// Configures the driver's build, or ends it with what is wrong and what to do about it.
    pub(super) fn main() {
        // A build for another system from Windows has no use for the kit.
        if env::var("CARGO_CFG_TARGET_OS").as_deref() != Ok("windows") {
            return;
        }
        // Some of what `wdk-build` needs it takes for granted and panics without. What it says is
        // useful, the stack of a build script is not.
        panic::set_hook(Box::new(|panic| {
            end(
                panic
                    .payload_as_str()
                    .unwrap_or("the build script panicked"),
                HOW_TO_GET_A_KIT,
            );
        }));
        // Unlike the configuration, this reports a missing kit as an error.
        let configured = wdk_build::detect_wdk_build_number()
            .and_then(|_| wdk_build::configure_wdk_binary_build());
        if let Err(error) = configured {
            end(&error.to_string(), help(&error));
        }
    }

    /// Ends the build with the reason and the help.
    fn end(reason: &str, help: &str) -> ! {
        eprintln!("error: vmbchan: {reason}\nhelp: {help}");
        process::exit(1)
    }

    /// What to do about an error of `wdk-build`.
    fn help(error: &ConfigError) -> &'static str {
        match error {
            ConfigError::WdkContentRootDetectionError | ConfigError::DirectoryNotFound { .. } => {
                HOW_TO_GET_A_KIT
            }
            ConfigError::WdkVersionStringFormatError { .. } => {
                "Version_Number and the folders in the kit's `Lib` are to read like 10.0.26100.0; unset Version_Number \
                 to have the newest one used"
            }
            ConfigError::StaticCrtNotEnabled => {
                "this repository's .cargo/config.toml sets it; RUSTFLAGS in the environment takes its place, so unset \
                 RUSTFLAGS or add `-C target-feature=+crt-static` to it"
            }
            ConfigError::TryFromCargoMetadataError(
                TryFromCargoMetadataError::MultipleWdkConfigurationsDetected { .. },
            ) => {
                "the sections [package.metadata.wdk.driver-model] and [workspace.metadata.wdk.driver-model] of \
                 Cargo.toml must be equal"
            }
            ConfigError::TryFromCargoMetadataError(_) => {
                "Cargo.toml needs a section [package.metadata.wdk.driver-model] with driver-type = \"KMDF\", \
                 kmdf-version-major and target-kmdf-version-minor"
            }
            ConfigError::MultipleWdkBuildCratesDetected { .. } => {
                "`cargo tree -i wdk-build` says what asks for the other version; `cargo update` may bring them together"
            }
            ConfigError::CargoMetadataError(_) | ConfigError::IoError(_) => {
                "`cargo metadata` must work in the repository's folder, and its target folder be inside of it: unset \
                 CARGO_TARGET_DIR"
            }
            _ => "docs/windows.md says how the driver is built",
        }
    }
}
