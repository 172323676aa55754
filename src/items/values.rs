//! Plain values, and types made of parts.

use std::any::Any;
use std::sync::Arc;

use wasmtime::component::{Lift, Lower};
use wasmtime::{Error, Result};

use super::{Crossing, IntoGuest, IntoHost, Plain};
use crate::from_guest::{GuestItems, GuestReader};

/// `value` as a `B`, if the two types are the same.
///
/// Decided at compile time: plain items cross without being touched.
#[inline(always)]
pub(crate) fn cast<A: 'static, B: 'static>(value: &mut A) -> Option<&mut B> {
    (value as &mut dyn Any).downcast_mut()
}

/// Whether both are the same type.
#[inline(always)]
pub(crate) fn is_same<A: 'static, B: 'static>() -> bool {
    std::any::TypeId::of::<A>() == std::any::TypeId::of::<B>()
}

/// Whether a type that owns heap data is one of the common ones without handles, whatever a step makes of it.
#[inline(always)]
pub(crate) fn is_text_or_list<T: 'static>() -> bool {
    is_same::<T, String>()
        || is_same::<T, Box<str>>()
        || is_same::<T, Arc<str>>()
        || is_same::<T, Vec<u8>>()
        || is_same::<T, Vec<String>>()
}

/// Declares records, variants, enums and flags of yours [`Plain`](crate::items::Plain), so that they can be items.
///
/// It also implements [`IntoHost`](crate::items::IntoHost) and [`IntoGuest`](crate::items::IntoGuest), each as the type
/// itself. It does not check that the type holds no stream, future or resource: such a handle would stay in the store's
/// table.
///
/// ```
/// use wasmtime::component::{ComponentType, Lift, Lower};
///
/// #[derive(ComponentType, Lift, Lower)]
/// #[component(record)]
/// struct Row { id: u32, name: String }
///
/// wasmtime_streams::plain!(Row);
/// ```
#[macro_export]
macro_rules! plain {
    ($($ty:ty),+ $(,)?) => { $(
        impl $crate::items::Plain for $ty {}

        impl<D: 'static> $crate::items::IntoHost<D> for $ty {
            type Host = Self;
            type Stream = $crate::from_guest::GuestItems<Self>;

            #[inline]
            fn into_host(self, _: &mut $crate::items::Crossing<'_, D>) -> $crate::wasmtime::Result<Self> {
                Ok(self)
            }
        }

        impl<D: 'static> $crate::items::IntoGuest<D> for $ty {
            type Guest = Self;

            #[inline]
            fn into_guest(self, _: &mut $crate::items::Crossing<'_, D>) -> $crate::wasmtime::Result<Self> {
                Ok(self)
            }
        }
    )+ };
}

plain! { u16, u32, u64, i8, i16, i32, i64, f32, f64, bool, char, String, Box<str>, Arc<str>, () }

impl Plain for u8 {}
impl<T: Plain> Plain for Option<T> {}
impl<T: Plain, E: Plain> Plain for Result<T, E> {}
impl<T: Plain> Plain for Vec<T> {}
impl<T: Plain> Plain for Box<[T]> {}
impl<T: Plain> Plain for Arc<[T]> {}
impl<T: Plain, const N: usize> Plain for [T; N] {}

impl<D: 'static> IntoHost<D> for u8 {
    type Host = u8;
    type Stream = GuestReader;

    #[inline]
    fn into_host(self, _: &mut Crossing<'_, D>) -> Result<u8> {
        Ok(self)
    }

    fn stream_into_host(
        stream: wasmtime::component::StreamReader<u8>,
        at: &mut Crossing<'_, D>,
    ) -> Result<GuestReader> {
        let (consumer, reader) = crate::from_guest::consumer(at.nested.byte_capacity());
        stream.pipe(at.store(), consumer)?;
        Ok(reader)
    }
}

impl<D: 'static> IntoGuest<D> for u8 {
    type Guest = u8;

    #[inline]
    fn into_guest(self, _: &mut Crossing<'_, D>) -> Result<u8> {
        Ok(self)
    }
}

impl<D: 'static, T: IntoHost<D>> IntoHost<D> for Option<T> {
    type Host = Option<T::Host>;
    type Stream = GuestItems<Self::Host>;

    fn into_host(self, at: &mut Crossing<'_, D>) -> Result<Self::Host> {
        self.map(|value| value.into_host(at)).transpose()
    }
}

impl<D: 'static, T: IntoGuest<D>> IntoGuest<D> for Option<T> {
    type Guest = Option<T::Guest>;

    fn into_guest(self, at: &mut Crossing<'_, D>) -> Result<Self::Guest> {
        self.map(|value| value.into_guest(at)).transpose()
    }
}

impl<D: 'static, T: IntoHost<D>, E: IntoHost<D>> IntoHost<D> for Result<T, E> {
    type Host = Result<T::Host, E::Host>;
    type Stream = GuestItems<Self::Host>;

    fn into_host(self, at: &mut Crossing<'_, D>) -> wasmtime::Result<Self::Host> {
        Ok(match self {
            Ok(value) => Ok(value.into_host(at)?),
            Err(error) => Err(error.into_host(at)?),
        })
    }
}

