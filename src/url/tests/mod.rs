mod bridges;
mod parts;
mod properties;
mod secrets;
mod spellings;
mod web;

use super::*;

fn url(text: &str) -> DatabaseUrl {
    DatabaseUrl::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn refusal(text: &str) -> String {
    match DatabaseUrl::parse(text) {
        Ok(url) => panic!("{text} was read as {url:?}"),
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Url);
            format!("{error} {error:?}")
        }
    }
}
