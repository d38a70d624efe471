//! Runs the fuzz targets of `crates/fuzz`, which a nightly compiler and cargo-fuzz build.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Instant,
};

use crate::{Result, Unavailable, files, metadata::stdout_of};

const PACKAGE: &str = "crates/fuzz";

/// Seconds for each target, if no other number is given.
const SECONDS: u32 = 10;

/// Seconds for one input, and megabytes of memory, that count as a fault.
const LIMITS: [&str; 2] = ["-timeout=25", "-rss_limit_mb=4096"];

/// What cargo-fuzz tells the address sanitizer: libraries that are linked twice are no fault.
const ASAN: (&str, &str) = ("ASAN_OPTIONS", "detect_odr_violation=0");

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
struct Job {
    install: bool,
    seconds: u32,
    targets: Vec<String>,
}

impl Job {
    fn parse(arguments: &[&str], known: &[String]) -> Result<Self> {
        let mut job = Self {
            install: false,
            seconds: SECONDS,
            targets: Vec::new(),
        };
        let mut arguments = arguments.iter();
        while let Some(&argument) = arguments.next() {
            match argument {
                "--install" => job.install = true,
                "--seconds" => {
                    let seconds = arguments.next().and_then(|seconds| seconds.parse().ok());
                    job.seconds = seconds
                        .filter(|&seconds| seconds > 0)
                        .ok_or("--seconds: wants a number of seconds, 1 or more")?;
                }
                target if known.iter().any(|known| known == target) => job.targets.push(target.to_owned()),
                other => {
                    let known = known.join(", ");
                    return Err(
                        format!("{other}: not a target of `cargo xtask fuzz`; known are {known}").into(),
                    );
                }
            }
        }
        if job.targets.is_empty() {
            job.targets = known.to_vec();
        }
        Ok(job)
    }
}

/// Builds all targets and runs those named, or all, for some seconds each. Whatever they find is an error.
///
/// The error is [`Unavailable`] if the compiler or cargo-fuzz is missing.
pub(crate) fn run(arguments: &[&str]) -> Result<()> {
    let root = files::root();
    let job = Job::parse(arguments, &targets(&root)?)?;
    provide(job.install)?;
    let host = host()?;
    let folder =
        env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |folder| root.join(folder));
    let folder = folder.join("fuzz");

    let mut build = nightly("cargo");
    build
        .args(["fuzz", "build", "--target", &host, "--fuzz-dir"])
        .arg(root.join(PACKAGE))
        .arg("--target-dir")
        .arg(&folder)
        .current_dir(&root);
    if !build.status()?.success() {
        return Err(format!("{build:?} failed").into());
    }
    let mut failed = Vec::new();
    for target in &job.targets {
        let program = folder.join(&host).join("release").join(target);
        if !run_target(target, &program, job.seconds, &root, &folder)? {
            failed.push(target.as_str());
        }
    }
    if failed.is_empty() {
        return Ok(());
    }
    Err(format!("fuzz: {} found faults", failed.join(", ")).into())
}

/// The names of the targets, in order.
fn targets(root: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(root.join(PACKAGE).join("fuzz_targets"))? {
        let path = entry?.path();
        let name = path.file_stem().and_then(|name| name.to_str());
        names.push(name.ok_or("a target without a name")?.to_owned());
    }
    names.sort();
    Ok(names)
}

/// A command of the nightly toolchain, without the variables of the one that runs this program.
fn nightly(program: &str) -> Command {
    let mut command = Command::new("rustup");
    command
        .args(["run", "nightly", program])
        .env_remove("LD_LIBRARY_PATH")
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS");
    command
}

