//! Comments of MySQL and MariaDB whose content some servers run: `/*! … */` and `/*M! … */`, with a version or without.

use super::server::{Product, Server};

/// Returns the length of the beginning of a comment whose content the server runs, and `true`; or the length of a whole
/// comment that it does not run, and `false`. `fence` is the length up to the exclamation mark. An unknown server may
/// run any content.
pub(super) fn version_comment(server: Option<Server>, rest: &[u8], fence: usize) -> (usize, bool) {
    let digits = rest[fence..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let begun = fence + digits;
    let of_maria = fence > "/*!".len();
    let Some(server) = server else {
        return (begun, true);
    };
    if runs(server, of_maria, &rest[fence..begun]) {
        return (begun, true);
    }
    // Such a comment may contain another one.
    let nests = !of_maria || server.product == Product::MariaDb;
    let (mut at, mut depth) = (fence, 1);
    while depth > 0 && at < rest.len() {
        (at, depth) = match (rest[at], rest.get(at + 1)) {
            (b'*', Some(b'/')) => (at + 2, depth - 1),
            (b'/', Some(b'*')) if nests && depth == 1 => (at + 2, 2),
            _ => (at + 1, depth),
        };
    }
    (at, false)
}

/// Returns whether the server runs the content of a comment with these digits.
fn runs(server: Server, of_maria: bool, digits: &[u8]) -> bool {
    let most = match server.product {
        Product::MySql if of_maria => return false,
        // Other versions are not known to read six digits.
        Product::MySql if server.version < 90_000 => 5,
        _ => 6,
    };
    if digits.len() < 5 {
        return true;
    }
    let digits = digits.iter().take(most);
    let version = digits.fold(0, |number, digit| number * 10 + u32::from(digit - b'0'));
    // Versions of MySQL that MariaDB does not follow.
    let foreign = server.product == Product::MariaDb && !of_maria && (50_700..=99_999).contains(&version);
    version <= server.version && !foreign
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each was tried on such a server.
    #[test]
    fn x4_version_comments_are_code_where_the_server_runs_them_found_e9() {
        let maria = Server::read(Product::MariaDb, "10.11.19-MariaDB").unwrap();
        let mysql = Server::read(Product::MySql, "9.7.4").unwrap();
        for (text, on_maria, on_mysql) in [
            ("/*! a */", true, true),
            ("/*!40101 a */", true, true),
            ("/*!50699 a */", true, true),
            ("/*!50700 a */", false, true),
            ("/*!80000 a */", false, true),
            ("/*!90704 a */", false, true),
            ("/*!99999 a */", false, false),
            ("/*!090000 a */", false, true),
            ("/*!100100 a */", true, false),
            ("/*!999999 a */", false, false),
            ("/*M! a */", true, false),
            ("/*M!100100 a */", true, false),
            ("/*M!120000 a */", false, false),
        ] {
            let fence = text.find('!').unwrap() + 1;
            for (server, expected) in [(maria, on_maria), (mysql, on_mysql)] {
                let (length, runs) = version_comment(Some(server), text.as_bytes(), fence);
                assert_eq!(runs, expected, "{text} on {server:?}");
                assert!(runs || length == text.len(), "{text} on {server:?}");
            }
            assert!(version_comment(None, text.as_bytes(), fence).1, "{text}");
        }
    }

    #[test]
    fn x4_a_version_comment_that_is_not_run_may_contain_another_found_e9() {
        let mysql = Server::read(Product::MySql, "9.7.4").unwrap();
        let length = |text: &str, fence| version_comment(Some(mysql), text.as_bytes(), fence);
        assert_eq!(length("/*!999999 a /* b */ c */ d", 3), (24, false));
        assert_eq!(length("/*M! a /* b */ c */ d", 4), (14, false));
        assert_eq!(length("/*!999999 a", 3), (11, false));
    }
}
