//! Strings, memory, debug output, the system's version, and the kernel's functions by name.

use std::ffi::c_void;

use wdk_sys_lite::{
    NTSTATUS, PCSTR, PCUNICODE_STRING, PCWSTR, PRTL_OSVERSIONINFOW, PUNICODE_STRING, PVOID, SIZE_T,
    STATUS_SUCCESS, ULONG, ULONG_PTR, USHORT,
};

use crate::bugcheck::{StopCode, bug_check};
use crate::kernel::kernel;
use crate::nt_export;

/// A line of debug output is cut at this length, as the kernel cuts it.
const LONGEST_LINE: usize = 512;

/// How many lines of debug output are kept.
const LINES: usize = 1000;

/// `VER_PLATFORM_WIN32_NT`.
const PLATFORM_NT: ULONG = 2;

/// The version of Windows that the simulated system says it is: major, minor and build of Windows
/// Server 2022.
#[must_use]
pub const fn version() -> (u32, u32, u32) {
    (10, 0, 20348)
}

/// # Safety
///
/// `format` is null or a string that ends in a zero byte or is longer than the longest line; so is
/// `first` if the format is `%s`.
unsafe fn print(format: PCSTR, first: PCSTR) {
    // SAFETY: says the caller.
    let mut line = unsafe { bytes(format) };
    if line == b"%s" {
        // SAFETY: says the caller.
        line = unsafe { bytes(first) };
    }
    if line.last() == Some(&b'\n') {
        line.pop();
    }
    let mut output = kernel().ke.debug_output.borrow_mut();
    if output.len() == LINES {
        output.pop_front();
    }
    output.push_back(String::from_utf8_lossy(&line).into_owned());
}

/// The bytes of a string, without its terminator.
///
/// # Safety
///
/// `text` is null or a string that ends in a zero byte or is longer than the longest line.
unsafe fn bytes(text: PCSTR) -> Vec<u8> {
    let mut line = Vec::new();
    if !text.is_null() {
        for offset in 0..LONGEST_LINE {
            // SAFETY: says the caller: no zero byte came before this one.
            let byte = unsafe { text.add(offset).cast::<u8>().read() };
            if byte == 0 {
                break;
            }
            line.push(byte);
        }
    }
    line
}

/// The bytes of a counted string's text.
///
/// # Safety
///
/// `string` is null or may be read, with its buffer.
unsafe fn units<'a>(string: PCUNICODE_STRING) -> &'a [u16] {
    // SAFETY: says the caller.
    let Some(string) = (unsafe { string.as_ref() }) else {
        return &[];
    };
    if string.Buffer.is_null() {
        return &[];
    }
    // SAFETY: says the caller: `Length` bytes of text.
    unsafe { std::slice::from_raw_parts(string.Buffer, usize::from(string.Length / 2)) }
}

/// The functions that drivers can ask for by name: those that `wdk-sys-lite` declares.
macro_rules! routines {
    ($($name:ident)*) => {
        /// A function's address.
        fn routine(name: &str) -> PVOID {
            match name {
                $(stringify!($name) => (wdk_sys_lite::ntddk::$name as *const ()).cast_mut().cast(),)*
                _ => std::ptr::null_mut(),
            }
        }
    };
}

routines! {
    DbgPrint DbgPrintEx ExAcquireRundownProtection ExAllocatePool2 ExDeleteLookasideListEx ExFlushLookasideListEx
    ExFreePool ExFreePoolWithTag ExInitializeLookasideListEx ExInitializeRundownProtection ExQueryDepthSList
    ExReInitializeRundownProtection ExReleaseRundownProtection ExRundownCompleted ExWaitForRundownProtectionRelease
    ExpInterlockedFlushSList ExpInterlockedPopEntrySList ExpInterlockedPushEntrySList InitializeSListHead IoAllocateMdl
    IoBuildPartialMdl IoFreeMdl KeAcquireSpinLockAtDpcLevel KeAcquireSpinLockRaiseToDpc KeAreApcsDisabled
    KeBugCheckEx KeClearEvent KeEnterCriticalRegion KeLeaveCriticalRegion PsGetCurrentThreadId
    KeDelayExecutionThread KeGetCurrentIrql KeGetCurrentProcessorNumberEx KeInitializeEvent KeInitializeSpinLock
    KeLowerIrql KeQueryActiveProcessorCountEx KeQueryInterruptTime KeQueryPerformanceCounter KeReleaseSpinLock
    KeReleaseSpinLockFromDpcLevel KeResetEvent KeSetEvent KeWaitForSingleObject KfRaiseIrql MmBuildMdlForNonPagedPool
    MmGetSystemRoutineAddress MmMapLockedPagesSpecifyCache MmProbeAndLockPages MmSizeOfMdl MmUnlockPages
    MmUnmapLockedPages ObfDereferenceObject ObfReferenceObject RtlCompareMemory RtlCopyUnicodeString RtlGetVersion
    RtlInitUnicodeString ZwClose
}