/// Makes sure that a nightly compiler and cargo-fuzz are there.
fn provide(install: bool) -> Result<()> {
    let steps: [(&str, &[&str], &str); 2] = [
        (
            "rustc",
            &["--version"],
            "rustup toolchain install nightly --profile minimal",
        ),
        (
            "cargo",
            &["fuzz", "--version"],
            "cargo install cargo-fuzz --locked",
        ),
    ];
    for (program, arguments, remedy) in steps {
        let is_there = || {
            let mut command = nightly(program);
            command
                .args(arguments)
                .stdout(Stdio::null())
                .stderr(Stdio::null());
            command.status().is_ok_and(|status| status.success())
        };
        if is_there() {
            continue;
        }
        if install {
            let mut words = remedy.split(' ');
            let status = words
                .next()
                .map(|program| Command::new(program).args(words).status());
            if status.is_some_and(|status| status.is_ok_and(|status| status.success())) && is_there() {
                continue;
            }
        }
        let what = [program, arguments[0]].join(" ");
        return Err(Unavailable(format!(
            "the fuzzers want `rustup run nightly {what}`, which does not run here; install it with `{remedy}`, or \
             give --install"
        ))
        .into());
    }
    Ok(())
}

fn host() -> Result<String> {
    let version = String::from_utf8(stdout_of(nightly("rustc").arg("-vV"))?)?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.ok_or("rustc -vV: no host")?.to_owned())
}

/// Runs one target and says what it did. Returns whether all is well.
///
/// What it adds to its corpus stays below the target folder: the corpus of the repository is kept small by hand.
fn run_target(target: &str, program: &Path, seconds: u32, root: &Path, folder: &Path) -> Result<bool> {
    let scratch = folder.join("corpus").join(target);
    let artifacts = root.join(PACKAGE).join("artifacts").join(target);
    for folder in [&scratch, &artifacts] {
        fs::create_dir_all(folder)?;
    }
    let log: PathBuf = folder.join(format!("{target}.log"));
    let start = Instant::now();
    let status = Command::new(program)
        .args([
            format!("-max_total_time={seconds}"),
            format!("-artifact_prefix={}/", artifacts.display()),
        ])
        .args(LIMITS)
        .arg("-print_final_stats=1")
        .arg(&scratch)
        .arg(root.join(PACKAGE).join("corpus").join(target))
        .env(ASAN.0, ASAN.1)
        .stdout(Stdio::null())
        .stderr(fs::File::create(&log)?)
        .status()?;
    let output = String::from_utf8_lossy(&fs::read(&log)?).into_owned();
    println!(
        "fuzz: {target}: {} in {} s",
        summary(&output),
        start.elapsed().as_secs()
    );
    if status.success() {
        return Ok(true);
    }
    if let Some(input) = timed_out(&output) {
        let again = Command::new(program)
            .args(LIMITS)
            .arg(input)
            .env(ASAN.0, ASAN.1)
            .output()?;
        if again.status.success() {
            println!(
                "fuzz: {target}: {input} took too long once and does not again: the machine was busy or paused"
            );
            return Ok(true);
        }
    }
    let lines: Vec<&str> = output.lines().collect();
    for line in &lines[lines.len().saturating_sub(40)..] {
        println!("{line}");
    }
    println!(
        "fuzz: {target} found a fault; all it said is in {}, the input in {}",
        log.display(),
        artifacts.display()
    );
    Ok(false)
}

/// What libFuzzer says of a run, in one line.
fn summary(output: &str) -> String {
    let after = |key: &str| {
        let rest = output.rsplit(key).next().filter(|rest| rest.len() < output.len());
        rest.and_then(|rest| rest.split_whitespace().next())
            .unwrap_or("?")
    };
    format!(
        "{} executions, {}/s, {} edges, {} MB, slowest {} s",
        after("stat::number_of_executed_units:"),
        after("stat::average_exec_per_sec:"),
        after(" cov:"),
        after("stat::peak_rss_mb:"),
        after("stat::slowest_unit_time_sec:"),
    )
}

