//! Writing of answers.

use crate::failure::Failure;

/// A column of a result.
#[derive(Debug)]
pub(crate) struct ShownColumn<'a> {
    pub(crate) name: &'a str,
    pub(crate) type_name: &'a str,
    /// Set if it is declared as one of booleans.
    pub(crate) is_boolean: bool,
}

/// The answer to a request.
#[derive(Debug)]
pub(crate) struct Answer {
    bytes: Vec<u8>,
}

impl Answer {
    fn new(channel: u32, request: u32, kind: u8) -> Self {
        let mut bytes = vec![0; 4];
        bytes.extend_from_slice(&channel.to_be_bytes());
        bytes.extend_from_slice(&request.to_be_bytes());
        bytes.push(kind);
        Self { bytes }
    }

    /// Returns the frame.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        let length = (self.bytes.len() - 4) as u32;
        self.bytes[..4].copy_from_slice(&length.to_be_bytes());
        self.bytes
    }

    pub(crate) fn opened(channel: u32, request: u32, pairs: &[(&str, &str)]) -> Self {
        let mut answer = Self::new(channel, request, 130);
        answer.pairs(pairs);
        answer
    }

    pub(crate) fn columns<'a>(
        channel: u32,
        request: u32,
        columns: impl ExactSizeIterator<Item = ShownColumn<'a>>,
    ) -> Self {
        let mut answer = Self::new(channel, request, 131);
        answer.bytes.extend_from_slice(&(columns.len() as u16).to_be_bytes());
        for column in columns {
            answer.text(column.name);
            answer.text(column.type_name);
            answer.bytes.push(if column.is_boolean { 2 } else { 0 });
        }
        answer
    }

    /// Returns rows, which `values` has one after the other.
    pub(crate) fn rows(channel: u32, request: u32, count: u32, values: &[u8]) -> Self {
        let mut answer = Self::new(channel, request, 132);
        answer.bytes.extend_from_slice(&count.to_be_bytes());
        answer.bytes.extend_from_slice(values);
        answer
    }

    pub(crate) fn done(channel: u32, request: u32, done: Done) -> Self {
        let mut answer = Self::new(channel, request, 133);
        answer.bytes.extend_from_slice(&done.rows.unwrap_or(-1).to_be_bytes());
        answer.bytes.push(u8::from(done.key.is_some()));
        if let Some(key) = done.key {
            answer.bytes.extend_from_slice(&key.to_be_bytes());
        }
        answer
    }

    pub(crate) fn failed(channel: u32, request: u32, failure: &Failure) -> Self {
        let mut answer = Self::new(channel, request, 134);
        answer
            .bytes
            .extend_from_slice(&[failure.origin, u8::from(failure.closed)]);
        answer.text(failure.class);
        answer.text(&failure.sqlstate);
        answer.bytes.extend_from_slice(&failure.code.to_be_bytes());
        answer.text(&failure.message);
        answer
            .bytes
            .extend_from_slice(&(failure.causes.len() as u16).to_be_bytes());
        for cause in &failure.causes {
            answer.text(cause);
        }
        let details: Vec<_> = failure
            .details
            .iter()
            .map(|(name, text)| (*name, text.as_str()))
            .collect();
        answer.pairs(&details);
        answer
    }

    fn pairs(&mut self, pairs: &[(&str, &str)]) {
        self.bytes.extend_from_slice(&(pairs.len() as u16).to_be_bytes());
        for (name, value) in pairs {
            self.text(name);
            self.text(value);
        }
    }

    fn text(&mut self, text: &str) {
        put_bytes(&mut self.bytes, text.as_bytes());
    }
}

/// The result of a statement.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Done {
    /// `None` if the driver does not tell.
    pub(crate) rows: Option<i64>,
    pub(crate) key: Option<i64>,
}

/// Writes bytes with their length in front.
pub(crate) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&(bytes.len() as u32).to_be_bytes());
    out.extend_from_slice(bytes);
}
