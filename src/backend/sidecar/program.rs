//! The programs of the sidecars, which are part of this library.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::Command;

use super::target::SidecarKind;

/// Files of a folder, with their names.
macro_rules! files {
    ($folder:literal, $ending:literal, $($name:literal),* $(,)?) => {
        &[$((
            concat!($name, $ending),
            include_bytes!(concat!("../../../sidecars/", $folder, $name, $ending)),
        )),*]
    };
}

/// The files of the package of the DB-API sidecar, with their names.
const SCRIPTS: &[(&str, &[u8])] = files![
    "dbapi2/ebbtide_worker/",
    ".py",
    "__init__",
    "cancellation",
    "channel",
    "columns",
    "driver",
    "duckdb",
    "failures",
    "frames",
    "modules",
    "mysql",
    "mysql_modules",
    "parameters",
    "pg8000",
    "postgres",
    "process",
    "psycopg",
    "psycopg2",
    "requests",
    "rows",
    "shutdown",
    "sqlite",
    "text_driver",
    "values",
];

/// The text that starts it. The folder is an argument, so that nothing has to be quoted. Files of the working directory, which
/// Python would import before its own library, come last.
const START: &str = "import sys; own = sys.path[:1] == ['']; sys.path[:1] = [sys.argv[1]] + ([] if own else sys.path[:1]); \
    from ebbtide_worker.process import main; own and sys.path.append(''); main()";

/// The classes of the JDBC sidecar, with their names.
const CLASSES: &[(&str, &[u8])] = files![
    "jdbc/classes/ebbtide/",
    ".class",
    "Cancel",
    "Channel",
    "Columns",
    "Daemons",
    "Derby",
    "DriverCall",
    "Drivers",
    "Failure",
    "Frames",
    "H2",
    "Hsqldb",
    "Input",
    "Kind",
    "Memory",
    "Methods",
    "MySql",
    "Opened",
    "Payload",
    "Postgres",
    "Product",
    "Refused",
    "Runner",
    "Secrets",
    "Session",
    "Sidecar",
    "Sqlite",
    "Statements",
    "Texts",
    "Turns",
    "Values",
    "Words",
];

/// The file with options that Java 8 does not know, and would not start with. It ignores the option that names the file.
const OPTIONS_FILE: &str = "options";
/// Warnings of the virtual machine must not go to the pipe of the answers.
const OPTIONS: &str = "-Xlog:disable -Xlog:all=warning:stderr";

/// A private folder, which is removed with this. A process needs it until it has said that it is ready.
#[derive(Debug)]
pub(super) struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(why) = std::fs::remove_dir_all(&self.0) {
            tracing::debug!("the folder {} was not removed: {why}", self.0.display());
        }
    }
}

/// Returns the folder with the files of a program.
pub(super) fn folder(kind: SidecarKind) -> io::Result<Folder> {
    let (package, files) = match kind {
        SidecarKind::Jdbc => ("ebbtide", CLASSES),
        SidecarKind::DbApi => ("ebbtide_worker", SCRIPTS),
        #[cfg(feature = "odbc")]
        SidecarKind::Odbc => return Err(io::Error::other("a thread has no program")),
    };
    let folder = private_folder()?;
    let package = folder.0.join(package);
    std::fs::create_dir(&package)?;
    for (name, bytes) in files {
        std::fs::write(package.join(name), bytes)?;
    }
    std::fs::write(folder.0.join(OPTIONS_FILE), OPTIONS)?;
    Ok(folder)
}

/// Adds the arguments that start the program.
pub(super) fn arguments(kind: SidecarKind, folder: &Folder, command: &mut Command) {
    match kind {
        #[cfg(feature = "odbc")]
        SidecarKind::Odbc => {}
        SidecarKind::DbApi => {
            command.args(["-B", "-c", START]).arg(&folder.0);
        }
        SidecarKind::Jdbc => {
            let mut options = OsString::from("-XX:VMOptionsFile=");
            options.push(folder.0.join(OPTIONS_FILE));
            command.arg(options).arg("-cp").arg(&folder.0).arg("ebbtide.Sidecar");
            // It loads all of them at once.
            let names = CLASSES.iter().filter_map(|(name, _)| name.strip_suffix(".class"));
            command.args(names.map(|name| format!("ebbtide.{name}")));
        }
    }
}

/// Creates a folder that only this user can enter.
fn private_folder() -> io::Result<Folder> {
    let folder = std::env::temp_dir().join(format!("ebbtide-{}", uuid()));
    let mut builder = std::fs::DirBuilder::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt as _;
        builder.mode(0o700);
    }
    builder.create(&folder)?;
    Ok(Folder(folder))
}

/// Returns a name that nobody guesses.
fn uuid() -> String {
    use std::hash::{BuildHasher, Hasher};
    let random = || std::collections::hash_map::RandomState::new().build_hasher().finish();
    format!("{:016x}{:016x}", random(), random())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b2_every_file_of_the_sidecars_is_part_of_the_library() {
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/sidecars/");
        for (folder, files) in [("jdbc/classes/ebbtide", CLASSES), ("dbapi2/ebbtide_worker", SCRIPTS)] {
            let found = std::fs::read_dir(format!("{root}{folder}")).unwrap().flatten();
            let found = found.map(|file| file.file_name().to_string_lossy().into_owned());
            let mut found: Vec<_> = found.filter(|name| name.contains('.')).collect();
            found.sort();
            let mut names: Vec<_> = files.iter().map(|(name, _)| *name).collect();
            names.sort_unstable();
            assert_eq!(names, found, "{folder}");
        }
    }

    #[test]
    fn b9_the_folder_is_private_and_removed() {
        let folder = folder(SidecarKind::Jdbc).unwrap();
        let path = folder.0.clone();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        }
        assert!(path.join("ebbtide/Sidecar.class").is_file());
        drop(folder);
        assert!(!path.exists());
    }
}