/// The file with the input that was too slow, if that is what libFuzzer stopped for.
fn timed_out(output: &str) -> Option<&str> {
    let (_, after) = output.split_once("libFuzzer: timeout")?;
    let (_, path) = after.split_once("Test unit written to ")?;
    path.lines().next()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> std::result::Result<Job, String> {
        let known = ["decode", "seek"].map(str::to_owned);
        Job::parse(arguments, &known).map_err(|error| error.to_string())
    }

    #[test]
    fn all_targets_run_unless_some_are_named() {
        let all = Job {
            install: false,
            seconds: 10,
            targets: vec!["decode".to_owned(), "seek".to_owned()],
        };
        assert_eq!(parse(&[]), Ok(all));
        let one = Job {
            install: true,
            seconds: 1_200,
            targets: vec!["seek".to_owned()],
        };
        assert_eq!(parse(&["--seconds", "1200", "seek", "--install"]), Ok(one));
    }

    #[test]
    fn bad_arguments_are_named() {
        let number = "--seconds: wants a number of seconds, 1 or more";
        assert_eq!(parse(&["--seconds"]), Err(number.to_owned()));
        assert_eq!(parse(&["--seconds", "0"]), Err(number.to_owned()));
        assert_eq!(parse(&["--seconds", "x"]), Err(number.to_owned()));
        assert_eq!(
            parse(&["seeks"]),
            Err("seeks: not a target of `cargo xtask fuzz`; known are decode, seek".to_owned())
        );
    }

    #[test]
    fn a_run_is_summed_up() {
        let output = "#2 INITED cov: 10 ft: 11\n#9 DONE   cov: 123 ft: 400\nstat::number_of_executed_units: 4567\n\
                      stat::average_exec_per_sec:     380\nstat::new_units_added:          3\n\
                      stat::slowest_unit_time_sec:    0\nstat::peak_rss_mb:              77\n";
        assert_eq!(
            summary(output),
            "4567 executions, 380/s, 123 edges, 77 MB, slowest 0 s"
        );
        assert_eq!(summary(""), "? executions, ?/s, ? edges, ? MB, slowest ? s");
    }

    #[test]
    fn a_timeout_is_told_from_other_faults() {
        let output = "==1== ERROR: libFuzzer: timeout after 26 seconds\n    #0 0x55 in f\nSUMMARY: libFuzzer: timeout\n\
                      artifact_prefix='a/'; Test unit written to a/timeout-01\nBase64: AA==\n";
        assert_eq!(timed_out(output), Some("a/timeout-01"));
        assert_eq!(timed_out(&output.replace("timeout", "deadly signal")), None);
    }

    #[test]
    fn every_target_has_a_program_and_a_corpus() {
        let root = files::root();
        let manifest = fs::read_to_string(root.join(PACKAGE).join("Cargo.toml")).unwrap();
        let names = targets(&root).unwrap();
        assert_eq!(manifest.matches("[[bin]]").count(), names.len());
        for name in names {
            assert!(
                manifest.contains(&format!("path = \"fuzz_targets/{name}.rs\"")),
                "{name}"
            );
            assert!(root.join(PACKAGE).join("corpus").join(&name).is_dir(), "{name}");
        }
    }

    /// What is fuzzed is what is shipped: the packages have the same versions here and there.
    #[test]
    fn the_lock_files_agree() {
        let root = files::root();
        let packages = |path: &Path| -> Vec<String> {
            let lock = fs::read_to_string(path).unwrap();
            let packages = lock.split("[[package]]\n").skip(1);
            packages
                .map(|package| package.lines().take(2).collect::<Vec<_>>().join(", "))
                .collect()
        };
        let ours = packages(&root.join("Cargo.lock"));
        let mut others = packages(&root.join(PACKAGE).join("Cargo.lock"));
        others.retain(|package| {
            let only_there = ["arbitrary", "libfuzzer-sys"];
            !ours.contains(package)
                && !only_there
                    .iter()
                    .any(|name| package.contains(&format!("\"{name}\"")))
        });
        assert_eq!(
            others, [""; 0],
            "copy Cargo.lock over crates/fuzz/Cargo.lock and run cargo metadata there"
        );
    }
}