impl<D: 'static, T: IntoGuest<D>, E: IntoGuest<D>> IntoGuest<D> for Result<T, E> {
    type Guest = Result<T::Guest, E::Guest>;

    fn into_guest(self, at: &mut Crossing<'_, D>) -> wasmtime::Result<Self::Guest> {
        Ok(match self {
            Ok(value) => Ok(value.into_guest(at)?),
            Err(error) => Err(error.into_guest(at)?),
        })
    }
}

impl<D: 'static, T: IntoHost<D>> IntoHost<D> for Vec<T> {
    type Host = Vec<T::Host>;
    type Stream = GuestItems<Self::Host>;

    fn into_host(mut self, at: &mut Crossing<'_, D>) -> Result<Self::Host> {
        if let Some(same) = cast::<_, Self::Host>(&mut self) {
            return Ok(std::mem::take(same));
        }
        let hosts: Vec<_> = self.into_iter().map(|item| item.into_host(at)).collect();
        hosts.into_iter().collect()
    }
}

impl<D: 'static, T: IntoGuest<D>> IntoGuest<D> for Vec<T> {
    type Guest = Vec<T::Guest>;

    fn into_guest(mut self, at: &mut Crossing<'_, D>) -> Result<Self::Guest> {
        if let Some(same) = cast::<_, Self::Guest>(&mut self) {
            return Ok(std::mem::take(same));
        }
        self.into_iter().map(|item| item.into_guest(at)).collect()
    }
}

impl<D: 'static, T: IntoHost<D>> IntoHost<D> for Box<[T]> {
    type Host = Box<[T::Host]>;
    type Stream = GuestItems<Self::Host>;

    fn into_host(self, at: &mut Crossing<'_, D>) -> Result<Self::Host> {
        self.into_vec().into_host(at).map(Into::into)
    }
}

impl<D: 'static, T: IntoGuest<D>> IntoGuest<D> for Box<[T]> {
    type Guest = Box<[T::Guest]>;

    fn into_guest(self, at: &mut Crossing<'_, D>) -> Result<Self::Guest> {
        self.into_vec().into_guest(at).map(Into::into)
    }
}

impl<D: 'static, T: Plain + Lift> IntoHost<D> for Arc<[T]> {
    type Host = Self;
    type Stream = GuestItems<Self>;

    fn into_host(self, _: &mut Crossing<'_, D>) -> Result<Self> {
        Ok(self)
    }
}

impl<D: 'static, T: Plain + Lift + Lower> IntoGuest<D> for Arc<[T]> {
    type Guest = Self;

    fn into_guest(self, _: &mut Crossing<'_, D>) -> Result<Self> {
        Ok(self)
    }
}

/// Turns the converted items of an array back into an array.
fn array<T, const N: usize>(items: Vec<T>) -> Result<[T; N]> {
    items.try_into().map_err(|_| Error::msg("a list of another length"))
}

impl<D: 'static, T: IntoHost<D>, const N: usize> IntoHost<D> for [T; N] {
    type Host = [T::Host; N];
    type Stream = GuestItems<Self::Host>;

    fn into_host(self, at: &mut Crossing<'_, D>) -> Result<Self::Host> {
        Vec::from(self).into_host(at).and_then(array)
    }
}

impl<D: 'static, T: IntoGuest<D>, const N: usize> IntoGuest<D> for [T; N] {
    type Guest = [T::Guest; N];

    fn into_guest(self, at: &mut Crossing<'_, D>) -> Result<Self::Guest> {
        Vec::from(self).into_guest(at).and_then(array)
    }
}

macro_rules! tuples {
    ($(($($part:ident)+))+) => { $(
        impl<$($part: Plain),+> Plain for ($($part,)+) {}

        #[allow(non_snake_case)] // the parts are named as their types
        impl<D: 'static, $($part: IntoHost<D>),+> IntoHost<D> for ($($part,)+) {
            type Host = ($($part::Host,)+);
            type Stream = GuestItems<Self::Host>;

            #[inline]
            fn into_host(self, at: &mut Crossing<'_, D>) -> Result<Self::Host> {
                let ($($part,)+) = self;
                // All parts before the first error: no handle may stay raw.
                let ($($part,)+) = ($($part.into_host(at),)+);
                Ok(($($part?,)+))
            }
        }

        #[allow(non_snake_case)] // the parts are named as their types
        impl<D: 'static, $($part: IntoGuest<D>),+> IntoGuest<D> for ($($part,)+) {
            type Guest = ($($part::Guest,)+);

            #[inline]
            fn into_guest(self, at: &mut Crossing<'_, D>) -> Result<Self::Guest> {
                let ($($part,)+) = self;
                Ok(($($part.into_guest(at)?,)+))
            }
        }
    )+ };
}

tuples! {
    (A)
    (A B)
    (A B C)
    (A B C E)
    (A B C E F)
    (A B C E F G)
    (A B C E F G H)
    (A B C E F G H I)
}
