//! Configurations from files.

use super::*;

fn file(name: &str, text: &str) -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    (folder, path)
}

#[test]
fn c2_files_of_every_format_mean_the_same() {
    let texts = [
        (
            "a.json",
            r#"{"connections": {"default": {"engine": "tortoise.backends.asyncpg", "pool_size": 3,
                "credentials": {"host": "${HOST}", "port": 5433, "password": "${DATABASE_PASSWORD}"}}},
                "apps": {"shop": {"models": ["note"]}}, "routers": ["r"]}"#,
        ),
        #[cfg(feature = "toml")]
        (
            "a.toml",
            "routers = ['r']\n[connections.default]\nengine = 'tortoise.backends.asyncpg'\npool_size = 3\n\
             [connections.default.credentials]\nhost = '${HOST}'\nport = 5433\npassword = '${DATABASE_PASSWORD}'\n\
             [apps.shop]\nmodels = ['note']\n",
        ),
        #[cfg(feature = "yaml")]
        (
            "a.yml",
            "connections:\n  default:\n    engine: tortoise.backends.asyncpg\n    pool_size: 3\n    credentials:\n      \
             host: ${HOST}\n      port: 5433\n      password: ${DATABASE_PASSWORD}\napps:\n  shop:\n    models: [note]\n\
             routers:\n- r\n",
        ),
    ];
    for (name, text) in texts {
        let (_folder, path) = file(name, text);
        let config = ConnectionsConfig::from_file_with(&path, lookup).unwrap();
        let default = config.get("default").unwrap();
        assert_eq!(default.url().password(), Some(SECRET), "{name}");
        assert_eq!(
            (default.url().port(), default.settings().pool_size),
            (Some(5433), 3),
            "{name}"
        );
        assert_eq!(config.apps()["shop"], AppConfig::new("default").model("note"), "{name}");
        assert_eq!(config.routers(), ["r"], "{name}");
    }
}

#[test]
fn c2_errors_of_files_tell_file_and_place() {
    let cases = [
        (
            "b.json",
            "{\"connections\": \n {\"default\" \"s3cr3t\"}}",
            "b.json is not valid JSON: expected `:` at line 2 column 13",
        ),
        (
            "b.json",
            "{\"connections\": {\"default\": {\"scheme\": \"mysql\", \"hots\": \"s3cr3t\"}}}",
            "b.json: `connections.default.hots`: unknown key\n  help: did you mean `host`?",
        ),
        (
            "b.json",
            "{\"connections\": {\"default\": \"mysql://ada:${NONE}@h\"}}",
            "b.json: `connections.default`: the environment variable `NONE` is not set",
        ),
        (
            "b.ini",
            "",
            "b.ini: the format of the file is unknown\n  help: its name must end in .json, .toml or .yaml",
        ),
        #[cfg(feature = "toml")]
        (
            "b.toml",
            "[connections]\ndefault = s3cr3t",
            "b.toml is not valid TOML: ",
        ),
        #[cfg(feature = "toml")]
        ("b.toml", "[connections]\n\n  a = 's3cr3t\n", "at line 3 column "),
        #[cfg(feature = "yaml")]
        ("b.yaml", "connections: {default: 's3cr3t", "b.yaml is not valid YAML: "),
        #[cfg(feature = "yaml")]
        ("b.yaml", "connections:\n  default: s3cr3t: x", "at line 2 column "),
    ];
    for (name, text, expected) in cases {
        let (_folder, path) = file(name, text);
        let error = ConnectionsConfig::from_file_with(&path, lookup).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{error}");
        let text = error.to_string();
        assert!(text.contains(expected) && !text.contains("s3cr3t"), "{text}");
        assert!(text.starts_with(&path.display().to_string()), "{text}");
    }
    let error = ConnectionsConfig::from_file("nowhere/c.json").unwrap_err().to_string();
    let place = std::env::current_dir().unwrap().join("nowhere/c.json");
    let expected = format!("cannot read the configuration file {}: ", place.display());
    assert!(error.starts_with(&expected), "{error}");
    let error = ConnectionsConfig::from_file("mysql://ada:s3cr3t@h/d")
        .unwrap_err()
        .to_string();
    assert!(error.contains("but got a URL") && !error.contains("s3cr3t"), "{error}");
}

/// Reads a file with this name and contents; the path is removed from the error.
fn read_file(name: &str, bytes: &[u8]) -> Result<ConnectionsConfig, String> {
    let (_folder, path) = file(name, "");
    std::fs::write(&path, bytes).unwrap();
    ConnectionsConfig::from_file_with(&path, lookup).map_err(|error| {
        let folder = format!("{}/", path.parent().unwrap().display());
        error.to_string().replace(&folder, "")
    })
}

const TWICE: &str = "is given twice";

