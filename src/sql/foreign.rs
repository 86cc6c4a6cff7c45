//! Texts with the placeholders of other drivers.

use std::sync::Arc;

use super::lexer::{Lexer, TokenKind};
use super::lexical::is_name;
use super::{Dialect, Statement};

/// The style of a driver's placeholders.
#[allow(dead_code, reason = "only drivers outside of the process have other styles")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ParamStyle {
    /// `?` (JDBC, and `qmark` of DB-API).
    Question,
    /// `:1`
    Numeric,
    /// `:p1`
    Named,
    /// `%s`
    Format,
    /// `%(p1)s`
    PyFormat,
}

#[allow(dead_code, reason = "only drivers outside of the process have other styles")]
impl ParamStyle {
    /// Returns the style with this name in Python's DB-API.
    pub(crate) fn named(name: &str) -> Option<Self> {
        match name {
            "qmark" => Some(Self::Question),
            "numeric" => Some(Self::Numeric),
            "named" => Some(Self::Named),
            "format" => Some(Self::Format),
            "pyformat" => Some(Self::PyFormat),
            _ => None,
        }
    }

    /// Returns whether a placeholder names its value, which is then given once.
    fn names(self) -> bool {
        matches!(self, Self::Named | Self::PyFormat)
    }

    /// Returns whether the driver formats the text as Python formats strings.
    fn formats(self) -> bool {
        matches!(self, Self::Format | Self::PyFormat)
    }
}

/// A statement as another driver takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ForeignText {
    pub(crate) text: Arc<str>,
    /// The index of each value that the driver is given, in the order in which it is given.
    pub(crate) order: Box<[u32]>,
    /// The place of each placeholder in the text.
    pub(crate) places: Box<[u32]>,
}

#[allow(dead_code, reason = "only drivers outside of the process have other styles")]
impl ForeignText {
    /// Writes a statement with the placeholders of another driver. Its text has those of `dialect`.
    pub(crate) fn of(statement: &Statement, dialect: Dialect, style: ParamStyle) -> Self {
        let text = statement.text();
        let unchanged = || Self {
            text: Arc::from(text),
            order: Box::default(),
            places: Box::default(),
        };
        if statement.is_script() {
            // It is sent unprepared, so that the driver looks for no placeholders.
            return unchanged();
        }
        let (mut writer, mut bare) = (Writer::new(style, text.len()), 0);
        let bound = Lexer::new(dialect, text).any(|token| is_placeholder(dialect, token.kind));
        if !bound && (style != ParamStyle::Question || dialect != Dialect::Postgres) {
            return unchanged();
        }
        for token in Lexer::new(dialect, text) {
            let index = match token.kind {
                kind if !is_placeholder(dialect, kind) => None,
                TokenKind::Dollar(number) | TokenKind::Ordinal(number) => Some(number - 1),
                _ => {
                    bare += 1;
                    Some(bare - 1)
                }
            };
            match index {
                Some(index) => writer.placeholder(index),
                None => writer.text(token.text, token.kind),
            }
        }
        writer.finish()
    }
}

/// Returns whether a token stands for a value in a text that this library has written.
fn is_placeholder(dialect: Dialect, kind: TokenKind) -> bool {
    match kind {
        TokenKind::Dollar(_) => matches!(dialect, Dialect::Postgres | Dialect::Sqlite),
        // PostgreSQL's is an operator.
        TokenKind::Question => dialect != Dialect::Postgres,
        TokenKind::Ordinal(_) => dialect == Dialect::Sqlite,
        _ => false,
    }
}

struct Writer {
    style: ParamStyle,
    out: String,
    order: Vec<u32>,
    places: Vec<u32>,
    /// Set if the last that was written is a placeholder.
    after_placeholder: bool,
}

impl Writer {
    fn new(style: ParamStyle, length: usize) -> Self {
        Self {
            style,
            out: String::with_capacity(length + 32),
            order: Vec::new(),
            places: Vec::new(),
            after_placeholder: false,
        }
    }

    fn placeholder(&mut self, index: usize) {
        // `??` is one operator, `::` a cast, and `x:p1` a label.
        if self.out.ends_with(['?', ':', '%']) || self.out.bytes().next_back().is_some_and(is_name) {
            self.out.push(' ');
        }
        let index = u32::try_from(index).unwrap_or(u32::MAX);
        if self.style.names() {
            let from = self.order.len() as u32;
            self.order.extend(from..=index);
        } else {
            self.order.push(index);
        }
        self.places.push(self.out.len() as u32);
        match self.style {
            ParamStyle::Question => self.out.push('?'),
            ParamStyle::Numeric => self.out.extend([":", &self.order.len().to_string()]),
            ParamStyle::Named => self.out.extend([":p", &(index + 1).to_string()]),
            ParamStyle::Format => self.out.push_str("%s"),
            ParamStyle::PyFormat => self.out.extend(["%(p", &(index + 1).to_string(), ")s"]),
        }
        self.after_placeholder = true;
    }

    fn text(&mut self, text: &str, kind: TokenKind) {
        if std::mem::take(&mut self.after_placeholder)
            && text.bytes().next().is_some_and(|next| next == b'?' || is_name(next))
        {
            self.out.push(' ');
        }
        let operator = matches!(
            kind,
            TokenKind::Question | TokenKind::Symbol(b'?') | TokenKind::Escaped('?')
        );
        if operator && self.style == ParamStyle::Question {
            self.out.push_str(&text.replace('?', "??"));
        } else if self.style.formats() {
            self.out.push_str(&text.replace('%', "%%"));
        } else {
            self.out.push_str(text);
        }
    }

