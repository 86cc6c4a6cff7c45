//! A parameter, in memory that stays where it is while the driver may read it.

use odbc_sys::{CDataType, Len, NULL_DATA, Pointer, SqlDataType, ULen};

/// The least size that is said of a text: some drivers take 0 for an error.
const LEAST: usize = 1;

/// A parameter.
#[derive(Debug)]
pub(crate) struct Bound {
    memory: Memory,
    pub(super) sql_type: SqlDataType,
    /// The length, or the mark of NULL. The driver reads it when it executes.
    indicator: Box<Len>,
}

#[derive(Debug)]
enum Memory {
    Null,
    Integer(Box<i64>),
    Unsigned(Box<u64>),
    Float(Box<f32>),
    Double(Box<f64>),
    Wide(Box<[u16]>),
    Narrow(Box<[u8]>),
    Bytes(Box<[u8]>),
}

impl Bound {
    fn new(memory: Memory, sql_type: SqlDataType, indicator: usize) -> Self {
        Self {
            memory,
            sql_type,
            indicator: Box::new(indicator as Len),
        }
    }

    pub(crate) fn null(sql_type: SqlDataType) -> Self {
        Self {
            memory: Memory::Null,
            sql_type,
            indicator: Box::new(NULL_DATA),
        }
    }

    pub(crate) fn integer(value: i64) -> Self {
        Self::new(
            Memory::Integer(value.into()),
            SqlDataType::EXT_BIG_INT,
            size_of::<i64>(),
        )
    }

    pub(crate) fn unsigned(value: u64) -> Self {
        Self::new(
            Memory::Unsigned(value.into()),
            SqlDataType::EXT_BIG_INT,
            size_of::<u64>(),
        )
    }

    pub(crate) fn float(value: f32) -> Self {
        Self::new(Memory::Float(value.into()), SqlDataType::REAL, size_of::<f32>())
    }

    pub(crate) fn double(value: f64) -> Self {
        Self::new(Memory::Double(value.into()), SqlDataType::DOUBLE, size_of::<f64>())
    }

    pub(crate) fn wide(text: &str) -> Self {
        let text: Box<[u16]> = text.encode_utf16().collect();
        let length = size_of_val(&*text);
        Self::new(Memory::Wide(text), SqlDataType::EXT_W_VARCHAR, length)
    }

    pub(crate) fn narrow(text: &str) -> Self {
        let text: Box<[u8]> = text.as_bytes().into();
        let length = text.len();
        Self::new(Memory::Narrow(text), SqlDataType::VARCHAR, length)
    }

    pub(crate) fn bytes(bytes: &[u8]) -> Self {
        let length = bytes.len();
        Self::new(Memory::Bytes(bytes.into()), SqlDataType::EXT_VAR_BINARY, length)
    }

    pub(super) fn c_type(&self) -> CDataType {
        match &self.memory {
            Memory::Integer(_) => CDataType::SBigInt,
            Memory::Unsigned(_) => CDataType::UBigInt,
            Memory::Float(_) => CDataType::Float,
            Memory::Double(_) => CDataType::Double,
            Memory::Wide(_) => CDataType::WChar,
            Memory::Null | Memory::Narrow(_) => CDataType::Char,
            Memory::Bytes(_) => CDataType::Binary,
        }
    }

    /// Returns the size of the column that it is for, in letters or digits.
    pub(super) fn size(&self) -> ULen {
        match &self.memory {
            Memory::Wide(text) => text.len().max(LEAST),
            Memory::Narrow(bytes) | Memory::Bytes(bytes) => bytes.len().max(LEAST),
            Memory::Null => LEAST,
            Memory::Integer(_) | Memory::Unsigned(_) => 20,
            Memory::Float(_) => 7,
            Memory::Double(_) => 15,
        }
    }

    /// Returns the place and the number of bytes of the value. The driver only reads it, although it takes it as one
    /// that may be written to.
    pub(super) fn value(&self) -> (Pointer, Len) {
        fn of<T>(value: &T) -> (Pointer, Len) {
            (std::ptr::from_ref(value).cast_mut().cast(), size_of::<T>() as Len)
        }
        match &self.memory {
            Memory::Null => (std::ptr::null_mut(), 0),
            Memory::Integer(value) => of(&**value),
            Memory::Unsigned(value) => of(&**value),
            Memory::Float(value) => of(&**value),
            Memory::Double(value) => of(&**value),
            Memory::Wide(text) => (text.as_ptr().cast_mut().cast(), size_of_val(&**text) as Len),
            Memory::Narrow(bytes) | Memory::Bytes(bytes) => (bytes.as_ptr().cast_mut().cast(), bytes.len() as Len),
        }
    }

    pub(super) fn indicator(&self) -> *mut Len {
        std::ptr::from_ref(&*self.indicator).cast_mut()
    }
}
