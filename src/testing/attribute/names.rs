//! The names of databases derived from that of the URL. No I/O.

use std::process;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::backend::rules::database_name;
use crate::config::Config;
use crate::error::Result;

/// Separator between the name of the database and the digest of its content.
const MARK: &str = "ebbtide";

/// Length in bytes of the longest name that both PostgreSQL and MySQL accept.
const LONGEST: usize = 63;

/// Returns the name used in the digest: the whole name of the database, or the path of the file.
pub(super) fn of(config: &Config) -> Result<&str> {
    match config.url().database() {
        _ if config.url().is_served() => database_name(config),
        path => Ok(path.unwrap_or_default()),
    }
}

/// Returns the configuration of a derived database: `shop` becomes `shop_ebbtide_<words>`, and the file `app.db`
/// becomes `app_ebbtide_<words>.db` next to it.
pub(super) fn derived(config: &Config, words: &[&str]) -> Result<Config> {
    let words = words.iter().copied().filter(|word| !word.is_empty());
    let end = ["", MARK].into_iter().chain(words).collect::<Vec<_>>().join("_");
    let name = of(config)?;
    let derived = if config.url().is_served() {
        let room = LONGEST.saturating_sub(end.len());
        format!("{}{end}", &name[..name.floor_char_boundary(room)])
    } else {
        beside(name, &end)
    };
    Ok(config.clone().database(derived.as_str()))
}

/// Returns the path with `end` inserted before the file extension.
fn beside(path: &str, end: &str) -> String {
    let separators: &[char] = if cfg!(windows) { &['/', '\\'] } else { &['/'] };
    let (folder, file) = path.split_at(path.rfind(separators).map_or(0, |at| at + 1));
    let (stem, extension) = file.split_at(file.rfind('.').filter(|at| *at > 0).unwrap_or(file.len()));
    format!("{folder}{stem}{end}{extension}")
}

/// Returns a word that no other test uses, in this or any other process.
pub(super) fn unique() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    format!("{}_{}", process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(url: &str, words: &[&str]) -> String {
        let config = Config::from_url(url).unwrap();
        derived(&config, words).unwrap().url().database().unwrap().to_owned()
    }

    #[test]
    fn a_derived_database_bears_the_name_of_the_first() {
        let words = ["0123456789ab", "template"];
        assert_eq!(
            named("postgres://localhost/shop", &words),
            "shop_ebbtide_0123456789ab_template"
        );
        assert_eq!(named("postgres://localhost/shop", &["", "1_2"]), "shop_ebbtide_1_2");
        assert_eq!(
            named("sqlite:///data.d/app.db", &words[..1]),
            "/data.d/app_ebbtide_0123456789ab.db"
        );
        assert_eq!(named("sqlite://data/app", &words[..1]), "data/app_ebbtide_0123456789ab");
        assert_eq!(named("sqlite://.app", &words[..1]), ".app_ebbtide_0123456789ab");
    }

    #[test]
    fn a_long_name_is_cut_to_what_servers_take() {
        let long = "ä".repeat(31);
        let name = named(
            &format!("mysql://localhost/{long}"),
            &["0123456789ab", "4294967295_1000"],
        );
        assert!(
            name.len() <= LONGEST && name.ends_with("_ebbtide_0123456789ab_4294967295_1000"),
            "{name}"
        );
    }
}
