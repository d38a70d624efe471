//! The tests on other processors, with Debian's cross compilers and emulators.
//!
//! Debian packages standard libraries for other architectures, and their source, together with the compiler that they
//! belong to. So it is Debian's compiler that builds here, whatever toolchain runs this program.
//!
//! What is built is a separate package, written below the target folder, that names the tests of the libraries as its
//! own: without criterion and such, which take longer to build than all else, and do not build everywhere.

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fmt, fs,
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

use serde_json::Value;

use crate::{
    Result, Unavailable, files,
    metadata::{array, metadata, string},
};

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
    /// Whether programs can have threads and C, and the tests of [`WHOLE`] run as well.
    whole: bool,
    processors: &'static [Processor],
}

/// One emulated processor.
struct Processor {
    name: &'static str,
    /// The command that runs a program.
    runner: &'static [&'static str],
    /// The best instruction set of the kernels that it has.
    instruction_set: &'static str,
}

const RUSTC: &str = "/usr/bin/rustc";
const RUSTC_PACKAGE: (&str, &str) = ("rustc-web", RUSTC);
const SOURCE_PACKAGE: (&str, &str) = ("rust-web-src", "/usr/lib/rustlib/src/rust/library/Cargo.lock");

/// The C library is linked in. An emulator would look for it in several places, and a loader and a library of different
/// versions make a program that hangs.
const STATIC: &str = "-Ctarget-feature=+crt-static";

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
            ("libc6-dev-arm64-cross", "/usr/aarch64-linux-gnu/lib/libc.a"),
            ("qemu-user-static", "/usr/bin/qemu-aarch64-static"),
        ],
        linker: "aarch64-linux-gnu-gcc",
        flags: &[STATIC],
        standard_library: None,
        whole: true,
        processors: &[
            Processor {
                name: "cortex-a53",
                runner: &["qemu-aarch64-static", "-cpu", "cortex-a53"],
                instruction_set: "neon",
            },
            Processor {
                name: "max",
                runner: &["qemu-aarch64-static", "-cpu", "max"],
                instruction_set: "neoni8mm",
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
            ("libc6-dev-s390x-cross", "/usr/s390x-linux-gnu/lib/libc.a"),
            ("qemu-user-static", "/usr/bin/qemu-s390x-static"),
        ],
        linker: "s390x-linux-gnu-gcc",
        flags: &[STATIC],
        standard_library: Some("std,test"),
        whole: true,
        processors: &[Processor {
            name: "max",
            runner: &["qemu-s390x-static", "-cpu", "max"],
            instruction_set: "scalar",
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
        whole: false,
        processors: &[Processor {
            name: "node",
            runner: &["node", "--no-warnings", WASI_RUNNER],
            instruction_set: "simd128",
        }],
    },
];

/// Test files, from the folder `crates`, that need neither threads nor C.
const PORTABLE: [&str; 6] = [
    "fixed/tests/tables.rs",
    "fixed/tests/norms.rs",
    "kernels/tests/instruction_sets.rs",
    "kernels/tests/battery/main.rs",
    "tokenizer/tests/vectors.rs",
    "tokenizer/tests/encode.rs",
];

/// Test files that need them.
const WHOLE: [&str; 11] = [
    "coder/tests/it/main.rs",
    "container/tests/it/main.rs",
    "model/tests/it/vectors.rs",
    "model/tests/it/window.rs",
    "model/tests/it/traces.rs",
    "model/tests/it/v2/mod.rs",
    "model/tests/it/v3/mod.rs",
    "mix/tests/it/main.rs",
    "czip/tests/it/vectors.rs",
    "czip/tests/conformance.rs",
    "czip/tests/it/nets.rs",
];

/// Dependencies of crates only for their benchmarks.
const NO_TEST_USES: [&str; 1] = ["criterion"];

/// Dependencies that are C, which no test of [`PORTABLE`] uses.
const NEEDS_C: [&str; 1] = ["zstd"];

/// Tests that take an emulator too long. Of the conformance data a sample of the files remains.
const TOO_LONG: [&str; 5] = [
    "every_file_opens_and_is_made_again",
    "threads_do_not_change_the_output",
    "a_level_above_the_context_is_lowered",
    "another_model_of_the_same_context_shows",
    "the_worst_text_fits_the_chunks_of_czip_v1",
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
///
/// The error is [`Unavailable`] if that is missing.
pub(crate) fn run(name: &str, install: bool) -> Result<()> {
    let target = TARGETS.iter().find(|target| target.name == name).ok_or_else(|| {
        let known = TARGETS.map(|target| target.name).join(", ");
        format!("{name}: not a target of `cargo xtask cross`; known are {known}")
    })?;
    target.provide(install)?;

    let root = files::root();
    let folder =
        env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |folder| root.join(folder));
    let folder = folder.join("cross");
    fs::create_dir_all(&folder)?;
    let wasi = folder.join("wasi.mjs");
    fs::write(&wasi, WASI_SCRIPT)?;
    let wasi = wasi
        .to_str()
        .ok_or("path of the target folder that is no Unicode")?;
    let manifest = write_package(target, &root, &folder)?;
    for processor in target.processors {
        let start = Instant::now();
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
            .args(["--", "--show-output"])
            .args(TOO_LONG.iter().flat_map(|&test| ["--skip", test]))
            .current_dir(&root)
            .env("RUSTC", RUSTC)
            .env(format!("CC_{}", target.triple.replace('-', "_")), target.linker)
            .env("CZIP_EXPECT_CPU", processor.instruction_set)
            // A ceiling set by the caller does not apply: here every instruction set is wanted.
            .env_remove("CZIP_CPU")
            // The libraries of the toolchain that runs this program are not those of Debian's compiler.
            .env_remove("LD_LIBRARY_PATH")
            // This would replace the flags of the target.
            .env_remove("RUSTFLAGS")
            .env_remove("CARGO_ENCODED_RUSTFLAGS");
        // Some tests look for the data from the folder of their package, which here is another.
        let shared = root.join("../shared");
        if env::var_os("CZIP_SHARED").is_none() && shared.is_dir() {
            cargo.env("CZIP_SHARED", shared);
        }
        if target.standard_library.is_some() {
            cargo.env("RUSTC_BOOTSTRAP", "1");
        }
        succeed(&mut cargo)?;
        println!(
            "cross: {name} on {}, best instruction set {}: passed in {} s",
            processor.name,
            processor.instruction_set,
            start.elapsed().as_secs()
        );
    }
    Ok(())
}

impl Target {
    /// Makes sure that the packages are there.
    fn provide(&self, install: bool) -> Result<()> {
        let mut missing = self.missing(Path::exists);
        if !missing.is_empty() {
            let commands = self.installation(&missing);
            if !install {
                return Err(Unavailable(explanation(self, &commands)).into());
            }
            for command in &commands {
                succeed(Command::new(&command[0]).args(&command[1..]))
                    .map_err(|error| Unavailable(error.to_string()))?;
            }
            missing = self.missing(Path::exists);
        }
        if !missing.is_empty() {
            let missing = missing.join(", ");
            return Err(Unavailable(format!("packages that lack the files wanted: {missing}")).into());
        }
        let version = Command::new(RUSTC).arg("--version").output()?.stdout;
        let version = String::from_utf8(version)?;
        if release(&version)? < release(concat!("rustc ", env!("CARGO_PKG_RUST_VERSION")))? {
            return Err(Unavailable(format!("{RUSTC} is too old: {version}")).into());
        }
        Ok(())
    }

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
        let mut arguments = ["test", "--release", "--target", self.triple]
            .map(str::to_owned)
            .to_vec();
        arguments.extend(
            self.standard_library
                .map(|crates| format!("-Zbuild-std={crates}")),
        );
        // Debug formatting of plain strings is also the notation of TOML.
        for setting in [
            format!("linker={:?}", self.linker),
            format!("rustflags={:?}", self.flags),
            format!("runner={runner:?}"),
        ] {
            arguments.extend(["--config".to_owned(), format!("target.{}.{setting}", self.triple)]);
        }
        arguments
    }

    /// The files of the tests.
    fn tests(&self) -> impl Iterator<Item = &'static str> {
        let more: &[&str] = if self.whole { &WHOLE } else { &[] };
        PORTABLE.iter().chain(more).copied()
    }
}

