//! The programs that run lanes. Two of them cannot be linked with the rest and are built separately.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use ebbtide_bench::Outcome;

use crate::process::Programs;

const PLAIN: &str = "lane";
const COUNTED: &str = "lane-counted";

/// Returns the programs of this package, which Cargo has already built.
pub(crate) fn own() -> Programs {
    Programs {
        plain: env!("CARGO_BIN_EXE_lane").into(),
        counted: env!("CARGO_BIN_EXE_lane-counted").into(),
    }
}

/// Builds tokio-rusqlite, which needs its own libsqlite3-sys.
pub(crate) fn tokio_rusqlite() -> Outcome<Programs> {
    let target = target()?.join("tokio-rusqlite");
    let manifest = package().join("tokio-rusqlite/Cargo.toml");
    build(&manifest, &target, &["--locked"])?;
    Ok(Programs {
        plain: target.join("release").join(PLAIN),
        counted: target.join("release").join(COUNTED),
    })
}

/// Builds the lane of this library as of a commit: the current lanes, compiled with the old sources. Also returns the
/// short name of the commit.
pub(crate) fn of_commit(revision: &str) -> Outcome<(String, Programs)> {
    let commit = git(&["rev-parse", "--short", "--verify", &format!("{revision}^{{commit}}")])?;
    let folder = target()?.join("against").join(&commit);
    let tree = folder.join("tree");
    if !tree.exists() {
        extract(&commit, &tree)?;
    }
    let benches = tree.join("benches");
    refresh(&package(), &benches)?;
    let manifest = benches.join("Cargo.toml");
    // It is outside of the old workspace.
    let text = std::fs::read_to_string(package().join("Cargo.toml"))? + "\n[workspace]\n";
    write_if_other(&manifest, text.as_bytes())?;
    let lock = benches.join("Cargo.lock");
    if !lock.exists() {
        std::fs::copy(package().join("../Cargo.lock"), lock)?;
    }
    let target = target()?.join("against/target");
    build(&manifest, &target, &["--no-default-features"])?;
    let programs = Programs {
        plain: folder.join(PLAIN),
        counted: folder.join(COUNTED),
    };
    // The next commit is built in the same place.
    std::fs::copy(target.join("release").join(PLAIN), &programs.plain)?;
    std::fs::copy(target.join("release").join(COUNTED), &programs.counted)?;
    Ok((commit, programs))
}

fn package() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Returns the folder that Cargo builds in.
fn target() -> Outcome<PathBuf> {
    let lane = Path::new(env!("CARGO_BIN_EXE_lane"));
    let target = lane.parent().and_then(Path::parent);
    Ok(target.ok_or("the folder that Cargo builds in")?.to_owned())
}

fn build(manifest: &Path, target: &Path, arguments: &[&str]) -> Outcome {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(["build", "--quiet", "--release", "--bins", "--manifest-path"])
        .arg(manifest)
        .arg("--target-dir")
        .arg(target)
        .args(arguments)
        .status()?;
    if status.success() {
        return Ok(());
    }
    Err(format!("{} could not be built", manifest.display()).into())
}

fn git(arguments: &[&str]) -> Outcome<String> {
    let output = Command::new("git")
        .current_dir(package())
        .args(arguments)
        .stderr(Stdio::inherit())
        .output()?;
    if !output.status.success() {
        return Err(format!("git {} failed", arguments.join(" ")).into());
    }
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

/// Writes the files of a commit into a new folder.
fn extract(commit: &str, tree: &Path) -> Outcome {
    // The folder is either complete or missing.
    let begun = tree.with_extension("begun");
    let _ = std::fs::remove_dir_all(&begun);
    std::fs::create_dir_all(&begun)?;
    let archive = begun.join("archive.tar");
    let root = git(&["rev-parse", "--show-toplevel"])?;
    git(&[
        "-C",
        &root,
        "archive",
        "--output",
        &archive.display().to_string(),
        commit,
    ])?;
    let status = Command::new("tar")
        .current_dir(&begun)
        .args(["-xf", "archive.tar"])
        .status()?;
    if !status.success() {
        return Err("tar could not unpack the commit".into());
    }
    // The old benchmark does not run.
    let _ = std::fs::remove_dir_all(begun.join("benches"));
    Ok(std::fs::rename(begun, tree)?)
}

/// Copies the files that have changed, so that Cargo builds no more than necessary.
fn refresh(from: &Path, to: &Path) -> Outcome {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let (path, copy) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type()?.is_dir() {
            refresh(&path, &copy)?;
        } else if entry.file_name() != "Cargo.toml" {
            write_if_other(&copy, &std::fs::read(&path)?)?;
        }
    }
    Ok(())
}

fn write_if_other(file: &Path, content: &[u8]) -> Outcome {
    if std::fs::read(file).is_ok_and(|before| before == content) {
        return Ok(());
    }
    Ok(std::fs::write(file, content)?)
}
