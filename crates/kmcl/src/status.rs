//! Status codes and the library's error type.

use core::fmt;
use core::num::NonZeroU32;

use wdk_sys::{
    NTSTATUS, STATUS_BUFFER_OVERFLOW, STATUS_BUFFER_TOO_SMALL, STATUS_CANCELLED,
    STATUS_DEVICE_NOT_CONNECTED, STATUS_DEVICE_NOT_READY, STATUS_DEVICE_REMOVED,
    STATUS_INSUFFICIENT_RESOURCES, STATUS_INVALID_BUFFER_SIZE, STATUS_INVALID_DEVICE_REQUEST,
    STATUS_INVALID_DEVICE_STATE, STATUS_INVALID_HANDLE, STATUS_INVALID_PARAMETER,
    STATUS_INVALID_PARAMETER_1, STATUS_INVALID_PARAMETER_2, STATUS_INVALID_PARAMETER_3,
    STATUS_IO_TIMEOUT, STATUS_NOT_SUPPORTED, STATUS_PENDING, STATUS_REVISION_MISMATCH,
    STATUS_SUCCESS, STATUS_TIMEOUT, STATUS_UNSUCCESSFUL,
};

/// An `NTSTATUS`: printed by its name where the library knows it, and always by its number.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[repr(transparent)]
pub struct Status(pub NTSTATUS);

macro_rules! names {
    ($($name:ident),* $(,)?) => {
        /// The symbolic name, for the codes that KMCL and this library use.
        #[must_use]
        pub const fn name(self) -> Option<&'static str> {
            match self.0 { $($name => Some(stringify!($name)),)* _ => None }
        }
    };
}

impl Status {
    /// `STATUS_SUCCESS`.
    pub const SUCCESS: Self = Self(STATUS_SUCCESS);

    names!(
        STATUS_SUCCESS,
        STATUS_PENDING,
        STATUS_TIMEOUT,
        STATUS_BUFFER_OVERFLOW,
        STATUS_UNSUCCESSFUL,
        STATUS_INVALID_HANDLE,
        STATUS_INVALID_PARAMETER,
        STATUS_INVALID_PARAMETER_1,
        STATUS_INVALID_PARAMETER_2,
        STATUS_INVALID_PARAMETER_3,
        STATUS_INVALID_DEVICE_REQUEST,
        STATUS_INVALID_DEVICE_STATE,
        STATUS_INVALID_BUFFER_SIZE,
        STATUS_BUFFER_TOO_SMALL,
        STATUS_INSUFFICIENT_RESOURCES,
        STATUS_DEVICE_NOT_READY,
        STATUS_DEVICE_NOT_CONNECTED,
        STATUS_DEVICE_REMOVED,
        STATUS_NOT_SUPPORTED,
        STATUS_CANCELLED,
        STATUS_REVISION_MISMATCH,
        STATUS_IO_TIMEOUT,
    );

    /// Whether this is a success or an informational status. `STATUS_PENDING` is one too: compare
    /// it exactly.
    #[must_use]
    pub const fn is_success(self) -> bool {
        self.0 >= 0
    }

    pub(crate) const fn check(status: NTSTATUS) -> Result<(), Error> {
        if status >= 0 {
            Ok(())
        } else {
            Err(Error::Status(Self(status)))
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "{name} ({:#010x})", self.0.cast_unsigned()),
            None => write!(f, "{:#010x}", self.0.cast_unsigned()),
        }
    }
}

impl fmt::Debug for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why an operation of the library's failed.
///
/// Where something is given back with it, `?` leaves the error and drops the rest:
///
/// ```
/// # use kmcl::{channel::Handler, packet::{Mode, Sender}, status::Error};
/// fn send<H: Handler>(sender: &Sender<H>, request: H::Transaction) -> Result<(), Error> {
///     sender.transaction(request)?.send(Mode::Transact)?;
///     Ok(())
/// }
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Error {
    /// KMCL or the kernel refused, with this status.
    Status(Status),
    /// No memory.
    NoMemory,
    /// The channel is not open, or suspended; the host may have closed it at any moment.
    NotOpen,
    /// More bytes than the channel was configured for, or than a 32-bit length can say.
    TooLarge,
    /// A length or a number of zero, or otherwise not one that the operation takes.
    InvalidLength,
    /// The bus driver answered with something that is not the interface that was asked for.
    InvalidInterface,
    /// The thread is inside already, and would wait for itself.
    Nested,
}

impl Error {
    /// The status that a driver reports for it.
    #[must_use]
    pub const fn status(self) -> Status {
        match self {
            Self::Status(status) => status,
            Self::NoMemory => Status(STATUS_INSUFFICIENT_RESOURCES),
            Self::NotOpen => Status(STATUS_DEVICE_NOT_CONNECTED),
            Self::TooLarge => Status(STATUS_INVALID_BUFFER_SIZE),
            Self::InvalidLength => Status(STATUS_INVALID_PARAMETER),
            Self::InvalidInterface => Status(STATUS_REVISION_MISMATCH),
            Self::Nested => Status(STATUS_INVALID_DEVICE_STATE),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(f, "{status}"),
            Self::NoMemory => f.write_str("no memory"),
            Self::NotOpen => f.write_str("the channel is not open"),
            Self::Nested => f.write_str("the thread would wait for itself"),
            Self::TooLarge => f.write_str("more bytes than the channel takes"),
            Self::InvalidLength => f.write_str("not a length that the operation takes"),
            Self::InvalidInterface => {
                f.write_str("the bus driver's interface is not the one that was asked for")
            }
        }
    }
}

impl core::error::Error for Error {}

/// A number of bytes or of anything else, of which KMCL takes no 0: to some of its functions that
/// means "all", to others it is invalid.
pub(crate) fn not_zero(number: u32) -> Result<NonZeroU32, Error> {
    NonZeroU32::new(number).ok_or(Error::InvalidLength)
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        error.status()
    }
}

impl From<Status> for Error {
    fn from(status: Status) -> Self {
        Self::Status(status)
    }
}

/// What failed gives back what it was given; `?` drops that.
macro_rules! without_what_comes_back {
    ($($failure:ty, $error:ident = $why:expr;)*) => {$(
        impl<T> From<$failure> for $crate::status::Error {
            fn from($error: $failure) -> Self {
                $why
            }
        }

        impl<T> From<$failure> for $crate::status::Status {
            fn from($error: $failure) -> Self {
                $why.status()
            }
        }
    )*};
}

pub(crate) use without_what_comes_back;

without_what_comes_back! {
    (Error, T), failure = failure.0;
}
