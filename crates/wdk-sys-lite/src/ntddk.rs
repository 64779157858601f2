//! Functions that the kernel exports, by name. Who defines them is decided when the program is
//! linked.
#![allow(
    missing_docs,
    reason = "mirrored declarations: Microsoft's reference documentation describes each"
)]
#![allow(
    non_camel_case_types,
    non_snake_case,
    non_upper_case_globals,
    reason = "the names are the kit's own"
)]
#![allow(
    clippy::wildcard_imports,
    reason = "the signatures are written in the types module's names, as bindgen does it"
)]

use core::ffi::c_void;

use crate::types::*;

unsafe extern "C" {
    pub fn DbgPrint(Format: PCSTR, ...) -> ULONG;
    pub fn DbgPrintEx(ComponentId: ULONG, Level: ULONG, Format: PCSTR, ...) -> ULONG;
    pub fn ExAcquireRundownProtection(RunRef: PEX_RUNDOWN_REF) -> BOOLEAN;
    pub fn ExAllocatePool2(Flags: POOL_FLAGS, NumberOfBytes: SIZE_T, Tag: ULONG) -> PVOID;
    pub fn ExDeleteLookasideListEx(Lookaside: PLOOKASIDE_LIST_EX);
    pub fn ExFlushLookasideListEx(Lookaside: PLOOKASIDE_LIST_EX);
    pub fn ExFreePool(P: PVOID);
    pub fn ExFreePoolWithTag(P: PVOID, Tag: ULONG);
    #[must_use]
    pub fn ExInitializeLookasideListEx(
        Lookaside: PLOOKASIDE_LIST_EX,
        Allocate: PALLOCATE_FUNCTION_EX,
        Free: PFREE_FUNCTION_EX,
        PoolType: POOL_TYPE,
        Flags: ULONG,
        Size: SIZE_T,
        Tag: ULONG,
        Depth: USHORT,
    ) -> NTSTATUS;
    pub fn ExInitializeRundownProtection(RunRef: PEX_RUNDOWN_REF);
    pub fn ExQueryDepthSList(ListHead: PSLIST_HEADER) -> USHORT;
    pub fn ExReInitializeRundownProtection(RunRef: PEX_RUNDOWN_REF);
    pub fn ExReleaseRundownProtection(RunRef: PEX_RUNDOWN_REF);
    pub fn ExRundownCompleted(RunRef: PEX_RUNDOWN_REF);
    pub fn ExWaitForRundownProtectionRelease(RunRef: PEX_RUNDOWN_REF);
    pub fn ExpInterlockedFlushSList(ListHead: PSLIST_HEADER) -> PSLIST_ENTRY;
    pub fn ExpInterlockedPopEntrySList(ListHead: PSLIST_HEADER) -> PSLIST_ENTRY;
    pub fn ExpInterlockedPushEntrySList(
        ListHead: PSLIST_HEADER,
        ListEntry: PSLIST_ENTRY,
    ) -> PSLIST_ENTRY;
    pub fn InitializeSListHead(SListHead: PSLIST_HEADER);
    pub fn IoAllocateMdl(
        VirtualAddress: PVOID,
        Length: ULONG,
        SecondaryBuffer: BOOLEAN,
        ChargeQuota: BOOLEAN,
        Irp: PIRP,
    ) -> PMDL;
    pub fn IoBuildPartialMdl(
        SourceMdl: PMDL,
        TargetMdl: PMDL,
        VirtualAddress: PVOID,
        Length: ULONG,
    );
    pub fn IoFreeMdl(Mdl: PMDL);
    pub fn KeAcquireSpinLockAtDpcLevel(SpinLock: PKSPIN_LOCK);
    pub fn KeAcquireSpinLockRaiseToDpc(SpinLock: PKSPIN_LOCK) -> KIRQL;
    pub fn KeAreApcsDisabled() -> BOOLEAN;
    pub fn KeBugCheckEx(
        BugCheckCode: ULONG,
        BugCheckParameter1: ULONG_PTR,
        BugCheckParameter2: ULONG_PTR,
        BugCheckParameter3: ULONG_PTR,
        BugCheckParameter4: ULONG_PTR,
    ) -> !;
    pub fn KeClearEvent(Event: PRKEVENT);
    #[must_use]
    pub fn KeDelayExecutionThread(
        WaitMode: KPROCESSOR_MODE,
        Alertable: BOOLEAN,
        Interval: PLARGE_INTEGER,
    ) -> NTSTATUS;
    pub fn KeEnterCriticalRegion();
    pub fn KeGetCurrentIrql() -> KIRQL;
    pub fn KeGetCurrentProcessorNumberEx(ProcNumber: PPROCESSOR_NUMBER) -> ULONG;
    pub fn KeInitializeEvent(Event: PRKEVENT, Type: EVENT_TYPE, State: BOOLEAN);
    pub fn KeInitializeSpinLock(SpinLock: PKSPIN_LOCK);
    pub fn KeLeaveCriticalRegion();
    pub fn KeLowerIrql(NewIrql: KIRQL);
    pub fn KeQueryActiveProcessorCountEx(GroupNumber: USHORT) -> ULONG;
    pub fn KeQueryInterruptTime() -> ULONGLONG;
    pub fn KeQueryPerformanceCounter(PerformanceFrequency: PLARGE_INTEGER) -> LARGE_INTEGER;
    pub fn KeReleaseSpinLock(SpinLock: PKSPIN_LOCK, NewIrql: KIRQL);
    pub fn KeReleaseSpinLockFromDpcLevel(SpinLock: PKSPIN_LOCK);
    pub fn KeResetEvent(Event: PRKEVENT) -> LONG;
    pub fn KeSetEvent(Event: PRKEVENT, Increment: KPRIORITY, Wait: BOOLEAN) -> LONG;
    #[must_use]
    pub fn KeWaitForSingleObject(
        Object: PVOID,
        WaitReason: KWAIT_REASON,
        WaitMode: KPROCESSOR_MODE,
        Alertable: BOOLEAN,
        Timeout: PLARGE_INTEGER,
    ) -> NTSTATUS;
    pub fn KfRaiseIrql(NewIrql: KIRQL) -> KIRQL;
    pub fn MmBuildMdlForNonPagedPool(MemoryDescriptorList: PMDLX);
    pub fn MmGetSystemRoutineAddress(SystemRoutineName: PUNICODE_STRING) -> PVOID;
    pub fn MmMapLockedPagesSpecifyCache(
        MemoryDescriptorList: PMDLX,
        AccessMode: KPROCESSOR_MODE,
        CacheType: MEMORY_CACHING_TYPE,
        BaseAddress: PVOID,
        BugCheckOnFailure: ULONG,
        Priority: ULONG,
    ) -> PVOID;
    pub fn MmProbeAndLockPages(
        MemoryDescriptorList: PMDL,
        AccessMode: KPROCESSOR_MODE,
        Operation: LOCK_OPERATION,
    );
    pub fn MmSizeOfMdl(Base: PVOID, Length: SIZE_T) -> SIZE_T;
    pub fn MmUnlockPages(MemoryDescriptorList: PMDL);
    pub fn MmUnmapLockedPages(BaseAddress: PVOID, MemoryDescriptorList: PMDL);
    pub fn ObfDereferenceObject(Object: PVOID) -> LONG_PTR;
    pub fn ObfReferenceObject(Object: PVOID) -> LONG_PTR;
    pub fn PsGetCurrentThreadId() -> HANDLE;
    pub fn RtlCompareMemory(
        Source1: *const c_void,
        Source2: *const c_void,
        Length: SIZE_T,
    ) -> SIZE_T;
    pub fn RtlCopyUnicodeString(DestinationString: PUNICODE_STRING, SourceString: PCUNICODE_STRING);
    #[must_use]
    pub fn RtlGetVersion(lpVersionInformation: PRTL_OSVERSIONINFOW) -> NTSTATUS;
    pub fn RtlInitUnicodeString(DestinationString: PUNICODE_STRING, SourceString: PCWSTR);
    #[must_use]
    pub fn ZwClose(Handle: HANDLE) -> NTSTATUS;
}
