//! Generates the declarations from the kit's own header where there is a kit: on a Windows host,
//! for Windows. Everywhere else the committed declarations are used and this does nothing.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(kmcl_sys_from_kit)");
    #[cfg(windows)]
    kit::main();
}

/// The work on a Windows host: only there do `wdk-build` and a kit exist.
#[cfg(windows)]
mod kit {
    use std::{
        env, fs, panic,
        path::{Path, PathBuf},
        process,
    };

    use bindgen::CodegenConfig;
    use wdk_build::{
        ApiSubset, BuilderExt, Config, ConfigError, metadata::TryFromCargoMetadataError,
    };

    /// The library's only header. The kit keeps it in `Include\<version>\km`.
    const HEADER: &str = "vmbuskernelmodeclientlibapi.h";

    /// How to get what is missing: a build fetches nothing of it by itself.
    const HOW_TO_GET_IT: &str = "\
help: the header is part of the Windows Driver Kit (WDK). Any one of these brings a kit:
        - the Enterprise WDK (EWDK) 10.0.26100: mount the image, run LaunchBuildEnv.cmd, build in that window
        - winget install Microsoft.WindowsSDK.10.0.26100
          winget install Microsoft.WindowsWDK.10.0.26100
        - nuget install Microsoft.Windows.WDK.x64 (10.0.26100.*), and WDKContentRoot set to its folder `c`
      bindgen needs libclang besides: winget install LLVM.LLVM, and LIBCLANG_PATH where it is not on the PATH.
      docs/windows.md says more.";

    /// Why there are no declarations.
    enum Failure {
        /// Something has to be installed or set first.
        Missing(String),
        /// Everything is there, and something of it does not work.
        Broken(String),
    }

    impl From<ConfigError> for Failure {
        fn from(error: ConfigError) -> Self {
            match error {
                ConfigError::WdkContentRootDetectionError => Self::Missing(format!(
                    "no Windows Driver Kit was found, so there is no {HEADER}"
                )),
                ConfigError::DirectoryNotFound { directory } => Self::Missing(format!(
                    "the Windows Driver Kit is incomplete: there is no folder {directory}"
                )),
                ConfigError::TryFromCargoMetadataError(
                    TryFromCargoMetadataError::NoWdkConfigurationsDetected,
                ) => Self::Broken(String::from(
                    "no package says which driver model to build for: the driver's Cargo.toml needs a section \
                     [package.metadata.wdk.driver-model] with driver-type = \"KMDF\"",
                )),
                other => Self::Broken(other.to_string()),
            }
        }
    }

    /// Generates the declarations, or ends the build with what is wrong and what to do about it.
    pub(super) fn main() {
        // A build for another system from Windows has no use for the kit.
        if env::var("CARGO_CFG_TARGET_OS").as_deref() != Ok("windows") {
            return;
        }
        // `wdk-build` panics where it finds no kit, `clang-sys` where it finds no libclang. What
        // they say is useful, the stack of a build script is not.
        panic::set_hook(Box::new(|panic| {
            let reason = panic
                .payload_as_str()
                .unwrap_or("the build script panicked");
            end(&Failure::Missing(String::from(reason)));
        }));
        if let Err(failure) = generate() {
            end(&failure);
        }
    }

    /// Ends the build with the reason, and with the help if something is missing.
    fn end(failure: &Failure) -> ! {
        match failure {
            Failure::Missing(what) => eprintln!("error: kmcl-sys: {what}\n{HOW_TO_GET_IT}"),
            Failure::Broken(what) => eprintln!("error: kmcl-sys: {what}"),
        }
        process::exit(1)
    }