/// Major and minor version of a compiler that calls itself `rustc 1.89.0 (...)`.
fn release(version: &str) -> Result<(u32, u32)> {
    let mut parts = version
        .split_whitespace()
        .nth(1)
        .into_iter()
        .flat_map(|number| number.split('.'));
    let mut part = || parts.next().and_then(|part| part.parse().ok());
    part()
        .zip(part())
        .ok_or_else(|| format!("no version of rustc: {version}").into())
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

/// Writes the package with the target's tests, and returns the path of its manifest.
fn write_package(target: &Target, root: &Path, folder: &Path) -> Result<PathBuf> {
    let folder = folder.join(target.name);
    fs::create_dir_all(&folder)?;
    // The same versions of everything; cargo drops the rest.
    fs::copy(root.join("Cargo.lock"), folder.join("Cargo.lock"))?;
    fs::write(folder.join("lib.rs"), "")?;
    let manifest = folder.join("Cargo.toml");
    fs::write(&manifest, package_manifest(target, root, &metadata(root)?)?)?;
    Ok(manifest)
}

fn package_manifest(target: &Target, root: &Path, metadata: &Value) -> Result<String> {
    let mut manifest = "\
[package]
name = \"czip-cross\"
edition = \"2024\"

[workspace]

[lib]
path = \"lib.rs\"
test = false
doctest = false

[dependencies]
"
    .to_owned();
    for dependency in dependencies(target, array(&metadata["packages"])?)? {
        manifest += &dependency;
        manifest += "\n";
    }
    for test in target.tests() {
        let name = test
            .trim_end_matches(".rs")
            .replace("/tests/", "-")
            .replace('/', "-");
        let path = root.join("crates").join(test);
        manifest += &format!("\n[[test]]\nname = \"{name}\"\npath = {path:?}\n");
    }
    Ok(manifest)
}

/// What the target's tests may use, as lines of a manifest: the crates that they are of, and all that these depend on,
/// for tests or otherwise.
fn dependencies(target: &Target, packages: &[Value]) -> Result<Vec<String>> {
    let folders: BTreeSet<&str> = target.tests().filter_map(|test| test.split('/').next()).collect();
    let mut found = BTreeMap::new();
    for folder in folders {
        let manifest = Path::new("crates").join(folder).join("Cargo.toml");
        let package = packages
            .iter()
            .find(|package| {
                package["manifest_path"]
                    .as_str()
                    .is_some_and(|path| Path::new(path).ends_with(&manifest))
            })
            .ok_or_else(|| format!("no package has the manifest {}", manifest.display()))?;
        let name = string(&package["name"])?;
        let home = Path::new(string(&package["manifest_path"])?).parent();
        found.insert(name, Source::Folder(home.unwrap_or(Path::new("")).to_owned()));
        for dependency in array(&package["dependencies"])? {
            let name = string(&dependency["name"])?;
            if NO_TEST_USES.contains(&name) || !target.whole && NEEDS_C.contains(&name) {
                continue;
            }
            let source = Source::of(name, dependency)?;
            match found.get_mut(name) {
                Some(present) => present.add(source),
                None => drop(found.insert(name, source)),
            }
        }
    }
    Ok(found
        .iter()
        .map(|(name, source)| format!("{name} = {source}"))
        .collect())
}

/// Where a dependency comes from, and what of it is wanted.
enum Source {
    Folder(PathBuf),
    Registry {
        version: String,
        defaults: bool,
        features: BTreeSet<String>,
    },
}

impl Source {
    /// A dependency of a package in the output of `cargo metadata`.
    fn of(name: &str, dependency: &Value) -> Result<Self> {
        if let Some(path) = dependency["path"].as_str() {
            return Ok(Self::Folder(path.into()));
        }
        let features = array(&dependency["features"])?.iter();
        let mut features: BTreeSet<_> = features
            .map(|feature| Ok(string(feature)?.to_owned()))
            .collect::<Result<_>>()?;
        let mut defaults = dependency["uses_default_features"] == true;
        // With its usual features it starts processes, which not every target has.
        if name == "proptest" {
            defaults = false;
            features.insert("std".to_owned());
        }
        let version = string(&dependency["req"])?.to_owned();
        Ok(Self::Registry {
            version,
            defaults,
            features,
        })
    }

    /// Adds what another package wants of the same dependency. The version is that of the workspace for both.
    fn add(&mut self, other: Self) {
        if let (
            Self::Registry {
                defaults, features, ..
            },
            Self::Registry {
                defaults: more_defaults,
                features: more,
                ..
            },
        ) = (self, other)
        {
            *defaults |= more_defaults;
            features.extend(more);
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path) => write!(f, "{{ path = {path:?} }}"),
            Self::Registry {
                version,
                defaults,
                features,
            } => {
                let features: Vec<_> = features.iter().collect();
                write!(
                    f,
                    "{{ version = {version:?}, default-features = {defaults}, features = {features:?} }}"
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

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
            "--release",
            "--target",
            "s390x-unknown-linux-gnu",
            "-Zbuild-std=std,test",
            "--config",
            "target.s390x-unknown-linux-gnu.linker=\"s390x-linux-gnu-gcc\"",
            "--config",
            "target.s390x-unknown-linux-gnu.rustflags=[\"-Ctarget-feature=+crt-static\"]",
            "--config",
            "target.s390x-unknown-linux-gnu.runner=[\"qemu\", \"-L\", \"/a b\"]",
        ];
        assert_eq!(TARGETS[1].arguments(&["qemu", "-L", "/a b"]), expected);
    }

    #[test]
    fn compilers_are_compared_by_release() {
        assert_eq!(release("rustc 1.96.0 (ac68faa20 2026-05-25)").unwrap(), (1, 96));
        assert!(release("rustc 1.100.0").unwrap() > release("rustc 1.89").unwrap());
        assert_eq!(
            release("rustc").unwrap_err().to_string(),
            "no version of rustc: rustc"
        );
    }

    fn manifest_of(target: &Target) -> String {
        package_manifest(target, Path::new("/a b"), &metadata(&files::root()).unwrap()).unwrap()
    }

    #[test]
    fn the_package_has_the_tests_of_the_target() {
        let manifest = manifest_of(&TARGETS[0]);
        let test = "\n[[test]]\nname = \"coder-it-main\"\npath = \"/a b/crates/coder/tests/it/main.rs\"\n";
        assert_eq!(manifest.matches(test).count(), 1);
        assert_eq!(manifest.matches("[[test]]").count(), PORTABLE.len() + WHOLE.len());
        let manifest = manifest_of(&TARGETS[2]);
        assert_eq!(manifest.matches("[[test]]").count(), PORTABLE.len());
        assert!(!manifest.contains("zstd"));
    }

    #[test]
    fn the_package_has_what_tests_use() {
        let manifest = manifest_of(&TARGETS[0]);
        // Each of these is a dependency of only one crate: of its library, and of its tests.
        for name in ["xxhash-rust", "num-bigint"] {
            assert_eq!(manifest.matches(&format!("\n{name} = ")).count(), 1, "{name}");
        }
        assert!(!manifest.contains("criterion"));
    }

    #[test]
    fn dependencies_are_those_of_the_crates() {
        let package = |folder: &str, dependencies: Value| {
            json!({
                "name": format!("czip-{folder}"),
                "manifest_path": format!("/a b/crates/{folder}/Cargo.toml"),
                "dependencies": dependencies,
            })
        };
        let hash = |features: &[&str], defaults: bool| json!({ "name": "hash", "req": "^0.8", "features": features, "uses_default_features": defaults });
        let other =
            |name: &str| json!({ "name": name, "req": "^1", "features": [], "uses_default_features": true });
        let packages = [
            package(
                "fixed",
                json!([hash(&["a"], false), other("proptest"), other("criterion")]),
            ),
            package(
                "kernels",
                json!([hash(&["b"], true), { "name": "czip-own", "path": "/a b/crates/own" }]),
            ),
            package("tokenizer", json!([hash(&["a"], false), other("zstd")])),
            package("unused", json!([other("unused")])),
        ];
        let expected = [
            "czip-fixed = { path = \"/a b/crates/fixed\" }",
            "czip-kernels = { path = \"/a b/crates/kernels\" }",
            "czip-own = { path = \"/a b/crates/own\" }",
            "czip-tokenizer = { path = \"/a b/crates/tokenizer\" }",
            "hash = { version = \"^0.8\", default-features = true, features = [\"a\", \"b\"] }",
            "proptest = { version = \"^1\", default-features = false, features = [\"std\"] }",
        ];
        assert_eq!(dependencies(&TARGETS[2], &packages).unwrap(), expected);
        assert_eq!(
            dependencies(&TARGETS[0], &packages).unwrap_err().to_string(),
            "no package has the manifest crates/coder/Cargo.toml"
        );
    }

    #[test]
    fn every_test_file_is_there() {
        for path in PORTABLE.iter().chain(&WHOLE) {
            assert!(files::root().join("crates").join(path).is_file(), "{path}");
        }
    }

    #[test]
    fn unknown_targets_are_refused() {
        let expected = "sparc: not a target of `cargo xtask cross`; known are aarch64, s390x, wasm32";
        assert_eq!(run("sparc", false).unwrap_err().to_string(), expected);
    }
}
