//! The tests on other processors, with Debian's cross compilers and emulators.
//!
//! Debian packages standard libraries for other architectures, and their source, together with the compiler that they
//! belong to. So it is Debian's compiler that builds here, whatever toolchain runs this program.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

use crate::{Result, files};

/// A target and what is needed for it.
struct Target {
    /// As it is named on the command line.
    name: &'static str,
    triple: &'static str,
    /// The Debian architecture that the standard library's package is of, if not this machine's.
    architecture: Option<&'static str>,
    /// Debian packages, each with a file that it brings.
    packages: &'static [(&'static str, &'static str)],
    linker: &'static str,
    flags: &'static [&'static str],
    /// The crates of the standard library to build, where Debian has no package of it.
    standard_library: Option<&'static str>,
    tests: Tests,
    processors: &'static [Processor],
}

/// Which tests a target runs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tests {
    /// All tests of the libraries but those in [`TOO_LONG`].
    Libraries,
    /// Those that need neither threads, nor processes, nor C: see [`write_package`].
    Portable,
}

/// One emulated processor.
struct Processor {
    name: &'static str,
    /// The command that runs a program.
    runner: &'static [&'static str],
    /// The best level of the kernels that it has.
    level: &'static str,
}

const RUSTC: &str = "/usr/bin/rustc";
const RUSTC_PACKAGE: (&str, &str) = ("rustc-web", RUSTC);
const SOURCE_PACKAGE: (&str, &str) = ("rust-web-src", "/usr/lib/rustlib/src/rust/library/Cargo.lock");

const TARGETS: [Target; 3] = [
    Target {
        name: "aarch64",
        triple: "aarch64-unknown-linux-gnu",
        architecture: Some("arm64"),
        packages: &[
            RUSTC_PACKAGE,
            (
                "libstd-rust-web-dev:arm64",
                "/usr/lib/rustlib/aarch64-unknown-linux-gnu",
            ),
            ("gcc-aarch64-linux-gnu", "/usr/bin/aarch64-linux-gnu-gcc"),
            ("libc6-dev-arm64-cross", "/usr/aarch64-linux-gnu/lib/libc.so"),
            ("qemu-user-static", "/usr/bin/qemu-aarch64-static"),
        ],
        linker: "aarch64-linux-gnu-gcc",
        flags: &[],
        standard_library: None,
        tests: Tests::Libraries,
        processors: &[
            Processor {
                name: "cortex-a53",
                runner: &[
                    "qemu-aarch64-static",
                    "-L",
                    "/usr/aarch64-linux-gnu",
                    "-cpu",
                    "cortex-a53",
                ],
                level: "neon",
            },
            Processor {
                name: "max",
                runner: &[
                    "qemu-aarch64-static",
                    "-L",
                    "/usr/aarch64-linux-gnu",
                    "-cpu",
                    "max",
                ],
                level: "neondot",
            },
        ],
    },
    Target {
        name: "s390x",
        triple: "s390x-unknown-linux-gnu",
        architecture: None,
        packages: &[
            RUSTC_PACKAGE,
            SOURCE_PACKAGE,
            ("gcc-s390x-linux-gnu", "/usr/bin/s390x-linux-gnu-gcc"),
            ("libc6-dev-s390x-cross", "/usr/s390x-linux-gnu/lib/libc.so"),
            ("qemu-user-static", "/usr/bin/qemu-s390x-static"),
        ],
        linker: "s390x-linux-gnu-gcc",
        flags: &[],
        standard_library: Some("std,test"),
        tests: Tests::Libraries,
        processors: &[Processor {
            name: "max",
            runner: &["qemu-s390x-static", "-L", "/usr/s390x-linux-gnu", "-cpu", "max"],
            level: "scalar",
        }],
    },
    Target {
        name: "wasm32",
        triple: "wasm32-wasip1",
        architecture: None,
        packages: &[
            RUSTC_PACKAGE,
            SOURCE_PACKAGE,
            ("lld-22", "/usr/bin/wasm-ld-22"),
            ("wasi-libc", "/usr/lib/wasm32-wasi/crt1-command.o"),
            ("nodejs", "/usr/bin/node"),
        ],
        linker: "wasm-ld-22",
        flags: &[
            "-Ctarget-feature=+simd128",
            "-Clink-self-contained=no",
            "-Lnative=/usr/lib/wasm32-wasi",
            "-Clink-arg=/usr/lib/wasm32-wasi/crt1-command.o",
            // Debian's library is from before the functions that join threads, which nothing calls here.
            "-Clink-arg=--unresolved-symbols=ignore-all",
        ],
        standard_library: Some("std,panic_abort,test"),
        tests: Tests::Portable,
        processors: &[Processor {
            name: "node",
            runner: &["node", "--no-warnings", WASI_RUNNER],
            level: "simd128",
        }],
    },
];

