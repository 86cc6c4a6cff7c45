//! Types as which Rust values are bound, and their encoding: the conversions into `Value`.

use std::borrow::Cow;
use std::fmt::Display;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, TimeZone};
use ipnetwork::IpNetwork;
use rust_decimal::Decimal;
use serde::Serialize;
use sqlx::error::BoxDynError;
use sqlx::types::Text;
use sqlx::{Decode, Encode, Type};
use sqlx_core::encode::IsNull;
use uuid::Uuid;

use super::decode::bytes;
use super::{Any, AnyArgumentBuffer, AnyMember, AnyTypeInfo, AnyValueRef};
use crate::value::{Interval, Json, NullType, Value};

type Written = Result<IsNull, BoxDynError>;

/// Implements `Type`: the values alone decide what they can be read as.
macro_rules! types {
    ($([$($generics:tt)*] $type:ty: $info:expr;)*) => {$(
        impl<$($generics)*> Type<Any> for $type {
            fn type_info() -> AnyTypeInfo {
                $info
            }

            fn compatible(_type_info: &AnyTypeInfo) -> bool {
                true
            }
        }
    )*};
}

types! {
    [] str: AnyTypeInfo::of_type(NullType::Text);
    [T] Text<T>: AnyTypeInfo::of_type(NullType::Text);
    [Tz: TimeZone] DateTime<Tz>: AnyTypeInfo::of_type(NullType::Timestamp);
    [T] sqlx::types::Json<T>: AnyTypeInfo::of_type(NullType::Json);
    [T] Json<T>: AnyTypeInfo::of_type(NullType::Json);
    [] Value: AnyTypeInfo::named("ANY".into());
    [T: AnyMember] Vec<T>: T::array_info();
    [T: AnyMember] [T]: T::array_info();
}

/// Implements `Type`, `Encode` and [`AnyMember`] for types with a value of their own.
macro_rules! scalars {
    ($($type:ty: $null:ident;)*) => {$(
        types! { [] $type: AnyTypeInfo::of_type(NullType::$null); }

        impl Encode<'_, Any> for $type {
            fn encode(self, buffer: &mut AnyArgumentBuffer) -> Written {
                buffer.push(self);
                Ok(IsNull::No)
            }

            #[allow(clippy::clone_on_copy, reason = "not all of them are Copy")]
            fn encode_by_ref(&self, buffer: &mut AnyArgumentBuffer) -> Written {
                buffer.push(self.clone());
                Ok(IsNull::No)
            }
        }
    )*};
}

scalars! {
    bool: Bool;
    i8: I16;
    i16: I16;
    i32: I32;
    i64: I64;
    u8: I16;
    u16: I32;
    u32: I64;
    u64: U64;
    f32: F32;
    f64: F64;
    Decimal: Decimal;
    String: Text;
    Uuid: Uuid;
    NaiveDate: Date;
    NaiveTime: Time;
    NaiveDateTime: DateTime;
    Interval: Interval;
    IpNetwork: Inet;
    IpAddr: Inet;
}

/// Implements `Encode` for types that are a `Value` when they are cloned.
macro_rules! encoded {
    ($([$($generics:tt)*] $type:ty;)*) => {$(
        impl<$($generics)*> Encode<'_, Any> for $type {
            fn encode_by_ref(&self, buffer: &mut AnyArgumentBuffer) -> Written {
                buffer.push(self.clone());
                Ok(IsNull::No)
            }
        }
    )*};
}

encoded! {
    [] &str;
    [] Box<str>;
    [] Rc<str>;
    [] Arc<str>;
    [] Cow<'_, str>;
    [] Cow<'_, [u8]>;
    [Tz: TimeZone<Offset: Clone>] DateTime<Tz>;
}

impl Encode<'_, Any> for Value {
    fn encode_by_ref(&self, buffer: &mut AnyArgumentBuffer) -> Written {
        buffer.push(self.clone());
        Ok(if self.is_null() { IsNull::Yes } else { IsNull::No })
    }
}

impl<T: Display> Encode<'_, Any> for Text<T> {
    fn encode_by_ref(&self, buffer: &mut AnyArgumentBuffer) -> Written {
        buffer.push(self.0.to_string());
        Ok(IsNull::No)
    }
}

impl<T: Serialize> Encode<'_, Any> for sqlx::types::Json<T> {
    fn encode_by_ref(&self, buffer: &mut AnyArgumentBuffer) -> Written {
        buffer.push(Json(&self.0));
        Ok(IsNull::No)
    }
}

impl<T: Serialize> Encode<'_, Any> for Json<T> {
    fn encode_by_ref(&self, buffer: &mut AnyArgumentBuffer) -> Written {
        buffer.push(Json(&self.0));
        Ok(IsNull::No)
    }
}

/// `None` is the `NULL` of its type.
impl<'q, T: Encode<'q, Any> + Type<Any>> Encode<'q, Any> for Option<T> {
    fn encode_by_ref(&self, buffer: &mut AnyArgumentBuffer) -> Written {
        let Some(value) = self else {
            buffer.push(T::type_info().null());
            return Ok(IsNull::Yes);
        };
        value.encode_by_ref(buffer)
    }
}

macro_rules! sequences {
    ($($type:ty),*) => {$(
        impl<T: AnyMember + for<'a> Encode<'a, Any>> Encode<'_, Any> for $type {
            fn encode_by_ref(&self, buffer: &mut AnyArgumentBuffer) -> Written {
                T::write(self, buffer)?;
                Ok(IsNull::No)
            }
        }
    )*};
}

sequences!(Vec<T>, &[T], Box<[T]>);

macro_rules! members {
    ($([$($generics:tt)*] $type:ty;)*) => {$(
        impl<$($generics)*> AnyMember for $type {}
    )*};
}

members! {
    [] bool;
    [] i8;
    [] i16;
    [] i32;
    [] i64;
    [] u16;
    [] u32;
    [] u64;
    [] f32;
    [] f64;
    [] Decimal;
    [] String;
    [] Uuid;
    [] NaiveDate;
    [] NaiveTime;
    [] NaiveDateTime;
    [] Interval;
    [] IpNetwork;
    [] IpAddr;
    [] Value;
    [] serde_json::Value;
    [Tz: TimeZone] DateTime<Tz>;
    [T] Text<T>;
    [T] sqlx::types::Json<T>;
    [T] Json<T>;
    [T: AnyMember] Option<T>;
    [T: AnyMember] Vec<T>;
}

/// A `Vec` of `u8` is bytes.
impl AnyMember for u8 {
    fn read(value: AnyValueRef<'_>) -> Result<Vec<Self>, BoxDynError>
    where
        Self: for<'a> Decode<'a, Any>,
    {
        bytes(value)
    }

    fn write(members: &[Self], buffer: &mut AnyArgumentBuffer) -> Result<(), BoxDynError> {
        buffer.push(members.to_vec());
        Ok(())
    }

    fn array_info() -> AnyTypeInfo {
        AnyTypeInfo::of_type(NullType::Bytes)
    }
}