    /// Writes the Rust declarations and the object with the interface's GUID to `OUT_DIR`.
    fn generate() -> Result<(), Failure> {
        for variable in [
            "WDKContentRoot",
            "MicrosoftKitRoot",
            "WDKKitVersion",
            "Version_Number",
        ] {
            println!("cargo::rerun-if-env-changed={variable}");
        }
        // Unlike the configuration below, this reports a missing kit as an error.
        wdk_build::detect_wdk_build_number()?;
        let config = Config::from_env_auto()?;
        let out_dir = env::var_os("OUT_DIR")
            .map(PathBuf::from)
            .ok_or_else(|| Failure::Broken(String::from("cargo did not set OUT_DIR")))?;

        let directories: Vec<_> = config.include_paths()?.collect();
        let header = find(&directories)?;
        println!("cargo::rerun-if-changed={}", header.display());

        // The header relies on the kernel's types without including them; they come first, as in a
        // driver.
        let before = config.bindgen_header_contents([ApiSubset::Base, ApiSubset::Wdf])?;
        declarations(
            &config,
            &before,
            &header,
            &out_dir.join("vmbuskernelmodeclientlibapi.rs"),
        )?;
        guid(&config, &before, directories, &out_dir.join("kmcl_guid.c"))?;

        println!("cargo::rustc-cfg=kmcl_sys_from_kit");
        Ok(())
    }

    /// Where the header is, or a failure that names it and every folder that does not hold it.
    fn find(directories: &[PathBuf]) -> Result<PathBuf, Failure> {
        directories
            .iter()
            .map(|directory| directory.join(HEADER))
            .find(|path| path.is_file())
            .ok_or_else(|| {
                let searched: Vec<_> = directories
                    .iter()
                    .map(|directory| directory.display().to_string())
                    .collect();
                Failure::Missing(format!(
                    "the kit has no {HEADER} in any of\n        {}",
                    searched.join("\n        ")
                ))
            })
    }

    /// Writes what the header itself declares, without what it includes: that is `wdk-sys`'s.
    fn declarations(
        config: &Config,
        before: &str,
        header: &Path,
        output: &Path,
    ) -> Result<(), Failure> {
        let generated = bindgen::Builder::wdk_default(config)?
            .with_codegen_config(CodegenConfig::TYPES | CodegenConfig::VARS)
            .header_contents("kmcl-input.h", &format!("{before}#include \"{HEADER}\"\n"))
            .allowlist_file("(?i).*vmbuskernelmodeclientlibapi.h")
            .allowlist_recursively(false)
            .generate()
            .map_err(|error| {
                Failure::Broken(format!("bindgen failed on {}: {error}", header.display()))
            })?
            .to_string();
        if !generated.contains("KMCL_CLIENT_INTERFACE_V1") {
            return Err(Failure::Missing(format!(
                "{} declares no KMCL_CLIENT_INTERFACE_V1: this kit is older than the table of functions, which came \
                 with Windows 10, version 1803 (10.0.17134)",
                header.display()
            )));
        }
        fs::write(output, generated).map_err(|error| not_written(output, &error))
    }

    /// Compiles a unit that defines the interface's GUID, which the header by itself only declares.
    fn guid(
        config: &Config,
        before: &str,
        directories: Vec<PathBuf>,
        unit: &Path,
    ) -> Result<(), Failure> {
        // `initguid.h` turns the declarations after it into definitions that a compiler may leave
        // out where nothing refers to them; hence the pointer.
        let text = format!(
            "{before}#include <initguid.h>\n#include \"{HEADER}\"\n\
             const GUID *const KmclSysClientInterfaceType = &KMCL_CLIENT_INTERFACE_TYPE;\n"
        );
        fs::write(unit, text).map_err(|error| not_written(unit, &error))?;
        let mut build = cc::Build::new();
        for (name, value) in config.preprocessor_definitions() {
            build.define(&name, value.as_deref());
        }
        build
            .includes(directories)
            .file(unit)
            .try_compile("kmcl_guid")
            .map_err(|error| {
                Failure::Broken(format!("cannot compile the interface's GUID: {error}"))
            })
    }

    /// The failure for a file that could not be written.
    fn not_written(path: &Path, error: &std::io::Error) -> Failure {
        Failure::Broken(format!("cannot write {}: {error}", path.display()))
    }
}