/// The libraries, of which all tests run where nothing else is said.
const LIBRARIES: [&str; 7] = [
    "czip-fixed",
    "czip-kernels",
    "czip-tokenizer",
    "czip-coder",
    "czip-container",
    "czip-model",
    "czip",
];

/// Tests over the conformance data that take an emulator hours. Traces, tokens and containers from there remain.
const TOO_LONG: [&str; 4] = [
    "every_file_opens_and_is_made_again",
    "threads_do_not_change_the_output",
    "a_level_above_the_context_is_lowered",
    "bench_texts_are_tokenized_as_by_the_regex_engine",
];

/// Stands for the path of [`WASI_SCRIPT`] in a runner.
const WASI_RUNNER: &str = "{wasi}";

/// Runs a WebAssembly program with the arguments, the variables and the files of this machine.
const WASI_SCRIPT: &str = "\
import { readFileSync } from 'node:fs';
import { WASI } from 'node:wasi';

const [program, ...args] = process.argv.slice(2);
const preopens = { '/': '/' };
const wasi = new WASI({ version: 'preview1', args: [program, ...args], env: process.env, preopens });
const module = await WebAssembly.compile(readFileSync(program));
process.exitCode = wasi.start(await WebAssembly.instantiate(module, wasi.getImportObject()));
";

/// Runs the tests for the target of that name on its processors; with `install`, first installs what they need.
pub(crate) fn run(name: &str, install: bool) -> Result<()> {
    let target = TARGETS.iter().find(|target| target.name == name).ok_or_else(|| {
        let known = TARGETS.map(|target| target.name).join(", ");
        format!("{name}: not a target of `cargo xtask cross`; known are {known}")
    })?;
    let missing = target.missing(Path::exists);
    if !missing.is_empty() {
        let commands = target.installation(&missing);
        if !install {
            return Err(explanation(target, &commands).into());
        }
        for command in &commands {
            succeed(Command::new(&command[0]).args(&command[1..]))?;
        }
    }

    let root = files::root();
    let folder =
        env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |folder| root.join(folder));
    let folder = folder.join("cross");
    fs::create_dir_all(&folder)?;
    let wasi = folder.join("wasi.mjs");
    fs::write(&wasi, WASI_SCRIPT)?;
    let manifest = match target.tests {
        Tests::Libraries => root.join("Cargo.toml"),
        Tests::Portable => write_package(&root, &folder)?,
    };
    for processor in target.processors {
        let start = Instant::now();
        let wasi = wasi
            .to_str()
            .ok_or("path of the target folder that is no Unicode")?;
        let runner: Vec<&str> = processor
            .runner
            .iter()
            .map(|&word| if word == WASI_RUNNER { wasi } else { word })
            .collect();
        let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo
            .args(target.arguments(&runner))
            .arg("--manifest-path")
            .arg(&manifest)
            .arg("--target-dir")
            .arg(&folder)
            .args(target.selection())
            .current_dir(&root)
            .env("RUSTC", RUSTC)
            .env("RUSTDOC", "/usr/bin/rustdoc")
            .env(format!("CC_{}", target.triple.replace('-', "_")), target.linker)
            .env("CZIP_EXPECT_LEVEL", processor.level)
            // The libraries of the toolchain that runs this program are not those of Debian's compiler.
            .env_remove("LD_LIBRARY_PATH")
            // This would replace the flags of the target.
            .env_remove("RUSTFLAGS")
            .env_remove("CARGO_ENCODED_RUSTFLAGS");
        if target.standard_library.is_some() {
            cargo.env("RUSTC_BOOTSTRAP", "1");
        }
        succeed(&mut cargo)?;
        println!(
            "cross: {name} on {}, best level {}: passed in {} s",
            processor.name,
            processor.level,
            start.elapsed().as_secs()
        );
    }
    Ok(())
}

impl Target {
    /// The packages whose file is not there.
    fn missing(&self, exists: impl Fn(&Path) -> bool) -> Vec<&'static str> {
        let missing = self.packages.iter().filter(|(_, file)| !exists(Path::new(file)));
        missing.map(|&(package, _)| package).collect()
    }

    /// The commands that install packages.
    fn installation(&self, packages: &[&str]) -> Vec<Vec<String>> {
        let words = |command: &str| command.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let mut commands = Vec::new();
        if let Some(architecture) = self.architecture {
            commands.push(words(&format!("dpkg --add-architecture {architecture}")));
        }
        commands.push(words("apt-get update"));
        let packages = packages.join(" ");
        commands.push(words(&format!(
            "apt-get install --yes --no-install-recommends {packages}"
        )));
        commands
    }

    /// What cargo needs to know of the target.
    fn arguments(&self, runner: &[&str]) -> Vec<String> {
        let mut arguments = vec!["test".to_owned(), "--target".to_owned(), self.triple.to_owned()];
        arguments.extend(
            self.standard_library
                .map(|crates| format!("-Zbuild-std={crates}")),
        );
        // Debug formatting of plain strings is the notation of TOML, too.
        for setting in [
            format!("linker={:?}", self.linker),
            format!("rustflags={:?}", self.flags),
            format!("runner={runner:?}"),
        ] {
            arguments.extend(["--config".to_owned(), format!("target.{}.{setting}", self.triple)]);
        }
        arguments
    }

    /// Which tests are to run.
    fn selection(&self) -> Vec<&'static str> {
        match self.tests {
            Tests::Libraries => {
                let packages = LIBRARIES.iter().flat_map(|&library| ["--package", library]);
                let skipped = TOO_LONG.iter().flat_map(|&test| ["--skip", test]);
                packages.chain(["--"]).chain(skipped).collect()
            }
            Tests::Portable => Vec::new(),
        }
    }
}

