//! The kernel's part against `windows-sys`, which Microsoft generates from its own metadata.
//!
//! Widths, pointers, sizes, offsets and values are compared as the compiler sees both. Nothing is
//! called, so nothing has to be linked.

use std::any::type_name;
use std::collections::BTreeSet;

use windows_sys::Wdk::Foundation as foundation;
use windows_sys::Wdk::System::SystemServices as services;
use windows_sys::Win32::Foundation as win32;
use windows_sys::Win32::System::Diagnostics::Etw as etw;
use windows_sys::Win32::System::{IO as io, Kernel as kernel, SystemInformation as information};
use windows_sys::Win32::System::{
    Memory as memory, Threading as threading, WindowsProgramming as programming,
};

use crate::facts::{Facts, Review};

/// An item by name, with how each side has it.
type Compared = (&'static str, String, String);

/// What a caller must know of a type to pass it: whether it is a pointer, else how many bytes it
/// has.
fn shape<T>() -> String {
    let name = type_name::<T>();
    let pointer = ["*const ", "*mut ", "core::option::Option<"]
        .iter()
        .any(|prefix| name.starts_with(prefix));
    match (name, pointer, size_of::<T>()) {
        ("!", ..) => "never returns".to_owned(),
        ("()", ..) => "nothing".to_owned(),
        (_, true, 8) => "pointer".to_owned(),
        (_, _, size) => format!("{size} bytes"),
    }
}

/// The shapes of a function's parameters and result.
trait Shapes {
    fn shapes() -> String;
}

macro_rules! shapes_of_functions {
    ($(($($parameter:ident),*))+) => {
        $(
            impl<$($parameter,)* R> Shapes for unsafe extern "C" fn($($parameter),*) -> R {
                fn shapes() -> String {
                    let parameters: [String; _] = [$(shape::<$parameter>()),*];
                    format!("({}) -> {}", parameters.join(", "), shape::<R>())
                }
            }

            impl<$($parameter,)* R> Shapes for unsafe extern "system" fn($($parameter),*) -> R {
                fn shapes() -> String {
                    <unsafe extern "C" fn($($parameter),*) -> R>::shapes()
                }
            }
        )+
    };
}

shapes_of_functions! { () (A) (A, B) (A, B, C) (A, B, C, D) (A, B, C, D, E) (A, B, C, D, E, F) }

impl<A, R> Shapes for unsafe extern "C" fn(A, ...) -> R {
    fn shapes() -> String {
        format!("({}, ...) -> {}", shape::<A>(), shape::<R>())
    }
}

impl<A, B, C, R> Shapes for unsafe extern "C" fn(A, B, C, ...) -> R {
    fn shapes() -> String {
        format!(
            "({}, {}, {}, ...) -> {}",
            shape::<A>(),
            shape::<B>(),
            shape::<C>(),
            shape::<R>()
        )
    }
}

/// The shapes of the function that a closure would give. The closure is not called, so the function
/// is not linked.
fn shapes_of<F: Shapes>(_: impl Fn() -> F) -> String {
    F::shapes()
}

macro_rules! functions {
    ($($abi:literal $name:ident($($parameters:tt)*) in $module:ident,)+) => {
        fn functions() -> Vec<Compared> {
            vec![$((
                stringify!($name),
                shapes_of(|| -> unsafe extern "C" fn($($parameters)*) -> _ { wdk_sys_lite::ntddk::$name }),
                shapes_of(|| -> unsafe extern $abi fn($($parameters)*) -> _ { $module::$name }),
            )),+]
        }
    };
}

functions! {
    "C" DbgPrint(_, ...) in services,
    "C" DbgPrintEx(_, _, _, ...) in services,
    "system" ExAcquireRundownProtection(_) in services,
    "system" ExAllocatePool2(_, _, _) in services,
    "system" ExFreePool(_) in services,
    "system" ExFreePoolWithTag(_, _) in services,
    "system" ExInitializeRundownProtection(_) in services,
    "system" ExReInitializeRundownProtection(_) in services,
    "system" ExReleaseRundownProtection(_) in services,
    "system" ExRundownCompleted(_) in services,
    "system" ExWaitForRundownProtectionRelease(_) in services,
    "system" InitializeSListHead(_) in threading,
    "system" IoAllocateMdl(_, _, _, _, _) in services,
    "system" IoBuildPartialMdl(_, _, _, _) in services,
    "system" IoFreeMdl(_) in services,
    "system" KeAreApcsDisabled() in services,
    "system" KeBugCheckEx(_, _, _, _, _) in services,
    "system" KeClearEvent(_) in services,
    "system" KeDelayExecutionThread(_, _, _) in services,
    "system" KeEnterCriticalRegion() in services,
    "system" KeGetCurrentIrql() in services,
    "system" KeGetCurrentProcessorNumberEx(_) in services,
    "system" KeInitializeEvent(_, _, _) in services,
    "system" KeInitializeSpinLock(_) in services,
    "system" KeLeaveCriticalRegion() in services,
    "system" KeQueryActiveProcessorCountEx(_) in services,
    "system" KeQueryPerformanceCounter(_) in services,
    "system" KeResetEvent(_) in services,
    "system" KeSetEvent(_, _, _) in services,
    "system" KeWaitForSingleObject(_, _, _, _, _) in services,
    "system" KfRaiseIrql(_) in services,
    "system" MmBuildMdlForNonPagedPool(_) in services,
    "system" MmGetSystemRoutineAddress(_) in services,
    "system" MmMapLockedPagesSpecifyCache(_, _, _, _, _, _) in services,
    "system" MmProbeAndLockPages(_, _, _) in services,
    "system" MmSizeOfMdl(_, _) in services,
    "system" MmUnlockPages(_) in services,
    "system" MmUnmapLockedPages(_, _) in services,
    "system" ObfDereferenceObject(_) in services,
    "system" ObfReferenceObject(_) in services,
    "system" PsGetCurrentThreadId() in services,
    "system" RtlCompareMemory(_, _, _) in memory,
    "system" RtlCopyUnicodeString(_, _) in services,
    "system" RtlGetVersion(_) in services,
    "system" RtlInitUnicodeString(_, _) in programming,
    "system" ZwClose(_) in services,
}

/// Functions that `windows-sys` does not have: inline in the kit's headers, or not described in its
/// metadata.
const FUNCTIONS_NOT_THERE: [&str; 13] = [
    "ExDeleteLookasideListEx",
    "ExFlushLookasideListEx",
    "ExInitializeLookasideListEx",
    "ExQueryDepthSList",
    "ExpInterlockedFlushSList",
    "ExpInterlockedPopEntrySList",
    "ExpInterlockedPushEntrySList",
    "KeAcquireSpinLockAtDpcLevel",
    "KeAcquireSpinLockRaiseToDpc",
    "KeLowerIrql",
    "KeQueryInterruptTime",
    "KeReleaseSpinLock",
    "KeReleaseSpinLockFromDpcLevel",
];

fn field_shape<T, F>(_: impl Fn(&T) -> &F) -> String {
    shape::<F>()
}

macro_rules! structures {
    ($($name:ident as $there:path { $($field:ident),* $(,)? },)+) => {
        fn structures() -> Vec<Compared> {
            use wdk_sys_lite as here;

            let mut compared = Vec::new();
            $(
                compared.push((
                    stringify!($name),
                    format!("size {} align {}", size_of::<here::$name>(), align_of::<here::$name>()),
                    format!("size {} align {}", size_of::<$there>(), align_of::<$there>()),
                ));
                $(
                    compared.push((
                        concat!(stringify!($name), ".", stringify!($field)),
                        format!(
                            "{} at {}",
                            field_shape(|value: &here::$name| &value.$field),
                            std::mem::offset_of!(here::$name, $field)
                        ),
                        format!(
                            "{} at {}",
                            field_shape(|value: &$there| &value.$field),
                            std::mem::offset_of!($there, $field)
                        ),
                    ));
                )*
            )+
            compared
        }
    };
}

structures! {
    _CM_PARTIAL_RESOURCE_DESCRIPTOR as services::CM_PARTIAL_RESOURCE_DESCRIPTOR {},
    _DEVICE_OBJECT as foundation::DEVICE_OBJECT {},
    _DISPATCHER_HEADER as foundation::DISPATCHER_HEADER { SignalState, WaitListHead },
    _DRIVER_OBJECT as foundation::DRIVER_OBJECT {},
    _EVENT_DATA_DESCRIPTOR as etw::EVENT_DATA_DESCRIPTOR { Ptr, Size },
    _EVENT_DESCRIPTOR as etw::EVENT_DESCRIPTOR { Id, Version, Channel, Level, Opcode, Task, Keyword },
    _EVENT_FILTER_DESCRIPTOR as etw::EVENT_FILTER_DESCRIPTOR { Ptr, Size, Type },
    _EX_RUNDOWN_REF as services::EX_RUNDOWN_REF {},
    _FILE_OBJECT as foundation::FILE_OBJECT {},
    _GUID as windows_sys::core::GUID {},
    _INTERFACE as services::INTERFACE {
        Size, Version, Context, InterfaceReference, InterfaceDereference
    },
    _IO_SECURITY_CONTEXT as foundation::IO_SECURITY_CONTEXT {},
    _IO_STACK_LOCATION as foundation::IO_STACK_LOCATION {},
    _IO_STATUS_BLOCK as io::IO_STATUS_BLOCK { Information },
    _IRP as foundation::IRP {},
    _KEVENT as foundation::KEVENT { Header },
    _KEY_VALUE_PARTIAL_INFORMATION as services::KEY_VALUE_PARTIAL_INFORMATION {
        TitleIndex, Type, DataLength, Data
    },
    _LIST_ENTRY as kernel::LIST_ENTRY { Flink, Blink },
    _MDL as foundation::MDL {
        Next, Size, MdlFlags, Process, MappedSystemVa, StartVa, ByteCount, ByteOffset
    },
    _OBJECT_ATTRIBUTES as foundation::OBJECT_ATTRIBUTES {
        Length, RootDirectory, ObjectName, Attributes, SecurityDescriptor, SecurityQualityOfService
    },
    _OSVERSIONINFOW as information::OSVERSIONINFOW {
        dwOSVersionInfoSize, dwMajorVersion, dwMinorVersion, dwBuildNumber, dwPlatformId, szCSDVersion
    },
    _PROCESSOR_NUMBER as kernel::PROCESSOR_NUMBER { Group, Number, Reserved },
    _SINGLE_LIST_ENTRY as kernel::SINGLE_LIST_ENTRY { Next },
    _SLIST_ENTRY as kernel::SLIST_ENTRY { Next },
    _SLIST_HEADER as kernel::SLIST_HEADER {},
    _UNICODE_STRING as win32::UNICODE_STRING { Length, MaximumLength, Buffer },
}

/// Structures that `windows-sys` does not have; it writes `LARGE_INTEGER` as `i64`.
const STRUCTURES_NOT_THERE: [&str; 4] = [
    "_GENERAL_LOOKASIDE",
    "_GENERAL_LOOKASIDE_POOL",
    "_LARGE_INTEGER",
    "_LOOKASIDE_LIST_EX",
];

macro_rules! enumerations {
    ($($name:ident in $module:ident { $($constant:ident),* $(,)? },)+) => {
        fn enumerations() -> Vec<Compared> {
            vec![$($((
                concat!(stringify!($name), "::", stringify!($constant)),
                wdk_sys_lite::$name::$constant.to_string(),
                $module::$constant.to_string(),
            ),)*)+]
        }
    };
}

enumerations! {
    DEVICE_REGISTRY_PROPERTY in services {
        DevicePropertyAddress, DevicePropertyAllocatedResources, DevicePropertyBootConfiguration,
        DevicePropertyBootConfigurationTranslated, DevicePropertyBusNumber, DevicePropertyBusTypeGuid,
        DevicePropertyClassGuid, DevicePropertyClassName, DevicePropertyCompatibleIDs,
        DevicePropertyContainerID, DevicePropertyDeviceDescription, DevicePropertyDriverKeyName,
        DevicePropertyEnumeratorName, DevicePropertyFriendlyName, DevicePropertyHardwareID,
        DevicePropertyInstallState, DevicePropertyLegacyBusType, DevicePropertyLocationInformation,
        DevicePropertyManufacturer, DevicePropertyPhysicalDeviceObjectName, DevicePropertyRemovalPolicy,
        DevicePropertyResourceRequirements, DevicePropertyUINumber
    },
    _EVENT_TYPE in kernel {
        NotificationEvent, SynchronizationEvent
    },
    _KWAIT_REASON in services {
        DelayExecution, Executive, FreePage, MaximumWaitReason, PageIn, PoolAllocation, Suspended,
        UserRequest, WrAlertByThreadId, WrCalloutStack, WrCpuRateControl, WrDeferredPreempt,
        WrDelayExecution, WrDispatchInt, WrExecutive, WrFastMutex, WrFreePage, WrGuardedMutex, WrKernel,
        WrKeyedEvent, WrLpcReceive, WrLpcReply, WrMutex, WrPageIn, WrPageOut, WrPhysicalFault,
        WrPoolAllocation, WrPreempted, WrProcessInSwap, WrPushLock, WrQuantumEnd, WrQueue, WrRendezvous,
        WrResource, WrRundown, WrSpare0, WrSuspended, WrTerminated, WrUserRequest, WrVirtualMemory,
        WrYieldExecution
    },
    _LOCK_OPERATION in services {
        IoModifyAccess, IoReadAccess, IoWriteAccess
    },
    _MEMORY_CACHING_TYPE in services {
        MmCached, MmHardwareCoherentCached, MmMaximumCacheType, MmNonCached, MmNonCachedUnordered,
        MmNotMapped, MmUSWCCached, MmWriteCombined
    },
    _MM_PAGE_PRIORITY in services {
        HighPagePriority, LowPagePriority, NormalPagePriority
    },
    _MODE in services {
        KernelMode, MaximumMode, UserMode
    },
    _POOL_TYPE in foundation {
        DontUseThisType, DontUseThisTypeSession, MaxPoolType, NonPagedPool, NonPagedPoolBase,
        NonPagedPoolBaseCacheAligned, NonPagedPoolBaseCacheAlignedMustS, NonPagedPoolBaseMustSucceed,
        NonPagedPoolCacheAligned, NonPagedPoolCacheAlignedMustS, NonPagedPoolCacheAlignedMustSSession,
        NonPagedPoolCacheAlignedSession, NonPagedPoolExecute, NonPagedPoolMustSucceed,
        NonPagedPoolMustSucceedSession, NonPagedPoolNx, NonPagedPoolNxCacheAligned, NonPagedPoolSession,
        NonPagedPoolSessionNx, PagedPool, PagedPoolCacheAligned, PagedPoolCacheAlignedSession,
        PagedPoolSession
    },
    _DEVICE_RELATION_TYPE in services {
        BusRelations, EjectionRelations, PowerRelations, RemovalRelations, TargetDeviceRelation,
        SingleBusRelations, TransportRelations
    },
}

/// What is declared and is in none of the names given.
fn forgotten<'a>(
    declared: impl Iterator<Item = &'a str>,
    compared: &[Compared],
    not_there: &[&str],
) -> Vec<&'a str> {
    let known: BTreeSet<&str> = compared
        .iter()
        .map(|(name, ..)| *name)
        .chain(not_there.iter().copied())
        .collect();
    declared.filter(|name| !known.contains(name)).collect()
}

