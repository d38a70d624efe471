#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![deny(clippy::float_arithmetic)]
#![allow(clippy::print_stdout, reason = "a development task talks to its user")]

mod samples;

use std::{
    env, fs,
    io::{self, Write},
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use flate2::{Compression, write::ZlibEncoder};
use wasm_bindgen_cli_support::Bindgen;
use xtask::{Result, Unavailable, files};

const USAGE: &str = "usage: cargo xtask web [--install]";

const TARGET: &str = "wasm32-unknown-unknown";

/// The models that are shipped, from the root.
const MODELS: [&str; 2] = ["models/standard.czm", "models/fast.czm"];

/// Of the npm package: the file, and its source from the root.
const PACKAGE: [(&str, &str); 7] = [
    ("LICENSE", "LICENSE"),
    (
        "LICENSE-CC-BY-SA-4.0.txt",
        "crates/models/LICENSE-CC-BY-SA-4.0.txt",
    ),
    ("README.md", "crates/wasm/npm/README.md"),
    ("czip.d.ts", "crates/wasm/npm/czip.d.ts"),
    ("czip.js", "crates/wasm/npm/czip.js"),
    ("package.json", "crates/wasm/npm/package.json"),
    ("worker.js", "crates/wasm/npm/worker.js"),
];

/// What of the npm package the page uses.
const USED_BY_PAGE: [&str; 3] = ["czip.js", "worker.js", "wasm/czip_wasm.js"];

/// The page's own files, in `docs/demo`.
const PAGE: [&str; 4] = ["index.html", "style.css", "demo.js", "icon.svg"];

fn main() -> ExitCode {
    xtask::main(|arguments| match arguments {
        [] => build(false),
        ["--install"] => build(true),
        _ => Err(USAGE.into()),
    })
}

fn build(install: bool) -> Result<()> {
    provide_target(install)?;
    let root = files::root();
    let folder =
        env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |folder| root.join(folder));
    let (package, page) = (folder.join("npm"), folder.join("demo"));

    compile(&root)?;
    // A file that is no longer made must not stay.
    remove(&package)?;
    let module = folder.join(TARGET).join("web/czip_wasm.wasm");
    let mut bindgen = Bindgen::new();
    bindgen
        .input_path(module)
        .remove_name_section(true)
        .remove_producers_section(true)
        .web(true)
        .and_then(|bindgen| bindgen.typescript(false).generate(package.join("wasm")))
        .map_err(|error| format!("wasm-bindgen: {error:#}"))?;
    for (name, source) in PACKAGE {
        copy(&root.join(source), &package.join(name))?;
    }
    for model in MODELS {
        copy(&root.join(model), &package.join(model))?;
    }

    remove(&page)?;
    for name in USED_BY_PAGE {
        copy(&package.join(name), &page.join("czip").join(name))?;
    }
    for name in PAGE {
        copy(&root.join("docs/demo").join(name), &page.join(name))?;
    }
    let module = package.join("wasm/czip_wasm_bg.wasm");
    write(page.join("czip.wasm.deflate"), &deflated(&module)?)?;
    for model in MODELS {
        let contents = deflated(&root.join(model))?;
        write(page.join(format!("{model}.deflate")), &contents)?;
    }
    samples::write_all(&root, &page)?;
    for folder in [&package, &page] {
        println!("made {}", folder.display());
    }
    Ok(())
}

/// Makes sure that the compiler has its standard library for the target.
fn provide_target(install: bool) -> Result<()> {
    let has_target = || -> Result<bool> {
        let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
        let output = Command::new(rustc)
            .args(["--print", "target-libdir", "--target", TARGET])
            .output()?;
        let folder = String::from_utf8(output.stdout)?;
        Ok(output.status.success() && Path::new(folder.trim_end()).is_dir())
    };
    if has_target()? {
        return Ok(());
    }
    let command = format!("rustup target add {TARGET}");
    if !install {
        let message = format!("the compiler lacks {TARGET}; `cargo xtask web --install` runs `{command}`");
        return Err(Unavailable(message).into());
    }
    let added = Command::new("rustup").args(["target", "add", TARGET]).status();
    if !added.is_ok_and(|status| status.success()) || !has_target()? {
        return Err(Unavailable(format!("`{command}` does not help")).into());
    }
    Ok(())
}

fn compile(root: &Path) -> Result<()> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command
        .args([
            "build",
            "--quiet",
            "--locked",
            "--profile",
            "web",
            "--package",
            "czip-wasm",
            "--target",
            TARGET,
        ])
        .arg("--config")
        .arg(format!(
            "target.{TARGET}.rustflags=[\"-Ctarget-feature=+simd128\"]"
        ))
        .current_dir(root)
        // These would replace the flags of the target.
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS");
    let status = command
        .status()
        .map_err(|error| format!("{command:?}: {error}"))?;
    if !status.success() {
        return Err(format!("{command:?}: {status}").into());
    }
    Ok(())
}

fn remove(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(format!("{}: {error}", folder.display()).into())
        }
        _ => Ok(()),
    }
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    let made = to.parent().map_or(Ok(()), fs::create_dir_all);
    made.and_then(|()| fs::copy(from, to))
        .map_err(|error| format!("{} to {}: {error}", from.display(), to.display()))?;
    Ok(())
}

/// The bytes of a file, compressed: the page unpacks it, since not every server compresses what it sends.
fn deflated(path: &Path) -> Result<Vec<u8>> {
    let bytes = fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&bytes)?;
    Ok(encoder.finish()?)
}

/// Writes a file, and the folder that it is in.
fn write(path: PathBuf, contents: &[u8]) -> Result<()> {
    let made = path.parent().map_or(Ok(()), fs::create_dir_all);
    made.and_then(|()| fs::write(&path, contents))
        .map_err(|error| format!("{}: {error}", path.display()).into())
}