nt_export! {
    /// Writes to the debug output. Callers pass arguments after the format, as C's variadic
    /// functions take them; stable Rust cannot define such a function. On x86-64 the first of them
    /// is where a second argument is, and a number or a pointer: the format `%s`, which
    /// `wdk::println!` uses, is followed, and any other is written as it is.
    irql(any) fn DbgPrint(Format: PCSTR, First: PCSTR) -> ULONG {
        // SAFETY: the driver vouches for the strings.
        unsafe { print(Format, First) };
        0
    }

    /// As `DbgPrint`, with a component and a level.
    irql(any) fn DbgPrintEx(_ComponentId: ULONG, _Level: ULONG, Format: PCSTR, First: PCSTR) -> ULONG {
        // SAFETY: the driver vouches for the strings.
        unsafe { print(Format, First) };
        0
    }

    /// Stops the machine.
    irql(any) fn KeBugCheckEx(
        BugCheckCode: ULONG,
        BugCheckParameter1: ULONG_PTR,
        BugCheckParameter2: ULONG_PTR,
        BugCheckParameter3: ULONG_PTR,
        BugCheckParameter4: ULONG_PTR,
    ) -> ! {
        bug_check(
            StopCode(BugCheckCode),
            [BugCheckParameter1, BugCheckParameter2, BugCheckParameter3, BugCheckParameter4],
            "a driver called KeBugCheckEx",
        )
    }

    /// How many bytes are equal before the first that is not.
    irql(any) fn RtlCompareMemory(Source1: *const c_void, Source2: *const c_void, Length: SIZE_T) -> SIZE_T {
        let length = usize::try_from(Length).unwrap_or(usize::MAX);
        let (one, other) = (Source1.cast::<u8>(), Source2.cast::<u8>());
        // SAFETY: the driver vouches for as many bytes at both.
        (0..length).take_while(|offset| unsafe { one.add(*offset).read() == other.add(*offset).read() }).count() as SIZE_T
    }

    /// Makes a counted string over text that ends in a zero.
    irql(any) fn RtlInitUnicodeString(DestinationString: PUNICODE_STRING, SourceString: PCWSTR) {
        // A counted string's length is 16 bits, and leaves room for the terminator.
        let longest = usize::from(USHORT::MAX) / 2 - 1;
        let length = if SourceString.is_null() {
            0
        } else {
            // SAFETY: the driver vouches that the text ends in a zero.
            (0..longest).take_while(|offset| unsafe { SourceString.add(*offset).read() } != 0).count()
        };
        let bytes = USHORT::try_from(length * 2).unwrap_or_default();
        // SAFETY: the driver vouches that it may be written.
        unsafe {
            (*DestinationString).Length = bytes;
            (*DestinationString).MaximumLength = if SourceString.is_null() { 0 } else { bytes + 2 };
            (*DestinationString).Buffer = SourceString.cast_mut();
        }
    }

    /// Copies as much of a counted string as there is room for, and a terminator if there is room
    /// for it too.
    irql(any) fn RtlCopyUnicodeString(DestinationString: PUNICODE_STRING, SourceString: PCUNICODE_STRING) {
        // SAFETY: the driver vouches for both strings.
        unsafe {
            let text = units(SourceString);
            let destination = &mut *DestinationString;
            let room = usize::from(destination.MaximumLength / 2);
            let count = text.len().min(room);
            destination.Buffer.copy_from(text.as_ptr(), count);
            destination.Length = USHORT::try_from(count * 2).unwrap_or_default();
            if count < room {
                destination.Buffer.add(count).write(0);
            }
        }
    }

    /// The system's version.
    irql(== PASSIVE_LEVEL) fn RtlGetVersion(lpVersionInformation: PRTL_OSVERSIONINFOW) -> NTSTATUS {
        let (major, minor, build) = version();
        // SAFETY: the driver vouches that it may be written.
        unsafe {
            (*lpVersionInformation).dwMajorVersion = major;
            (*lpVersionInformation).dwMinorVersion = minor;
            (*lpVersionInformation).dwBuildNumber = build;
            (*lpVersionInformation).dwPlatformId = PLATFORM_NT;
            (*lpVersionInformation).szCSDVersion = [0; 128];
        }
        STATUS_SUCCESS
    }

    /// The address of one of the kernel's functions; null if this system does not have it.
    irql(== PASSIVE_LEVEL) fn MmGetSystemRoutineAddress(SystemRoutineName: PUNICODE_STRING) -> PVOID {
        // SAFETY: the driver vouches for the string.
        routine(&String::from_utf16_lossy(unsafe { units(SystemRoutineName) }))
    }
}