#[test]
fn the_kernels_part_is_that_of_windows_sys() {
    let facts = Facts::read();
    let mut review = Review::new("windows-sys", &facts.differences);
    for (item, declared, there) in functions()
        .iter()
        .chain(&structures())
        .chain(&enumerations())
    {
        review.compare(item, declared, there);
    }
    let complaints = review.finish();
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn every_function_is_compared_with_windows_sys() {
    let declared = crate::declared();
    let names = declared.functions.keys().map(String::as_str);
    assert_eq!(
        forgotten(names, &functions(), &FUNCTIONS_NOT_THERE),
        [""; 0]
    );
}

#[test]
fn every_kernel_structure_is_compared_with_windows_sys() {
    let declared = crate::declared();
    // The framework is not in `windows-sys`; a nested structure is compared as part of the one
    // around it, and one without members has no layout.
    let kernels = declared.structures.iter().filter(|(name, structure)| {
        let framework = name.contains("WDF");
        let nested = name.contains("__bindgen_ty_") || name.starts_with("__Bindgen");
        let empty = structure.fields.iter().any(|(field, _)| field == "_unused");
        !framework && !nested && !empty
    });
    let names = kernels.map(|(name, _)| name.as_str());
    assert_eq!(
        forgotten(names, &structures(), &STRUCTURES_NOT_THERE),
        [""; 0]
    );
}

#[test]
fn every_kernel_enumeration_is_compared_with_windows_sys() {
    let declared = crate::declared();
    let kernels = declared
        .enumerations
        .iter()
        .filter(|(name, _)| !name.contains("WDF"));
    let constants: Vec<String> = kernels
        .flat_map(|(name, enumeration)| {
            enumeration
                .values
                .keys()
                .map(move |constant| format!("{name}::{constant}"))
        })
        .collect();
    assert_eq!(
        forgotten(constants.iter().map(String::as_str), &enumerations(), &[]),
        [""; 0]
    );
}

/// A declaration such as a wrong header would lead to.
#[allow(non_snake_case, reason = "the kernel's name")]
mod wrong {
    unsafe extern "C" {
        #[link_name = "ExFreePoolWithTag"]
        pub fn WrongFree(P: u32, Tag: u32);
    }
}

#[test]
fn a_wrong_width_is_refused() {
    let mut review = Review::new("windows-sys", &[]);
    let declared = shapes_of(|| -> unsafe extern "C" fn(_, _) -> _ { wrong::WrongFree });
    let there =
        shapes_of(|| -> unsafe extern "system" fn(_, _) -> _ { services::ExFreePoolWithTag });
    review.compare("WrongFree", &declared, &there);
    assert_eq!(
        review.finish(),
        [
            "WrongFree: declared (4 bytes, 4 bytes) -> nothing, in windows-sys it is (pointer, 4 bytes) -> nothing"
        ]
    );
}

#[test]
fn a_forgotten_function_is_found() {
    assert_eq!(
        forgotten(["ExFreePool", "ExMadeUp"].into_iter(), &functions(), &[]),
        ["ExMadeUp"]
    );
}