/// Asserts that each text is an error that contains all of its parts.
fn assert_refused(name: &str, cases: &[(&str, &[&str])]) {
    for (text, parts) in cases {
        let error = read_file(name, text.as_bytes()).expect_err(text);
        assert!(parts.iter().all(|part| error.contains(part)), "{text}\n{error}");
    }
}

#[test]
fn c2_what_newcomers_get_wrong_in_json_is_reported_with_a_way_out() {
    assert_refused(
        "a.json",
        &[
            (
                " \n",
                &["a.json is empty\n  help: add the connections: `{\"connections\""],
            ),
            ("null", &["a.json: the configuration is null, but must be a table"]),
            (
                r#"{"connections": {"default": "sqlite://x.db", "default": "sqlite://y.db"}}"#,
                &["`default`", TWICE, "line 1 column "],
            ),
            (
                r#"{"connections": {"default": {"url": "sqlite://x.db", "pool_size": 1, "pool_size": 2}}}"#,
                &["`pool_size`", TWICE],
            ),
            (
                r#"{"connection": {"default": "sqlite://x.db"}}"#,
                &["`connection`: unknown key\n  help: did you mean `connections`?"],
            ),
            (
                r#"{"default": "sqlite://x.db"}"#,
                &["`default`: unknown key\n  help: put a connection under its alias: `connections.default`"],
            ),
            (
                r#"{"connections": {"a": "sqlite://x.db"}, "x": 1}"#,
                &["help: the valid keys here are `connections`, `apps` and `routers`"],
            ),
            (
                r#"{"connections": {"default": {"engine": "tortoise.backends.oracle", "credentials": {}}}}"#,
                &[
                    "`connections.default.engine`: unknown scheme `oracle`",
                    "`postgres`",
                    "help: use one of those",
                ],
            ),
            (
                r#"{"connections": {"default": {"engine": "postgress", "credential": {}}}}"#,
                &["`connections.default.credential`: unknown key\n  help: did you mean `credentials`?"],
            ),
            (
                r#"{"connections": {"default": "mysql://${A:-${B}}@h"}}"#,
                &["the default of `A` cannot contain another variable\n  help: set `A`"],
            ),
            (
                r#"{"connections": {"one": "sqlite:"}, "apps": {"a": {"default_connection": "two"}}}"#,
                &["`apps.a.default_connection`: there is no connection `two`; the known ones are `one`"],
            ),
        ],
    );
    let error = read_file("a.json", b"\xff\xfe{\0}\0").unwrap_err();
    assert_eq!(error, "a.json is not UTF-8\n  help: save it as UTF-8");
}

#[cfg(feature = "toml")]
#[test]
fn c2_what_newcomers_get_wrong_in_toml_is_reported_with_a_way_out() {
    assert_refused(
        "a.toml",
        &[
            (
                "# nothing\n",
                &["a.toml is empty\n  help: add the connections: `connections.default = "],
            ),
            (
                "[connections]\na = 'sqlite:'\na = 'sqlite:'",
                &["a.toml is not valid TOML: duplicate key at line 3"],
            ),
            (
                "connections = 1979-05-27",
                &["`connections` is text, but must be a table"],
            ),
            (
                "[connections.a]\nurl = 'sqlite:'\npool_timeout = inf",
                &["`connections.a.pool_timeout` is `inf`"],
            ),
        ],
    );
}

#[cfg(feature = "yaml")]
#[test]
fn c2_what_newcomers_get_wrong_in_yaml_is_reported_with_a_way_out() {
    assert_refused(
        "a.yaml",
        &[
            (
                "# nothing\n",
                &["a.yaml is empty\n  help: add the connections: `connections: {"],
            ),
            ("connections:\n  a: sqlite:x\n  a: sqlite:y\n", &["`a`", TWICE, "line "]),
            (
                "connections:\n\ta: sqlite:x\n",
                &["help: indent lines with spaces, not with tabs"],
            ),
            ("connections:\n  a: sqlite::memory:\n", &["line 2", "may need quotes"]),
        ],
    );
}

#[test]
fn c2_a_mark_of_the_encoding_and_windows_newlines_are_no_mistakes() {
    let cases = [
        ("a.json", "{\n\"connections\": {\n\"a\": \"sqlite://x.db\"}\n}\n"),
        #[cfg(feature = "toml")]
        ("a.toml", "[connections]\na = 'sqlite://x.db'\n"),
        #[cfg(feature = "yaml")]
        ("a.yaml", "connections:\n  a: sqlite://x.db\n"),
    ];
    for (name, text) in cases {
        let text = format!("\u{feff}{}", text.replace('\n', "\r\n"));
        let config = read_file(name, text.as_bytes()).unwrap();
        assert_eq!(config.get("a").unwrap().url().to_string(), "sqlite://x.db", "{name}");
    }
}