fn explanation(target: &Target, commands: &[Vec<String>]) -> String {
    let mut lines = format!(
        "packages are missing; `cargo xtask cross --install {}` runs, as root:",
        target.name
    );
    for command in commands {
        lines += "\n  ";
        lines += &command.join(" ");
    }
    lines
}

fn succeed(command: &mut Command) -> Result<()> {
    let status = command
        .status()
        .map_err(|error| format!("{command:?}: {error}"))?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("{command:?}: {status}").into())
    }
}

/// Writes a package with the tests that can run as WebAssembly, and returns the path of its manifest.
///
/// The development dependencies of the libraries cannot be built for it: proptest starts processes and criterion
/// threads. Here proptest is without that part, and nothing of these tests needs criterion.
fn write_package(root: &Path, folder: &Path) -> Result<PathBuf> {
    let folder = folder.join("wasm32");
    fs::create_dir_all(&folder)?;
    // The same versions of everything; cargo drops the rest.
    fs::copy(root.join("Cargo.lock"), folder.join("Cargo.lock"))?;
    fs::write(folder.join("lib.rs"), "")?;
    let manifest = folder.join("Cargo.toml");
    fs::write(&manifest, package_manifest(root))?;
    Ok(manifest)
}

fn package_manifest(root: &Path) -> String {
    let path = |path: &str| format!("{:?}", root.join(path));
    let mut manifest = "\
[package]
name = \"czip-wasm32\"
edition = \"2024\"

[workspace]

[lib]
path = \"lib.rs\"

[profile.dev]
opt-level = 2

[dependencies]
proptest = { version = \"1\", default-features = false, features = [\"std\"] }
serde_json = \"1\"
"
    .to_owned();
    for library in ["fixed", "kernels", "tokenizer", "vectors"] {
        let folder = path(&format!("crates/{library}"));
        manifest += &format!("czip-{library} = {{ path = {folder} }}\n");
    }
    for test in [
        "fixed/tests/tables",
        "kernels/tests/battery",
        "kernels/tests/levels",
        "tokenizer/tests/vectors",
    ] {
        let name = test.replace("/tests/", "-");
        let file = path(&format!("crates/{test}.rs"));
        manifest += &format!("\n[[test]]\nname = \"{name}\"\npath = {file}\n");
    }
    manifest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_packages_are_explained() {
        let target = &TARGETS[0];
        assert_eq!(target.missing(|_| true), [""; 0]);
        let missing =
            target.missing(|path| path != Path::new(RUSTC) && !path.ends_with("qemu-aarch64-static"));
        assert_eq!(missing, ["rustc-web", "qemu-user-static"]);
        let expected = "\
packages are missing; `cargo xtask cross --install aarch64` runs, as root:
  dpkg --add-architecture arm64
  apt-get update
  apt-get install --yes --no-install-recommends rustc-web qemu-user-static";
        assert_eq!(explanation(target, &target.installation(&missing)), expected);
        // The standard library is built from its source, which is of no architecture.
        assert_eq!(TARGETS[1].installation(&["rust-web-src"]).len(), 2);
    }

    #[test]
    fn arguments_name_linker_flags_and_runner() {
        let expected = [
            "test",
            "--target",
            "s390x-unknown-linux-gnu",
            "-Zbuild-std=std,test",
            "--config",
            "target.s390x-unknown-linux-gnu.linker=\"s390x-linux-gnu-gcc\"",
            "--config",
            "target.s390x-unknown-linux-gnu.rustflags=[]",
            "--config",
            "target.s390x-unknown-linux-gnu.runner=[\"qemu\", \"-L\", \"/a b\"]",
        ];
        assert_eq!(TARGETS[1].arguments(&["qemu", "-L", "/a b"]), expected);
    }

    #[test]
    fn unknown_targets_are_refused() {
        let expected = "sparc: not a target of `cargo xtask cross`; known are aarch64, s390x, wasm32";
        assert_eq!(run("sparc", false).unwrap_err().to_string(), expected);
    }
}