    fn finish(self) -> ForeignText {
        ForeignText {
            text: self.out.into(),
            order: self.order.into(),
            places: self.places.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use ParamStyle::{Format, Named, Numeric, PyFormat, Question};

    fn foreign(dialect: Dialect, sql: &str, style: ParamStyle) -> (String, Vec<u32>) {
        let found = ForeignText::of(&Statement::new(sql, false), dialect, style);
        (found.text.to_string(), found.order.to_vec())
    }

    #[test]
    fn b2_b3_placeholders_are_the_drivers() {
        let (pg, my, lite, any) = (Dialect::Postgres, Dialect::MySql, Dialect::Sqlite, Dialect::Generic);
        for (dialect, sql, style, text, order) in [
            (pg, "SELECT $2, $1, $2", Question, "SELECT ?, ?, ?", vec![1, 0, 1]),
            (pg, "SELECT $2, $1, $2", Numeric, "SELECT :1, :2, :3", vec![1, 0, 1]),
            (pg, "SELECT $2, $1, $2", Named, "SELECT :p2, :p1, :p2", vec![0, 1]),
            (pg, "SELECT $2, $1, $2", Format, "SELECT %s, %s, %s", vec![1, 0, 1]),
            (
                pg,
                "SELECT $2, $1, $2",
                PyFormat,
                "SELECT %(p2)s, %(p1)s, %(p2)s",
                vec![0, 1],
            ),
            (
                pg,
                "SELECT j ? $1, j ?| $2, '?'",
                Question,
                "SELECT j ?? ?, j ??| ?, '?'",
                vec![0, 1],
            ),
            (
                pg,
                "SELECT $1?'a', j@?$2",
                Question,
                "SELECT ? ??'a', j@?? ?",
                vec![0, 1],
            ),
            (pg, "SELECT j ? 'a'", Question, "SELECT j ?? 'a'", vec![]),
            (pg, "SELECT j ? 'a', 5 % 2", Format, "SELECT j ? 'a', 5 % 2", vec![]),
            (pg, "SELECT '50%', 5 % $1", Format, "SELECT '50%%', 5 %% %s", vec![0]),
            (
                pg,
                "SELECT $1::int, a[1:$2]",
                Named,
                "SELECT :p1::int, a[1: :p2]",
                vec![0, 1],
            ),
            (my, "SELECT ?, '?', ?", Numeric, "SELECT :1, '?', :2", vec![0, 1]),
            (
                my,
                "SELECT a LIKE '%x' AND b = ?",
                PyFormat,
                "SELECT a LIKE '%%x' AND b = %(p1)s",
                vec![0],
            ),
            (
                lite,
                "SELECT ?, $3, ?, $3",
                Question,
                "SELECT ?, ?, ?, ?",
                vec![0, 2, 1, 2],
            ),
            (lite, "SELECT ?2, ?1", Named, "SELECT :p2, :p1", vec![0, 1]),
            (
                any,
                "SELECT ? -- ?\n, \"?\"",
                Format,
                "SELECT %s -- ?\n, \"?\"",
                vec![0],
            ),
            (any, "SELECT ':a', x FROM t", Named, "SELECT ':a', x FROM t", vec![]),
        ] {
            assert_eq!(
                foreign(dialect, sql, style),
                (text.to_owned(), order),
                "{sql} {style:?}"
            );
        }
        let script = Statement::new("SELECT j ? 'a', '50%'", true);
        for style in [Question, Format] {
            assert_eq!(&*ForeignText::of(&script, pg, style).text, script.text());
        }
        assert_eq!(ParamStyle::named("pyformat"), Some(PyFormat));
        assert_eq!(ParamStyle::named("other"), None);
    }

    proptest! {
        #[test]
        fn b2_b3_the_text_reads_back_with_the_same_tokens(
            dialect in prop::sample::select(Dialect::ALL.to_vec()),
            style in prop::sample::select(vec![Question, Numeric, Named, Format, PyFormat]),
            pieces in prop::collection::vec(prop::sample::select(vec![
                "SELECT", "a", "'%s ? :1'", "\"x\"", "(", ")", ",", "=", "%", "$1", "$2", "?", "-- ?\n", "/* ? */", "5",
            ]), 0..16),
        ) {
            let sql = pieces.join(" ");
            let found = ForeignText::of(&Statement::new(&sql, false), dialect, style);
            let tokens: Vec<_> = Lexer::new(dialect, &sql).collect();
            let holes = tokens.iter().filter(|token| is_placeholder(dialect, token.kind)).count();
            if !style.names() {
                prop_assert_eq!(found.order.len(), holes);
            }
            // Each placeholder of the driver goes back to one of the dialect, and everything else to what it was.
            let mut rest = &*found.text;
            for token in tokens {
                if is_placeholder(dialect, token.kind) {
                    let written = match style {
                        Question => "?",
                        Format => "%s",
                        Numeric | Named => {
                            let end = rest[1..].find(|c: char| !c.is_ascii_alphanumeric());
                            &rest[..end.map_or(rest.len(), |end| end + 1)]
                        }
                        PyFormat => &rest[..rest.find(")s").map_or(0, |at| at + 2)],
                    };
                    prop_assert!(written.len() <= rest.len() && rest.starts_with(written));
                    rest = &rest[written.len()..];
                } else {
                    let operator = matches!(token.kind, TokenKind::Question | TokenKind::Symbol(b'?'));
                    let mut text = token.text.to_owned();
                    if operator && style == Question {
                        text = text.replace('?', "??");
                    }
                    if style.formats() && holes > 0 {
                        text = text.replace('%', "%%");
                    }
                    prop_assert!(rest.starts_with(&text), "{} in {}", text, found.text);
                    rest = &rest[text.len()..];
                }
            }
            prop_assert!(rest.is_empty());
        }
    }
}
