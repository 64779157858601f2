//! Types of the kernel and of KMDF, as bindgen makes them from the kit's headers for x86-64.
//!
//! `c_long` and `c_ulong` have the width that Windows gives them (32 bits) on every host. A
//! structure that drivers reach only through functions is storage of the right size and alignment.
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
    clippy::pub_underscore_fields,
    reason = "bindgen's names for anonymous members"
)]
#![allow(
    clippy::unreadable_literal,
    reason = "values are written as bindgen writes them"
)]

use core::ffi::{c_char, c_longlong, c_short, c_uchar, c_ulonglong, c_ushort, c_void};

/// `long`, which is 32 bits wide on Windows.
type c_long = i32;
/// `unsigned long`, which is 32 bits wide on Windows.
type c_ulong = u32;

/// Gives each type the `Default` that bindgen gives it: all bytes zero.
macro_rules! zeroed_default {
    ($($name:ident),+ $(,)?) => {
        $(
            impl Default for $name {
                fn default() -> Self {
                    // SAFETY: the type is C data: integers, raw pointers, nullable function
                    // pointers, and structs, unions and arrays of these. All bytes zero is a value
                    // of each.
                    unsafe { core::mem::zeroed() }
                }
            }
        )+
    };
}

/// The bits of a C bit field, as bindgen stores them.
#[repr(C)]
#[derive(Debug, Default, Copy, Clone, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct __BindgenBitfieldUnit<Storage> {
    storage: Storage,
}

impl<Storage> __BindgenBitfieldUnit<Storage> {
    /// Wraps the bytes that hold the bit field.
    #[inline]
    pub const fn new(storage: Storage) -> Self {
        Self { storage }
    }
}
pub type ACCESS_MASK = ULONG;
pub type BOOLEAN = UCHAR;
pub type CCHAR = c_char;
pub type CHAR = c_char;
pub type CSHORT = c_short;
pub type DEVICE_OBJECT = _DEVICE_OBJECT;
pub type DISPATCHER_HEADER = _DISPATCHER_HEADER;
pub type DRIVER_OBJECT = _DRIVER_OBJECT;
pub type EVENT_DESCRIPTOR = _EVENT_DESCRIPTOR;
pub type EVT_WDF_DEVICE_ARM_WAKE_FROM_S0 =
    Option<unsafe extern "C" fn(Device: WDFDEVICE) -> NTSTATUS>;
pub type EVT_WDF_DEVICE_ARM_WAKE_FROM_SX =
    Option<unsafe extern "C" fn(Device: WDFDEVICE) -> NTSTATUS>;
pub type EVT_WDF_DEVICE_ARM_WAKE_FROM_SX_WITH_REASON = Option<
    unsafe extern "C" fn(
        Device: WDFDEVICE,
        DeviceWakeEnabled: BOOLEAN,
        ChildrenArmedForWake: BOOLEAN,
    ) -> NTSTATUS,
>;
pub type EVT_WDF_DEVICE_D0_ENTRY = Option<
    unsafe extern "C" fn(Device: WDFDEVICE, PreviousState: WDF_POWER_DEVICE_STATE) -> NTSTATUS,
>;
pub type EVT_WDF_DEVICE_D0_ENTRY_POST_INTERRUPTS_ENABLED = Option<
    unsafe extern "C" fn(Device: WDFDEVICE, PreviousState: WDF_POWER_DEVICE_STATE) -> NTSTATUS,
>;
pub type EVT_WDF_DEVICE_D0_EXIT = Option<
    unsafe extern "C" fn(Device: WDFDEVICE, TargetState: WDF_POWER_DEVICE_STATE) -> NTSTATUS,
>;
pub type EVT_WDF_DEVICE_D0_EXIT_PRE_INTERRUPTS_DISABLED = Option<
    unsafe extern "C" fn(Device: WDFDEVICE, TargetState: WDF_POWER_DEVICE_STATE) -> NTSTATUS,
>;
pub type EVT_WDF_DEVICE_DISARM_WAKE_FROM_S0 = Option<unsafe extern "C" fn(Device: WDFDEVICE)>;
pub type EVT_WDF_DEVICE_DISARM_WAKE_FROM_SX = Option<unsafe extern "C" fn(Device: WDFDEVICE)>;
pub type EVT_WDF_DEVICE_FILE_CREATE =
    Option<unsafe extern "C" fn(Device: WDFDEVICE, Request: WDFREQUEST, FileObject: WDFFILEOBJECT)>;
pub type EVT_WDF_DEVICE_PREPARE_HARDWARE = Option<
    unsafe extern "C" fn(
        Device: WDFDEVICE,
        ResourcesRaw: WDFCMRESLIST,
        ResourcesTranslated: WDFCMRESLIST,
    ) -> NTSTATUS,
>;
pub type EVT_WDF_DEVICE_PROCESS_QUERY_INTERFACE_REQUEST = Option<
    unsafe extern "C" fn(
        Device: WDFDEVICE,
        InterfaceType: LPGUID,
        ExposedInterface: PINTERFACE,
        ExposedInterfaceSpecificData: PVOID,
    ) -> NTSTATUS,
>;
pub type EVT_WDF_DEVICE_QUERY_REMOVE = Option<unsafe extern "C" fn(Device: WDFDEVICE) -> NTSTATUS>;
pub type EVT_WDF_DEVICE_QUERY_STOP = Option<unsafe extern "C" fn(Device: WDFDEVICE) -> NTSTATUS>;
pub type EVT_WDF_DEVICE_RELATIONS_QUERY =
    Option<unsafe extern "C" fn(Device: WDFDEVICE, RelationType: DEVICE_RELATION_TYPE)>;
pub type EVT_WDF_DEVICE_RELEASE_HARDWARE =
    Option<unsafe extern "C" fn(Device: WDFDEVICE, ResourcesTranslated: WDFCMRESLIST) -> NTSTATUS>;
pub type EVT_WDF_DEVICE_SELF_MANAGED_IO_CLEANUP = Option<unsafe extern "C" fn(Device: WDFDEVICE)>;
pub type EVT_WDF_DEVICE_SELF_MANAGED_IO_FLUSH = Option<unsafe extern "C" fn(Device: WDFDEVICE)>;
pub type EVT_WDF_DEVICE_SELF_MANAGED_IO_INIT =
    Option<unsafe extern "C" fn(Device: WDFDEVICE) -> NTSTATUS>;
pub type EVT_WDF_DEVICE_SELF_MANAGED_IO_RESTART =
    Option<unsafe extern "C" fn(Device: WDFDEVICE) -> NTSTATUS>;
pub type EVT_WDF_DEVICE_SELF_MANAGED_IO_SUSPEND =
    Option<unsafe extern "C" fn(Device: WDFDEVICE) -> NTSTATUS>;
pub type EVT_WDF_DEVICE_SURPRISE_REMOVAL = Option<unsafe extern "C" fn(Device: WDFDEVICE)>;
pub type EVT_WDF_DEVICE_USAGE_NOTIFICATION = Option<
    unsafe extern "C" fn(
        Device: WDFDEVICE,
        NotificationType: WDF_SPECIAL_FILE_TYPE,
        IsInNotificationPath: BOOLEAN,
    ),
>;
pub type EVT_WDF_DEVICE_USAGE_NOTIFICATION_EX = Option<
    unsafe extern "C" fn(
        Device: WDFDEVICE,
        NotificationType: WDF_SPECIAL_FILE_TYPE,
        IsInNotificationPath: BOOLEAN,
    ) -> NTSTATUS,
>;
pub type EVT_WDF_DEVICE_WAKE_FROM_S0_TRIGGERED = Option<unsafe extern "C" fn(Device: WDFDEVICE)>;
pub type EVT_WDF_DEVICE_WAKE_FROM_SX_TRIGGERED = Option<unsafe extern "C" fn(Device: WDFDEVICE)>;
pub type EVT_WDF_DPC = Option<unsafe extern "C" fn(Dpc: WDFDPC)>;
pub type EVT_WDF_DRIVER_DEVICE_ADD =
    Option<unsafe extern "C" fn(Driver: WDFDRIVER, DeviceInit: PWDFDEVICE_INIT) -> NTSTATUS>;
pub type EVT_WDF_DRIVER_UNLOAD = Option<unsafe extern "C" fn(Driver: WDFDRIVER)>;
pub type EVT_WDF_FILE_CLEANUP = Option<unsafe extern "C" fn(FileObject: WDFFILEOBJECT)>;
pub type EVT_WDF_FILE_CLOSE = Option<unsafe extern "C" fn(FileObject: WDFFILEOBJECT)>;
pub type EVT_WDF_IO_IN_CALLER_CONTEXT =
    Option<unsafe extern "C" fn(Device: WDFDEVICE, Request: WDFREQUEST)>;
pub type EVT_WDF_IO_QUEUE_IO_CANCELED_ON_QUEUE =
    Option<unsafe extern "C" fn(Queue: WDFQUEUE, Request: WDFREQUEST)>;
pub type EVT_WDF_IO_QUEUE_IO_DEFAULT =
    Option<unsafe extern "C" fn(Queue: WDFQUEUE, Request: WDFREQUEST)>;
pub type EVT_WDF_IO_QUEUE_IO_DEVICE_CONTROL = Option<
    unsafe extern "C" fn(
        Queue: WDFQUEUE,
        Request: WDFREQUEST,
        OutputBufferLength: usize,
        InputBufferLength: usize,
        IoControlCode: ULONG,
    ),
>;
pub type EVT_WDF_IO_QUEUE_IO_INTERNAL_DEVICE_CONTROL = Option<
    unsafe extern "C" fn(
        Queue: WDFQUEUE,
        Request: WDFREQUEST,
        OutputBufferLength: usize,
        InputBufferLength: usize,
        IoControlCode: ULONG,
    ),
>;
pub type EVT_WDF_IO_QUEUE_IO_READ =
    Option<unsafe extern "C" fn(Queue: WDFQUEUE, Request: WDFREQUEST, Length: usize)>;
pub type EVT_WDF_IO_QUEUE_IO_RESUME =
    Option<unsafe extern "C" fn(Queue: WDFQUEUE, Request: WDFREQUEST)>;
pub type EVT_WDF_IO_QUEUE_IO_STOP =
    Option<unsafe extern "C" fn(Queue: WDFQUEUE, Request: WDFREQUEST, ActionFlags: ULONG)>;
pub type EVT_WDF_IO_QUEUE_IO_WRITE =
    Option<unsafe extern "C" fn(Queue: WDFQUEUE, Request: WDFREQUEST, Length: usize)>;
pub type EVT_WDF_IO_QUEUE_STATE =
    Option<unsafe extern "C" fn(Queue: WDFQUEUE, Context: WDFCONTEXT)>;
pub type EVT_WDF_IO_TARGET_QUERY_REMOVE =
    Option<unsafe extern "C" fn(IoTarget: WDFIOTARGET) -> NTSTATUS>;
pub type EVT_WDF_IO_TARGET_REMOVE_CANCELED = Option<unsafe extern "C" fn(IoTarget: WDFIOTARGET)>;
pub type EVT_WDF_IO_TARGET_REMOVE_COMPLETE = Option<unsafe extern "C" fn(IoTarget: WDFIOTARGET)>;
pub type EVT_WDF_OBJECT_CONTEXT_CLEANUP = Option<unsafe extern "C" fn(Object: WDFOBJECT)>;
pub type EVT_WDF_OBJECT_CONTEXT_DESTROY = Option<unsafe extern "C" fn(Object: WDFOBJECT)>;
pub type EVT_WDF_REQUEST_CANCEL = Option<unsafe extern "C" fn(Request: WDFREQUEST)>;
pub type EVT_WDF_TIMER = Option<unsafe extern "C" fn(Timer: WDFTIMER)>;
pub type EVT_WDF_WMI_INSTANCE_EXECUTE_METHOD = Option<
    unsafe extern "C" fn(
        WmiInstance: WDFWMIINSTANCE,
        MethodId: ULONG,
        InBufferSize: ULONG,
        OutBufferSize: ULONG,
        Buffer: PVOID,
        BufferUsed: PULONG,
    ) -> NTSTATUS,
>;
pub type EVT_WDF_WMI_INSTANCE_QUERY_INSTANCE = Option<
    unsafe extern "C" fn(
        WmiInstance: WDFWMIINSTANCE,
        OutBufferSize: ULONG,
        OutBuffer: PVOID,
        BufferUsed: PULONG,
    ) -> NTSTATUS,
>;
pub type EVT_WDF_WMI_INSTANCE_SET_INSTANCE = Option<
    unsafe extern "C" fn(
        WmiInstance: WDFWMIINSTANCE,
        InBufferSize: ULONG,
        InBuffer: PVOID,
    ) -> NTSTATUS,
>;
pub type EVT_WDF_WMI_INSTANCE_SET_ITEM = Option<
    unsafe extern "C" fn(
        WmiInstance: WDFWMIINSTANCE,
        DataItemId: ULONG,
        InBufferSize: ULONG,
        InBuffer: PVOID,
    ) -> NTSTATUS,
>;
pub type EVT_WDF_WMI_PROVIDER_FUNCTION_CONTROL = Option<
    unsafe extern "C" fn(
        WmiProvider: WDFWMIPROVIDER,
        Control: WDF_WMI_PROVIDER_CONTROL,
        Enable: BOOLEAN,
    ) -> NTSTATUS,
>;
pub type EVT_WDF_WORKITEM = Option<unsafe extern "C" fn(WorkItem: WDFWORKITEM)>;
pub type EX_RUNDOWN_REF = _EX_RUNDOWN_REF;
pub type GENERAL_LOOKASIDE = _GENERAL_LOOKASIDE;
pub type GENERAL_LOOKASIDE_POOL = _GENERAL_LOOKASIDE_POOL;
pub type GUID = _GUID;
pub type HANDLE = PVOID;
pub type INTERFACE = _INTERFACE;
pub type IO_STACK_LOCATION = _IO_STACK_LOCATION;
pub type IO_STATUS_BLOCK = _IO_STATUS_BLOCK;
pub type IRP = _IRP;
pub type KEVENT = _KEVENT;
pub type KEY_VALUE_PARTIAL_INFORMATION = _KEY_VALUE_PARTIAL_INFORMATION;
pub type KIRQL = UCHAR;
pub type KPRIORITY = LONG;
pub type KPROCESSOR_MODE = CCHAR;
pub type KSPIN_LOCK = ULONG_PTR;
pub type LARGE_INTEGER = _LARGE_INTEGER;
pub type LIST_ENTRY = _LIST_ENTRY;
pub type LONG = c_long;
pub type LONGLONG = c_longlong;
pub type LONG_PTR = c_longlong;
pub type LOOKASIDE_LIST_EX = _LOOKASIDE_LIST_EX;
pub type LPCGUID = *const GUID;
pub type LPCSTR = *const CHAR;
pub type LPGUID = *mut GUID;
pub type MDL = _MDL;
pub type NTSTATUS = LONG;
pub type OBJECT_ATTRIBUTES = _OBJECT_ATTRIBUTES;
pub type PALLOCATE_FUNCTION =
    Option<unsafe extern "C" fn(PoolType: POOL_TYPE, NumberOfBytes: SIZE_T, Tag: ULONG) -> PVOID>;
pub type PALLOCATE_FUNCTION_EX = Option<
    unsafe extern "C" fn(
        PoolType: POOL_TYPE,
        NumberOfBytes: SIZE_T,
        Tag: ULONG,
        Lookaside: PLOOKASIDE_LIST_EX,
    ) -> PVOID,
>;
pub type PCCH = *const CHAR;
pub type PCEVENT_DESCRIPTOR = *const EVENT_DESCRIPTOR;
pub type PCM_PARTIAL_RESOURCE_DESCRIPTOR = *mut _CM_PARTIAL_RESOURCE_DESCRIPTOR;
pub type PCSTR = *const CHAR;
pub type PCUNICODE_STRING = *const UNICODE_STRING;
pub type PCWDF_OBJECT_CONTEXT_TYPE_INFO = *const _WDF_OBJECT_CONTEXT_TYPE_INFO;
pub type PCWSTR = *const WCHAR;
pub type PDEVICE_OBJECT = *mut _DEVICE_OBJECT;
pub type PDRIVER_OBJECT = *mut _DRIVER_OBJECT;
pub type PETWENABLECALLBACK = Option<
    unsafe extern "C" fn(
        SourceId: LPCGUID,
        ControlCode: ULONG,
        Level: UCHAR,
        MatchAnyKeyword: ULONGLONG,
        MatchAllKeyword: ULONGLONG,
        FilterData: PEVENT_FILTER_DESCRIPTOR,
        CallbackContext: PVOID,
    ),
>;
pub type PEVENT_DATA_DESCRIPTOR = *mut _EVENT_DATA_DESCRIPTOR;
pub type PEVENT_FILTER_DESCRIPTOR = *mut _EVENT_FILTER_DESCRIPTOR;
pub type PEX_RUNDOWN_REF = *mut _EX_RUNDOWN_REF;
pub type PFILE_OBJECT = *mut _FILE_OBJECT;
pub type PFN_GET_UNIQUE_CONTEXT_TYPE =
    Option<unsafe extern "C" fn() -> PCWDF_OBJECT_CONTEXT_TYPE_INFO>;
pub type PFN_NUMBER = ULONG_PTR;
pub type PFN_WDF_DEVICE_ARM_WAKE_FROM_S0 = EVT_WDF_DEVICE_ARM_WAKE_FROM_S0;
pub type PFN_WDF_DEVICE_ARM_WAKE_FROM_SX = EVT_WDF_DEVICE_ARM_WAKE_FROM_SX;
pub type PFN_WDF_DEVICE_ARM_WAKE_FROM_SX_WITH_REASON = EVT_WDF_DEVICE_ARM_WAKE_FROM_SX_WITH_REASON;
pub type PFN_WDF_DEVICE_D0_ENTRY = EVT_WDF_DEVICE_D0_ENTRY;
pub type PFN_WDF_DEVICE_D0_ENTRY_POST_INTERRUPTS_ENABLED =
    EVT_WDF_DEVICE_D0_ENTRY_POST_INTERRUPTS_ENABLED;
pub type PFN_WDF_DEVICE_D0_EXIT = EVT_WDF_DEVICE_D0_EXIT;
pub type PFN_WDF_DEVICE_D0_EXIT_PRE_INTERRUPTS_DISABLED =
    EVT_WDF_DEVICE_D0_EXIT_PRE_INTERRUPTS_DISABLED;
pub type PFN_WDF_DEVICE_DISARM_WAKE_FROM_S0 = EVT_WDF_DEVICE_DISARM_WAKE_FROM_S0;
pub type PFN_WDF_DEVICE_DISARM_WAKE_FROM_SX = EVT_WDF_DEVICE_DISARM_WAKE_FROM_SX;
pub type PFN_WDF_DEVICE_FILE_CREATE = EVT_WDF_DEVICE_FILE_CREATE;
pub type PFN_WDF_DEVICE_PREPARE_HARDWARE = EVT_WDF_DEVICE_PREPARE_HARDWARE;
pub type PFN_WDF_DEVICE_PROCESS_QUERY_INTERFACE_REQUEST =
    EVT_WDF_DEVICE_PROCESS_QUERY_INTERFACE_REQUEST;
pub type PFN_WDF_DEVICE_QUERY_REMOVE = EVT_WDF_DEVICE_QUERY_REMOVE;
pub type PFN_WDF_DEVICE_QUERY_STOP = EVT_WDF_DEVICE_QUERY_STOP;
pub type PFN_WDF_DEVICE_RELATIONS_QUERY = EVT_WDF_DEVICE_RELATIONS_QUERY;
pub type PFN_WDF_DEVICE_RELEASE_HARDWARE = EVT_WDF_DEVICE_RELEASE_HARDWARE;
pub type PFN_WDF_DEVICE_SELF_MANAGED_IO_CLEANUP = EVT_WDF_DEVICE_SELF_MANAGED_IO_CLEANUP;
pub type PFN_WDF_DEVICE_SELF_MANAGED_IO_FLUSH = EVT_WDF_DEVICE_SELF_MANAGED_IO_FLUSH;
pub type PFN_WDF_DEVICE_SELF_MANAGED_IO_INIT = EVT_WDF_DEVICE_SELF_MANAGED_IO_INIT;
pub type PFN_WDF_DEVICE_SELF_MANAGED_IO_RESTART = EVT_WDF_DEVICE_SELF_MANAGED_IO_RESTART;
pub type PFN_WDF_DEVICE_SELF_MANAGED_IO_SUSPEND = EVT_WDF_DEVICE_SELF_MANAGED_IO_SUSPEND;
pub type PFN_WDF_DEVICE_SURPRISE_REMOVAL = EVT_WDF_DEVICE_SURPRISE_REMOVAL;
pub type PFN_WDF_DEVICE_USAGE_NOTIFICATION = EVT_WDF_DEVICE_USAGE_NOTIFICATION;
pub type PFN_WDF_DEVICE_USAGE_NOTIFICATION_EX = EVT_WDF_DEVICE_USAGE_NOTIFICATION_EX;
pub type PFN_WDF_DEVICE_WAKE_FROM_S0_TRIGGERED = EVT_WDF_DEVICE_WAKE_FROM_S0_TRIGGERED;
pub type PFN_WDF_DEVICE_WAKE_FROM_SX_TRIGGERED = EVT_WDF_DEVICE_WAKE_FROM_SX_TRIGGERED;
pub type PFN_WDF_DPC = EVT_WDF_DPC;
pub type PFN_WDF_DRIVER_DEVICE_ADD = EVT_WDF_DRIVER_DEVICE_ADD;
pub type PFN_WDF_DRIVER_UNLOAD = EVT_WDF_DRIVER_UNLOAD;
pub type PFN_WDF_FILE_CLEANUP = EVT_WDF_FILE_CLEANUP;
pub type PFN_WDF_FILE_CLOSE = EVT_WDF_FILE_CLOSE;
pub type PFN_WDF_IO_IN_CALLER_CONTEXT = EVT_WDF_IO_IN_CALLER_CONTEXT;
pub type PFN_WDF_IO_QUEUE_IO_CANCELED_ON_QUEUE = EVT_WDF_IO_QUEUE_IO_CANCELED_ON_QUEUE;
pub type PFN_WDF_IO_QUEUE_IO_DEFAULT = EVT_WDF_IO_QUEUE_IO_DEFAULT;
pub type PFN_WDF_IO_QUEUE_IO_DEVICE_CONTROL = EVT_WDF_IO_QUEUE_IO_DEVICE_CONTROL;
pub type PFN_WDF_IO_QUEUE_IO_INTERNAL_DEVICE_CONTROL = EVT_WDF_IO_QUEUE_IO_INTERNAL_DEVICE_CONTROL;
pub type PFN_WDF_IO_QUEUE_IO_READ = EVT_WDF_IO_QUEUE_IO_READ;
pub type PFN_WDF_IO_QUEUE_IO_RESUME = EVT_WDF_IO_QUEUE_IO_RESUME;
pub type PFN_WDF_IO_QUEUE_IO_STOP = EVT_WDF_IO_QUEUE_IO_STOP;
pub type PFN_WDF_IO_QUEUE_IO_WRITE = EVT_WDF_IO_QUEUE_IO_WRITE;
pub type PFN_WDF_IO_QUEUE_STATE = EVT_WDF_IO_QUEUE_STATE;
pub type PFN_WDF_IO_TARGET_QUERY_REMOVE = EVT_WDF_IO_TARGET_QUERY_REMOVE;
pub type PFN_WDF_IO_TARGET_REMOVE_CANCELED = EVT_WDF_IO_TARGET_REMOVE_CANCELED;
pub type PFN_WDF_IO_TARGET_REMOVE_COMPLETE = EVT_WDF_IO_TARGET_REMOVE_COMPLETE;
pub type PFN_WDF_OBJECT_CONTEXT_CLEANUP = EVT_WDF_OBJECT_CONTEXT_CLEANUP;
pub type PFN_WDF_OBJECT_CONTEXT_DESTROY = EVT_WDF_OBJECT_CONTEXT_DESTROY;
pub type PFN_WDF_REQUEST_CANCEL = EVT_WDF_REQUEST_CANCEL;
pub type PFN_WDF_TIMER = EVT_WDF_TIMER;
pub type PFN_WDF_WMI_INSTANCE_EXECUTE_METHOD = EVT_WDF_WMI_INSTANCE_EXECUTE_METHOD;
pub type PFN_WDF_WMI_INSTANCE_QUERY_INSTANCE = EVT_WDF_WMI_INSTANCE_QUERY_INSTANCE;
pub type PFN_WDF_WMI_INSTANCE_SET_INSTANCE = EVT_WDF_WMI_INSTANCE_SET_INSTANCE;
pub type PFN_WDF_WMI_INSTANCE_SET_ITEM = EVT_WDF_WMI_INSTANCE_SET_ITEM;
pub type PFN_WDF_WMI_PROVIDER_FUNCTION_CONTROL = EVT_WDF_WMI_PROVIDER_FUNCTION_CONTROL;
pub type PFN_WDF_WORKITEM = EVT_WDF_WORKITEM;
pub type PFREE_FUNCTION = Option<unsafe extern "C" fn(Buffer: PVOID)>;
pub type PFREE_FUNCTION_EX =
    Option<unsafe extern "C" fn(Buffer: PVOID, Lookaside: PLOOKASIDE_LIST_EX)>;
pub type PHYSICAL_ADDRESS = LARGE_INTEGER;
pub type PINTERFACE = *mut _INTERFACE;
pub type PINTERFACE_DEREFERENCE = Option<unsafe extern "C" fn(Context: PVOID)>;
pub type PINTERFACE_REFERENCE = Option<unsafe extern "C" fn(Context: PVOID)>;
pub type PIO_SECURITY_CONTEXT = *mut _IO_SECURITY_CONTEXT;
pub type PIRP = *mut _IRP;
pub type PKSPIN_LOCK = *mut ULONG_PTR;
pub type PLARGE_INTEGER = *mut _LARGE_INTEGER;
pub type PLONGLONG = *mut c_longlong;
pub type PLOOKASIDE_LIST_EX = *mut _LOOKASIDE_LIST_EX;
pub type PMDL = *mut _MDL;
pub type PMDLX = *mut MDL;
pub type POOL_FLAGS = ULONG64;
pub type PPROCESSOR_NUMBER = *mut _PROCESSOR_NUMBER;
pub type PREGHANDLE = *mut ULONGLONG;
pub type PRKEVENT = *mut _KEVENT;
pub type PRTL_OSVERSIONINFOW = *mut _OSVERSIONINFOW;
pub type PSLIST_ENTRY = *mut _SLIST_ENTRY;
pub type PSLIST_HEADER = *mut _SLIST_HEADER;
pub type PSTR = *mut CHAR;
pub type PULONG = *mut c_ulong;
pub type PUNICODE_STRING = *mut _UNICODE_STRING;
pub type PUSHORT = *mut c_ushort;
pub type PVOID = *mut c_void;
pub type PWDFDEVICE_INIT = *mut WDFDEVICE_INIT;
pub type PWDF_DEVICE_PNP_CAPABILITIES = *mut _WDF_DEVICE_PNP_CAPABILITIES;
pub type PWDF_DPC_CONFIG = *mut _WDF_DPC_CONFIG;
pub type PWDF_DRIVER_CONFIG = *mut _WDF_DRIVER_CONFIG;
pub type PWDF_DRIVER_GLOBALS = *mut _WDF_DRIVER_GLOBALS;
pub type PWDF_FILEOBJECT_CONFIG = *mut _WDF_FILEOBJECT_CONFIG;
pub type PWDF_IO_QUEUE_CONFIG = *mut _WDF_IO_QUEUE_CONFIG;
pub type PWDF_IO_TARGET_OPEN_PARAMS = *mut _WDF_IO_TARGET_OPEN_PARAMS;
pub type PWDF_IO_TYPE_CONFIG = *mut _WDF_IO_TYPE_CONFIG;
pub type PWDF_OBJECT_ATTRIBUTES = *mut _WDF_OBJECT_ATTRIBUTES;
pub type PWDF_PNPPOWER_EVENT_CALLBACKS = *mut _WDF_PNPPOWER_EVENT_CALLBACKS;
pub type PWDF_POWER_POLICY_EVENT_CALLBACKS = *mut _WDF_POWER_POLICY_EVENT_CALLBACKS;
pub type PWDF_REQUEST_PARAMETERS = *mut _WDF_REQUEST_PARAMETERS;
pub type PWDF_TIMER_CONFIG = *mut _WDF_TIMER_CONFIG;
pub type PWDF_WMI_INSTANCE_CONFIG = *mut _WDF_WMI_INSTANCE_CONFIG;
pub type PWDF_WMI_PROVIDER_CONFIG = *mut _WDF_WMI_PROVIDER_CONFIG;
pub type PWDF_WORKITEM_CONFIG = *mut _WDF_WORKITEM_CONFIG;
pub type PWSTR = *mut WCHAR;
pub type REGHANDLE = ULONGLONG;
pub type SINGLE_LIST_ENTRY = _SINGLE_LIST_ENTRY;
pub type SIZE_T = ULONG_PTR;
pub type SLIST_ENTRY = _SLIST_ENTRY;
pub type SLIST_HEADER = _SLIST_HEADER;
pub type UCHAR = c_uchar;
pub type ULONG = c_ulong;
pub type ULONG64 = c_ulonglong;
pub type ULONGLONG = c_ulonglong;
pub type ULONG_PTR = c_ulonglong;
pub type UNICODE_STRING = _UNICODE_STRING;
pub type USHORT = c_ushort;
pub type WCHAR = wchar_t;
pub type WDFCMRESLIST = HANDLE;
pub type WDFCOLLECTION = HANDLE;
pub type WDFCONTEXT = PVOID;
pub type WDFDEVICE = HANDLE;
pub type WDFDPC = HANDLE;
pub type WDFDRIVER = HANDLE;
pub type WDFFILEOBJECT = HANDLE;
pub type WDFIOTARGET = HANDLE;
pub type WDFKEY = HANDLE;
pub type WDFLOOKASIDE = HANDLE;
pub type WDFMEMORY = HANDLE;
pub type WDFOBJECT = HANDLE;
pub type WDFQUEUE = HANDLE;
pub type WDFREQUEST = HANDLE;
pub type WDFSPINLOCK = HANDLE;
pub type WDFSTRING = HANDLE;
pub type WDFTIMER = HANDLE;
pub type WDFWAITLOCK = HANDLE;
pub type WDFWMIINSTANCE = HANDLE;
pub type WDFWMIPROVIDER = HANDLE;
pub type WDFWORKITEM = HANDLE;
pub type WDF_DEVICE_PNP_CAPABILITIES = _WDF_DEVICE_PNP_CAPABILITIES;
pub type WDF_DEVICE_STATE = _WDF_DEVICE_STATE;
pub type WDF_DPC_CONFIG = _WDF_DPC_CONFIG;
pub type WDF_DRIVER_CONFIG = _WDF_DRIVER_CONFIG;
pub type WDF_DRIVER_GLOBALS = _WDF_DRIVER_GLOBALS;
pub type WDF_FILEOBJECT_CONFIG = _WDF_FILEOBJECT_CONFIG;
pub type WDF_IO_QUEUE_CONFIG = _WDF_IO_QUEUE_CONFIG;
pub type WDF_IO_TARGET_OPEN_PARAMS = _WDF_IO_TARGET_OPEN_PARAMS;
pub type WDF_IO_TYPE_CONFIG = _WDF_IO_TYPE_CONFIG;
pub type WDF_OBJECT_ATTRIBUTES = _WDF_OBJECT_ATTRIBUTES;
pub type WDF_OBJECT_CONTEXT_TYPE_INFO = _WDF_OBJECT_CONTEXT_TYPE_INFO;
pub type WDF_PNPPOWER_EVENT_CALLBACKS = _WDF_PNPPOWER_EVENT_CALLBACKS;
pub type WDF_POWER_POLICY_EVENT_CALLBACKS = _WDF_POWER_POLICY_EVENT_CALLBACKS;
pub type WDF_QUERY_INTERFACE_CONFIG = _WDF_QUERY_INTERFACE_CONFIG;
pub type WDF_REQUEST_PARAMETERS = _WDF_REQUEST_PARAMETERS;
pub type WDF_TIMER_CONFIG = _WDF_TIMER_CONFIG;
pub type WDF_WORKITEM_CONFIG = _WDF_WORKITEM_CONFIG;
pub type wchar_t = c_ushort;

#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct WDFDEVICE_INIT {
    _unused: [u8; 0],
}

#[repr(C, align(4))]
#[derive(Copy, Clone)]
pub struct _CM_PARTIAL_RESOURCE_DESCRIPTOR {
    _opaque: [u8; 20],
}

#[repr(C, align(8))]
#[derive(Copy, Clone)]
pub struct _DEVICE_OBJECT {
    _opaque: [u8; 328],
}

#[repr(C)]
#[derive(Copy, Clone)]
pub struct _DISPATCHER_HEADER {
    pub __bindgen_anon_1: _DISPATCHER_HEADER__bindgen_ty_1,
    pub SignalState: LONG,
    pub WaitListHead: LIST_ENTRY,
}

#[repr(C)]
#[derive(Copy, Clone)]
pub union _DISPATCHER_HEADER__bindgen_ty_1 {
    pub __bindgen_anon_1: _DISPATCHER_HEADER__bindgen_ty_1__bindgen_ty_1,
    pub Lock: LONG,
}

#[repr(C)]
#[derive(Copy, Clone)]
pub struct _DISPATCHER_HEADER__bindgen_ty_1__bindgen_ty_1 {
    pub Type: UCHAR,
    pub __bindgen_anon_1: _DISPATCHER_HEADER__bindgen_ty_1__bindgen_ty_1__bindgen_ty_1,
    pub __bindgen_anon_2: _DISPATCHER_HEADER__bindgen_ty_1__bindgen_ty_1__bindgen_ty_2,
    pub __bindgen_anon_3: _DISPATCHER_HEADER__bindgen_ty_1__bindgen_ty_1__bindgen_ty_3,
}

#[repr(C)]
#[derive(Copy, Clone)]
pub union _DISPATCHER_HEADER__bindgen_ty_1__bindgen_ty_1__bindgen_ty_1 {
    pub __bindgen_anon_1:
        _DISPATCHER_HEADER__bindgen_ty_1__bindgen_ty_1__bindgen_ty_1__bindgen_ty_1,
    pub Abandoned: UCHAR,
    pub Signalling: BOOLEAN,
}

#[repr(C)]
#[derive(Copy, Clone)]
pub union _DISPATCHER_HEADER__bindgen_ty_1__bindgen_ty_1__bindgen_ty_1__bindgen_ty_1 {
    pub TimerControlFlags: UCHAR,
    pub __bindgen_anon_1:
        _DISPATCHER_HEADER__bindgen_ty_1__bindgen_ty_1__bindgen_ty_1__bindgen_ty_1__bindgen_ty_1,
}

#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct _DISPATCHER_HEADER__bindgen_ty_1__bindgen_ty_1__bindgen_ty_1__bindgen_ty_1__bindgen_ty_1
{
    pub _bitfield_1: __BindgenBitfieldUnit<[u8; 1]>,
}

#[repr(C)]
#[derive(Copy, Clone)]
pub union _DISPATCHER_HEADER__bindgen_ty_1__bindgen_ty_1__bindgen_ty_2 {
    pub __bindgen_anon_1:
        _DISPATCHER_HEADER__bindgen_ty_1__bindgen_ty_1__bindgen_ty_2__bindgen_ty_1,
    pub Size: UCHAR,
    pub Hand: UCHAR,
}

#[repr(C)]
#[derive(Copy, Clone)]
pub union _DISPATCHER_HEADER__bindgen_ty_1__bindgen_ty_1__bindgen_ty_2__bindgen_ty_1 {
    pub ThreadControlFlags: UCHAR,
    pub __bindgen_anon_1:
        _DISPATCHER_HEADER__bindgen_ty_1__bindgen_ty_1__bindgen_ty_2__bindgen_ty_1__bindgen_ty_1,
}

#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct _DISPATCHER_HEADER__bindgen_ty_1__bindgen_ty_1__bindgen_ty_2__bindgen_ty_1__bindgen_ty_1
{
    pub _bitfield_1: __BindgenBitfieldUnit<[u8; 1]>,
}

#[repr(C)]
#[derive(Copy, Clone)]
pub union _DISPATCHER_HEADER__bindgen_ty_1__bindgen_ty_1__bindgen_ty_3 {
    pub __bindgen_anon_1:
        _DISPATCHER_HEADER__bindgen_ty_1__bindgen_ty_1__bindgen_ty_3__bindgen_ty_1,
    pub __bindgen_anon_2:
        _DISPATCHER_HEADER__bindgen_ty_1__bindgen_ty_1__bindgen_ty_3__bindgen_ty_2,
    pub DpcActive: BOOLEAN,
}

#[repr(C)]
#[derive(Copy, Clone)]
pub union _DISPATCHER_HEADER__bindgen_ty_1__bindgen_ty_1__bindgen_ty_3__bindgen_ty_1 {
    pub TimerMiscFlags: UCHAR,
    pub __bindgen_anon_1:
        _DISPATCHER_HEADER__bindgen_ty_1__bindgen_ty_1__bindgen_ty_3__bindgen_ty_1__bindgen_ty_1,
}

#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct _DISPATCHER_HEADER__bindgen_ty_1__bindgen_ty_1__bindgen_ty_3__bindgen_ty_1__bindgen_ty_1
{
    pub _bitfield_1: __BindgenBitfieldUnit<[u8; 1]>,
}

#[repr(C)]
#[derive(Copy, Clone)]
pub union _DISPATCHER_HEADER__bindgen_ty_1__bindgen_ty_1__bindgen_ty_3__bindgen_ty_2 {
    pub DebugActive: BOOLEAN,
    pub __bindgen_anon_1:
        _DISPATCHER_HEADER__bindgen_ty_1__bindgen_ty_1__bindgen_ty_3__bindgen_ty_2__bindgen_ty_1,
}

#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct _DISPATCHER_HEADER__bindgen_ty_1__bindgen_ty_1__bindgen_ty_3__bindgen_ty_2__bindgen_ty_1
{
    pub _bitfield_1: __BindgenBitfieldUnit<[u8; 1]>,
}

#[repr(C, align(8))]
#[derive(Copy, Clone)]
pub struct _DRIVER_OBJECT {
    _opaque: [u8; 336],
}

#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct _EPROCESS {
    _unused: [u8; 0],
}

#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct _EVENT_DATA_DESCRIPTOR {
    pub Ptr: ULONGLONG,
    pub Size: ULONG,
    pub Reserved: ULONG,
}

#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct _EVENT_DESCRIPTOR {
    pub Id: USHORT,
    pub Version: UCHAR,
    pub Channel: UCHAR,
    pub Level: UCHAR,
    pub Opcode: UCHAR,
    pub Task: USHORT,
    pub Keyword: ULONGLONG,
}

#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct _EVENT_FILTER_DESCRIPTOR {
    pub Ptr: ULONGLONG,
    pub Size: ULONG,
    pub Type: ULONG,
}

#[repr(C)]
#[derive(Copy, Clone)]
pub struct _EX_RUNDOWN_REF {
    pub __bindgen_anon_1: _EX_RUNDOWN_REF__bindgen_ty_1,
}

#[repr(C)]
#[derive(Copy, Clone)]
pub union _EX_RUNDOWN_REF__bindgen_ty_1 {
    pub Count: ULONG_PTR,
    pub Ptr: PVOID,
}

#[repr(C, align(8))]
#[derive(Copy, Clone)]
pub struct _FILE_OBJECT {
    _opaque: [u8; 216],
}

#[repr(C, align(64))]
#[derive(Copy, Clone)]
pub struct _GENERAL_LOOKASIDE {
    pub __bindgen_anon_1: _GENERAL_LOOKASIDE__bindgen_ty_1,
    pub Depth: USHORT,
    pub MaximumDepth: USHORT,
    pub TotalAllocates: ULONG,
    pub __bindgen_anon_2: _GENERAL_LOOKASIDE__bindgen_ty_2,
    pub TotalFrees: ULONG,
    pub __bindgen_anon_3: _GENERAL_LOOKASIDE__bindgen_ty_3,
    pub Type: POOL_TYPE,
    pub Tag: ULONG,
    pub Size: ULONG,
    pub __bindgen_anon_4: _GENERAL_LOOKASIDE__bindgen_ty_4,
    pub __bindgen_anon_5: _GENERAL_LOOKASIDE__bindgen_ty_5,
    pub ListEntry: LIST_ENTRY,
    pub LastTotalAllocates: ULONG,
    pub __bindgen_anon_6: _GENERAL_LOOKASIDE__bindgen_ty_6,
    pub Future: [ULONG; 2],
}

#[repr(C)]
#[derive(Copy, Clone)]
pub struct _GENERAL_LOOKASIDE_POOL {
    pub __bindgen_anon_1: _GENERAL_LOOKASIDE_POOL__bindgen_ty_1,
    pub Depth: USHORT,
    pub MaximumDepth: USHORT,
    pub TotalAllocates: ULONG,
    pub __bindgen_anon_2: _GENERAL_LOOKASIDE_POOL__bindgen_ty_2,
    pub TotalFrees: ULONG,
    pub __bindgen_anon_3: _GENERAL_LOOKASIDE_POOL__bindgen_ty_3,
    pub Type: POOL_TYPE,
    pub Tag: ULONG,
    pub Size: ULONG,
    pub __bindgen_anon_4: _GENERAL_LOOKASIDE_POOL__bindgen_ty_4,
    pub __bindgen_anon_5: _GENERAL_LOOKASIDE_POOL__bindgen_ty_5,
    pub ListEntry: LIST_ENTRY,
    pub LastTotalAllocates: ULONG,
    pub __bindgen_anon_6: _GENERAL_LOOKASIDE_POOL__bindgen_ty_6,
    pub Future: [ULONG; 2],
}

#[repr(C)]
#[derive(Copy, Clone)]
pub union _GENERAL_LOOKASIDE_POOL__bindgen_ty_1 {
    pub ListHead: SLIST_HEADER,
    pub SingleListHead: SINGLE_LIST_ENTRY,
}

#[repr(C)]
#[derive(Copy, Clone)]
pub union _GENERAL_LOOKASIDE_POOL__bindgen_ty_2 {
    pub AllocateMisses: ULONG,
    pub AllocateHits: ULONG,
}

#[repr(C)]
#[derive(Copy, Clone)]
pub union _GENERAL_LOOKASIDE_POOL__bindgen_ty_3 {
    pub FreeMisses: ULONG,
    pub FreeHits: ULONG,
}

#[repr(C)]
#[derive(Copy, Clone)]
pub union _GENERAL_LOOKASIDE_POOL__bindgen_ty_4 {
    pub AllocateEx: PALLOCATE_FUNCTION_EX,
    pub Allocate: PALLOCATE_FUNCTION,
}

#[repr(C)]
#[derive(Copy, Clone)]
pub union _GENERAL_LOOKASIDE_POOL__bindgen_ty_5 {
    pub FreeEx: PFREE_FUNCTION_EX,
    pub Free: PFREE_FUNCTION,
}

#[repr(C)]
#[derive(Copy, Clone)]
pub union _GENERAL_LOOKASIDE_POOL__bindgen_ty_6 {
    pub LastAllocateMisses: ULONG,
    pub LastAllocateHits: ULONG,
}

#[repr(C)]
#[derive(Copy, Clone)]
pub union _GENERAL_LOOKASIDE__bindgen_ty_1 {
    pub ListHead: SLIST_HEADER,
    pub SingleListHead: SINGLE_LIST_ENTRY,
}

#[repr(C)]
#[derive(Copy, Clone)]
pub union _GENERAL_LOOKASIDE__bindgen_ty_2 {
    pub AllocateMisses: ULONG,
    pub AllocateHits: ULONG,
}

#[repr(C)]
#[derive(Copy, Clone)]
pub union _GENERAL_LOOKASIDE__bindgen_ty_3 {
    pub FreeMisses: ULONG,
    pub FreeHits: ULONG,
}

#[repr(C)]
#[derive(Copy, Clone)]
pub union _GENERAL_LOOKASIDE__bindgen_ty_4 {
    pub AllocateEx: PALLOCATE_FUNCTION_EX,
    pub Allocate: PALLOCATE_FUNCTION,
}

#[repr(C)]
#[derive(Copy, Clone)]
pub union _GENERAL_LOOKASIDE__bindgen_ty_5 {
    pub FreeEx: PFREE_FUNCTION_EX,
    pub Free: PFREE_FUNCTION,
}

#[repr(C)]
#[derive(Copy, Clone)]
pub union _GENERAL_LOOKASIDE__bindgen_ty_6 {
    pub LastAllocateMisses: ULONG,
    pub LastAllocateHits: ULONG,
}

#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct _GUID {
    pub Data1: c_ulong,
    pub Data2: c_ushort,
    pub Data3: c_ushort,
    pub Data4: [c_uchar; 8],
}

#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct _INTERFACE {
    pub Size: USHORT,
    pub Version: USHORT,
    pub Context: PVOID,
    pub InterfaceReference: PINTERFACE_REFERENCE,
    pub InterfaceDereference: PINTERFACE_DEREFERENCE,
}

#[repr(C, align(8))]
#[derive(Copy, Clone)]
pub struct _IO_SECURITY_CONTEXT {
    _opaque: [u8; 24],
}

#[repr(C, align(8))]
#[derive(Copy, Clone)]
pub struct _IO_STACK_LOCATION {
    _opaque: [u8; 72],
}

#[repr(C)]
#[derive(Copy, Clone)]
pub struct _IO_STATUS_BLOCK {
    pub __bindgen_anon_1: _IO_STATUS_BLOCK__bindgen_ty_1,
    pub Information: ULONG_PTR,
}

#[repr(C)]
#[derive(Copy, Clone)]
pub union _IO_STATUS_BLOCK__bindgen_ty_1 {
    pub Status: NTSTATUS,
    pub Pointer: PVOID,
}

#[repr(C, align(8))]
#[derive(Copy, Clone)]
pub struct _IRP {
    _opaque: [u8; 208],
}

#[repr(C)]
#[derive(Copy, Clone)]
pub struct _KEVENT {
    pub Header: DISPATCHER_HEADER,
}

#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct _KEY_VALUE_PARTIAL_INFORMATION {
    pub TitleIndex: ULONG,
    pub Type: ULONG,
    pub DataLength: ULONG,
    pub Data: [UCHAR; 1],
}

#[repr(C)]
#[derive(Copy, Clone)]
pub union _LARGE_INTEGER {
    pub __bindgen_anon_1: _LARGE_INTEGER__bindgen_ty_1,
    pub u: _LARGE_INTEGER__bindgen_ty_2,
    pub QuadPart: LONGLONG,
}

#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct _LARGE_INTEGER__bindgen_ty_1 {
    pub LowPart: ULONG,
    pub HighPart: LONG,
}

#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct _LARGE_INTEGER__bindgen_ty_2 {
    pub LowPart: ULONG,
    pub HighPart: LONG,
}

#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct _LIST_ENTRY {
    pub Flink: *mut _LIST_ENTRY,
    pub Blink: *mut _LIST_ENTRY,
}

#[repr(C)]
#[derive(Copy, Clone)]
pub struct _LOOKASIDE_LIST_EX {
    pub L: GENERAL_LOOKASIDE_POOL,
}

#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct _MDL {
    pub Next: *mut _MDL,
    pub Size: CSHORT,
    pub MdlFlags: CSHORT,
    pub Process: *mut _EPROCESS,
    pub MappedSystemVa: PVOID,
    pub StartVa: PVOID,
    pub ByteCount: ULONG,
    pub ByteOffset: ULONG,
}

#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct _OBJECT_ATTRIBUTES {
    pub Length: ULONG,
    pub RootDirectory: HANDLE,
    pub ObjectName: PUNICODE_STRING,
    pub Attributes: ULONG,
    pub SecurityDescriptor: PVOID,
    pub SecurityQualityOfService: PVOID,
}

#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct _OSVERSIONINFOW {
    pub dwOSVersionInfoSize: ULONG,
    pub dwMajorVersion: ULONG,
    pub dwMinorVersion: ULONG,
    pub dwBuildNumber: ULONG,
    pub dwPlatformId: ULONG,
    pub szCSDVersion: [WCHAR; 128],
}

#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct _PROCESSOR_NUMBER {
    pub Group: USHORT,
    pub Number: UCHAR,
    pub Reserved: UCHAR,
}

#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct _SINGLE_LIST_ENTRY {
    pub Next: *mut _SINGLE_LIST_ENTRY,
}

#[repr(C, align(16))]
#[derive(Debug, Copy, Clone)]
pub struct _SLIST_ENTRY {
    pub Next: *mut _SLIST_ENTRY,
}

#[repr(C, align(16))]
#[derive(Copy, Clone)]
pub union _SLIST_HEADER {
    pub __bindgen_anon_1: _SLIST_HEADER__bindgen_ty_1,
    pub Header8: _SLIST_HEADER__bindgen_ty_2,
    pub Header16: _SLIST_HEADER__bindgen_ty_3,
    pub HeaderX64: _SLIST_HEADER__bindgen_ty_4,
}

#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct _SLIST_HEADER__bindgen_ty_1 {
    pub Alignment: ULONGLONG,
    pub Region: ULONGLONG,
}

#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct _SLIST_HEADER__bindgen_ty_2 {
    pub _bindgen_align: [u64; 0],
    pub _bitfield_1: __BindgenBitfieldUnit<[u8; 16]>,
}

#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct _SLIST_HEADER__bindgen_ty_3 {
    pub _bindgen_align: [u64; 0],
    pub _bitfield_1: __BindgenBitfieldUnit<[u8; 16]>,
}

#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct _SLIST_HEADER__bindgen_ty_4 {
    pub _bindgen_align: [u64; 0],
    pub _bitfield_1: __BindgenBitfieldUnit<[u8; 16]>,
}

#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct _UNICODE_STRING {
    pub Length: USHORT,
    pub MaximumLength: USHORT,
    pub Buffer: PWSTR,
}

#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct _WDF_DEVICE_PNP_CAPABILITIES {
    pub Size: ULONG,
    pub LockSupported: WDF_TRI_STATE,
    pub EjectSupported: WDF_TRI_STATE,
    pub Removable: WDF_TRI_STATE,
    pub DockDevice: WDF_TRI_STATE,
    pub UniqueID: WDF_TRI_STATE,
    pub SilentInstall: WDF_TRI_STATE,
    pub SurpriseRemovalOK: WDF_TRI_STATE,
    pub HardwareDisabled: WDF_TRI_STATE,
    pub NoDisplayInUI: WDF_TRI_STATE,
    pub Address: ULONG,
    pub UINumber: ULONG,
}

#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct _WDF_DEVICE_STATE {
    pub Size: ULONG,
    pub Disabled: WDF_TRI_STATE,
    pub DontDisplayInUI: WDF_TRI_STATE,
    pub Failed: WDF_TRI_STATE,
    pub NotDisableable: WDF_TRI_STATE,
    pub Removed: WDF_TRI_STATE,
    pub ResourcesChanged: WDF_TRI_STATE,
    pub AssignedToGuest: WDF_TRI_STATE,
}

#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct _WDF_DPC_CONFIG {
    pub Size: ULONG,
    pub EvtDpcFunc: PFN_WDF_DPC,
    pub AutomaticSerialization: BOOLEAN,
}

#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct _WDF_DRIVER_CONFIG {
    pub Size: ULONG,
    pub EvtDriverDeviceAdd: PFN_WDF_DRIVER_DEVICE_ADD,
    pub EvtDriverUnload: PFN_WDF_DRIVER_UNLOAD,
    pub DriverInitFlags: ULONG,
    pub DriverPoolTag: ULONG,
}

#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct _WDF_DRIVER_GLOBALS {
    pub Driver: WDFDRIVER,
    pub DriverFlags: ULONG,
    pub DriverTag: ULONG,
    pub DriverName: [CHAR; 32],
    pub DisplaceDriverUnload: BOOLEAN,
}

#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct _WDF_FILEOBJECT_CONFIG {
    pub Size: ULONG,
    pub EvtDeviceFileCreate: PFN_WDF_DEVICE_FILE_CREATE,
    pub EvtFileClose: PFN_WDF_FILE_CLOSE,
    pub EvtFileCleanup: PFN_WDF_FILE_CLEANUP,
    pub AutoForwardCleanupClose: WDF_TRI_STATE,
    pub FileObjectClass: WDF_FILEOBJECT_CLASS,
}

#[repr(C)]
#[derive(Copy, Clone)]
pub struct _WDF_IO_QUEUE_CONFIG {
    pub Size: ULONG,
    pub DispatchType: WDF_IO_QUEUE_DISPATCH_TYPE,
    pub PowerManaged: WDF_TRI_STATE,
    pub AllowZeroLengthRequests: BOOLEAN,
    pub DefaultQueue: BOOLEAN,
    pub EvtIoDefault: PFN_WDF_IO_QUEUE_IO_DEFAULT,
    pub EvtIoRead: PFN_WDF_IO_QUEUE_IO_READ,
    pub EvtIoWrite: PFN_WDF_IO_QUEUE_IO_WRITE,
    pub EvtIoDeviceControl: PFN_WDF_IO_QUEUE_IO_DEVICE_CONTROL,
    pub EvtIoInternalDeviceControl: PFN_WDF_IO_QUEUE_IO_INTERNAL_DEVICE_CONTROL,
    pub EvtIoStop: PFN_WDF_IO_QUEUE_IO_STOP,
    pub EvtIoResume: PFN_WDF_IO_QUEUE_IO_RESUME,
    pub EvtIoCanceledOnQueue: PFN_WDF_IO_QUEUE_IO_CANCELED_ON_QUEUE,
    pub Settings: _WDF_IO_QUEUE_CONFIG__bindgen_ty_1,
    pub Driver: WDFDRIVER,
}

#[repr(C)]
#[derive(Copy, Clone)]
pub union _WDF_IO_QUEUE_CONFIG__bindgen_ty_1 {
    pub Parallel: _WDF_IO_QUEUE_CONFIG__bindgen_ty_1__bindgen_ty_1,
}

#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct _WDF_IO_QUEUE_CONFIG__bindgen_ty_1__bindgen_ty_1 {
    pub NumberOfPresentedRequests: ULONG,
}

#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct _WDF_IO_TARGET_OPEN_PARAMS {
    pub Size: ULONG,
    pub Type: WDF_IO_TARGET_OPEN_TYPE,
    pub EvtIoTargetQueryRemove: PFN_WDF_IO_TARGET_QUERY_REMOVE,
    pub EvtIoTargetRemoveCanceled: PFN_WDF_IO_TARGET_REMOVE_CANCELED,
    pub EvtIoTargetRemoveComplete: PFN_WDF_IO_TARGET_REMOVE_COMPLETE,
    pub TargetDeviceObject: PDEVICE_OBJECT,
    pub TargetFileObject: PFILE_OBJECT,
    pub TargetDeviceName: UNICODE_STRING,
    pub DesiredAccess: ACCESS_MASK,
    pub ShareAccess: ULONG,
    pub FileAttributes: ULONG,
    pub CreateDisposition: ULONG,
    pub CreateOptions: ULONG,
    pub EaBuffer: PVOID,
    pub EaBufferLength: ULONG,
    pub AllocationSize: PLONGLONG,
    pub FileInformation: ULONG,
    pub FileName: UNICODE_STRING,
}

#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct _WDF_IO_TYPE_CONFIG {
    pub Size: ULONG,
    pub ReadWriteIoType: WDF_DEVICE_IO_TYPE,
    pub DeviceControlIoType: WDF_DEVICE_IO_TYPE,
    pub DirectTransferThreshold: ULONG,
}

#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct _WDF_OBJECT_ATTRIBUTES {
    pub Size: ULONG,
    pub EvtCleanupCallback: PFN_WDF_OBJECT_CONTEXT_CLEANUP,
    pub EvtDestroyCallback: PFN_WDF_OBJECT_CONTEXT_DESTROY,
    pub ExecutionLevel: WDF_EXECUTION_LEVEL,
    pub SynchronizationScope: WDF_SYNCHRONIZATION_SCOPE,
    pub ParentObject: WDFOBJECT,
    pub ContextSizeOverride: usize,
    pub ContextTypeInfo: PCWDF_OBJECT_CONTEXT_TYPE_INFO,
}

#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct _WDF_OBJECT_CONTEXT_TYPE_INFO {
    pub Size: ULONG,
    pub ContextName: LPCSTR,
    pub ContextSize: usize,
    pub UniqueType: PCWDF_OBJECT_CONTEXT_TYPE_INFO,
    pub EvtDriverGetUniqueContextType: PFN_GET_UNIQUE_CONTEXT_TYPE,
}

#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct _WDF_PNPPOWER_EVENT_CALLBACKS {
    pub Size: ULONG,
    pub EvtDeviceD0Entry: PFN_WDF_DEVICE_D0_ENTRY,
    pub EvtDeviceD0EntryPostInterruptsEnabled: PFN_WDF_DEVICE_D0_ENTRY_POST_INTERRUPTS_ENABLED,
    pub EvtDeviceD0Exit: PFN_WDF_DEVICE_D0_EXIT,
    pub EvtDeviceD0ExitPreInterruptsDisabled: PFN_WDF_DEVICE_D0_EXIT_PRE_INTERRUPTS_DISABLED,
    pub EvtDevicePrepareHardware: PFN_WDF_DEVICE_PREPARE_HARDWARE,
    pub EvtDeviceReleaseHardware: PFN_WDF_DEVICE_RELEASE_HARDWARE,
    pub EvtDeviceSelfManagedIoCleanup: PFN_WDF_DEVICE_SELF_MANAGED_IO_CLEANUP,
    pub EvtDeviceSelfManagedIoFlush: PFN_WDF_DEVICE_SELF_MANAGED_IO_FLUSH,
    pub EvtDeviceSelfManagedIoInit: PFN_WDF_DEVICE_SELF_MANAGED_IO_INIT,
    pub EvtDeviceSelfManagedIoSuspend: PFN_WDF_DEVICE_SELF_MANAGED_IO_SUSPEND,
    pub EvtDeviceSelfManagedIoRestart: PFN_WDF_DEVICE_SELF_MANAGED_IO_RESTART,
    pub EvtDeviceSurpriseRemoval: PFN_WDF_DEVICE_SURPRISE_REMOVAL,
    pub EvtDeviceQueryRemove: PFN_WDF_DEVICE_QUERY_REMOVE,
    pub EvtDeviceQueryStop: PFN_WDF_DEVICE_QUERY_STOP,
    pub EvtDeviceUsageNotification: PFN_WDF_DEVICE_USAGE_NOTIFICATION,
    pub EvtDeviceRelationsQuery: PFN_WDF_DEVICE_RELATIONS_QUERY,
    pub EvtDeviceUsageNotificationEx: PFN_WDF_DEVICE_USAGE_NOTIFICATION_EX,
}

#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct _WDF_POWER_POLICY_EVENT_CALLBACKS {
    pub Size: ULONG,
    pub EvtDeviceArmWakeFromS0: PFN_WDF_DEVICE_ARM_WAKE_FROM_S0,
    pub EvtDeviceDisarmWakeFromS0: PFN_WDF_DEVICE_DISARM_WAKE_FROM_S0,
    pub EvtDeviceWakeFromS0Triggered: PFN_WDF_DEVICE_WAKE_FROM_S0_TRIGGERED,
    pub EvtDeviceArmWakeFromSx: PFN_WDF_DEVICE_ARM_WAKE_FROM_SX,
    pub EvtDeviceDisarmWakeFromSx: PFN_WDF_DEVICE_DISARM_WAKE_FROM_SX,
    pub EvtDeviceWakeFromSxTriggered: PFN_WDF_DEVICE_WAKE_FROM_SX_TRIGGERED,
    pub EvtDeviceArmWakeFromSxWithReason: PFN_WDF_DEVICE_ARM_WAKE_FROM_SX_WITH_REASON,
}

#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct _WDF_QUERY_INTERFACE_CONFIG {
    pub Size: ULONG,
    pub Interface: PINTERFACE,
    pub InterfaceType: *const GUID,
    pub SendQueryToParentStack: BOOLEAN,
    pub EvtDeviceProcessQueryInterfaceRequest: PFN_WDF_DEVICE_PROCESS_QUERY_INTERFACE_REQUEST,
    pub ImportInterface: BOOLEAN,
}

#[repr(C)]
#[derive(Copy, Clone)]
pub struct _WDF_REQUEST_PARAMETERS {
    pub Size: USHORT,
    pub MinorFunction: UCHAR,
    pub Type: WDF_REQUEST_TYPE,
    pub Parameters: _WDF_REQUEST_PARAMETERS__bindgen_ty_1,
}

#[repr(C)]
#[derive(Copy, Clone)]
pub union _WDF_REQUEST_PARAMETERS__bindgen_ty_1 {
    pub Create: _WDF_REQUEST_PARAMETERS__bindgen_ty_1__bindgen_ty_1,
    pub Read: _WDF_REQUEST_PARAMETERS__bindgen_ty_1__bindgen_ty_2,
    pub Write: _WDF_REQUEST_PARAMETERS__bindgen_ty_1__bindgen_ty_3,
    pub DeviceIoControl: _WDF_REQUEST_PARAMETERS__bindgen_ty_1__bindgen_ty_4,
    pub Others: _WDF_REQUEST_PARAMETERS__bindgen_ty_1__bindgen_ty_5,
}

#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct _WDF_REQUEST_PARAMETERS__bindgen_ty_1__bindgen_ty_1 {
    pub SecurityContext: PIO_SECURITY_CONTEXT,
    pub Options: ULONG,
    pub __bindgen_padding_0: [u8; 4],
    pub FileAttributes: USHORT,
    pub ShareAccess: USHORT,
    pub __bindgen_padding_1: [u8; 4],
    pub EaLength: ULONG,
}

#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct _WDF_REQUEST_PARAMETERS__bindgen_ty_1__bindgen_ty_2 {
    pub Length: usize,
    pub Key: ULONG,
    pub DeviceOffset: LONGLONG,
}

#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct _WDF_REQUEST_PARAMETERS__bindgen_ty_1__bindgen_ty_3 {
    pub Length: usize,
    pub Key: ULONG,
    pub DeviceOffset: LONGLONG,
}

#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct _WDF_REQUEST_PARAMETERS__bindgen_ty_1__bindgen_ty_4 {
    pub OutputBufferLength: usize,
    pub InputBufferLength: usize,
    pub IoControlCode: ULONG,
    pub Type3InputBuffer: PVOID,
}

#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct _WDF_REQUEST_PARAMETERS__bindgen_ty_1__bindgen_ty_5 {
    pub Arg1: PVOID,
    pub Arg2: PVOID,
    pub IoControlCode: ULONG,
    pub Arg4: PVOID,
}

#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct _WDF_TIMER_CONFIG {
    pub Size: ULONG,
    pub EvtTimerFunc: PFN_WDF_TIMER,
    pub Period: ULONG,
    pub AutomaticSerialization: BOOLEAN,
    pub TolerableDelay: ULONG,
    pub __bindgen_padding_0: [u8; 4],
    pub UseHighResolutionTimer: BOOLEAN,
}

#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct _WDF_WMI_INSTANCE_CONFIG {
    pub Size: ULONG,
    pub Provider: WDFWMIPROVIDER,
    pub ProviderConfig: PWDF_WMI_PROVIDER_CONFIG,
    pub UseContextForQuery: BOOLEAN,
    pub Register: BOOLEAN,
    pub EvtWmiInstanceQueryInstance: PFN_WDF_WMI_INSTANCE_QUERY_INSTANCE,
    pub EvtWmiInstanceSetInstance: PFN_WDF_WMI_INSTANCE_SET_INSTANCE,
    pub EvtWmiInstanceSetItem: PFN_WDF_WMI_INSTANCE_SET_ITEM,
    pub EvtWmiInstanceExecuteMethod: PFN_WDF_WMI_INSTANCE_EXECUTE_METHOD,
}

#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct _WDF_WMI_PROVIDER_CONFIG {
    pub Size: ULONG,
    pub Guid: GUID,
    pub Flags: ULONG,
    pub MinInstanceBufferSize: ULONG,
    pub EvtWmiProviderFunctionControl: PFN_WDF_WMI_PROVIDER_FUNCTION_CONTROL,
}

#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct _WDF_WORKITEM_CONFIG {
    pub Size: ULONG,
    pub EvtWorkItemFunc: PFN_WDF_WORKITEM,
    pub AutomaticSerialization: BOOLEAN,
}

pub type PFN_WDFCMRESOURCELISTGETCOUNT =
    Option<unsafe extern "C" fn(DriverGlobals: PWDF_DRIVER_GLOBALS, List: WDFCMRESLIST) -> ULONG>;
pub type PFN_WDFCMRESOURCELISTGETDESCRIPTOR = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        List: WDFCMRESLIST,
        Index: ULONG,
    ) -> PCM_PARTIAL_RESOURCE_DESCRIPTOR,
>;
pub type PFN_WDFCOLLECTIONADD = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        Collection: WDFCOLLECTION,
        Object: WDFOBJECT,
    ) -> NTSTATUS,
>;
pub type PFN_WDFCOLLECTIONCREATE = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        CollectionAttributes: PWDF_OBJECT_ATTRIBUTES,
        Collection: *mut WDFCOLLECTION,
    ) -> NTSTATUS,
>;
pub type PFN_WDFCOLLECTIONGETCOUNT = Option<
    unsafe extern "C" fn(DriverGlobals: PWDF_DRIVER_GLOBALS, Collection: WDFCOLLECTION) -> ULONG,
>;
pub type PFN_WDFCOLLECTIONGETFIRSTITEM = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        Collection: WDFCOLLECTION,
    ) -> WDFOBJECT,
>;
pub type PFN_WDFCOLLECTIONREMOVE = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        Collection: WDFCOLLECTION,
        Item: WDFOBJECT,
    ),
>;
pub type PFN_WDFCONTROLDEVICEINITALLOCATE = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        Driver: WDFDRIVER,
        SDDLString: *const UNICODE_STRING,
    ) -> PWDFDEVICE_INIT,
>;
pub type PFN_WDFCONTROLFINISHINITIALIZING =
    Option<unsafe extern "C" fn(DriverGlobals: PWDF_DRIVER_GLOBALS, Device: WDFDEVICE)>;
pub type PFN_WDFDEVICEALLOCANDQUERYPROPERTY = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        Device: WDFDEVICE,
        DeviceProperty: DEVICE_REGISTRY_PROPERTY::Type,
        PoolType: POOL_TYPE,
        PropertyMemoryAttributes: PWDF_OBJECT_ATTRIBUTES,
        PropertyMemory: *mut WDFMEMORY,
    ) -> NTSTATUS,
>;
pub type PFN_WDFDEVICEASSIGNMOFRESOURCENAME = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        Device: WDFDEVICE,
        MofResourceName: PCUNICODE_STRING,
    ) -> NTSTATUS,
>;
pub type PFN_WDFDEVICECONFIGUREREQUESTDISPATCHING = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        Device: WDFDEVICE,
        Queue: WDFQUEUE,
        RequestType: WDF_REQUEST_TYPE,
    ) -> NTSTATUS,
>;
pub type PFN_WDFDEVICECREATE = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        DeviceInit: *mut PWDFDEVICE_INIT,
        DeviceAttributes: PWDF_OBJECT_ATTRIBUTES,
        Device: *mut WDFDEVICE,
    ) -> NTSTATUS,
>;
pub type PFN_WDFDEVICECREATEDEVICEINTERFACE = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        Device: WDFDEVICE,
        InterfaceClassGUID: *const GUID,
        ReferenceString: PCUNICODE_STRING,
    ) -> NTSTATUS,
>;
pub type PFN_WDFDEVICECREATESYMBOLICLINK = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        Device: WDFDEVICE,
        SymbolicLinkName: PCUNICODE_STRING,
    ) -> NTSTATUS,
>;
pub type PFN_WDFDEVICEENQUEUEREQUEST = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        Device: WDFDEVICE,
        Request: WDFREQUEST,
    ) -> NTSTATUS,
>;
pub type PFN_WDFDEVICEGETDEFAULTQUEUE =
    Option<unsafe extern "C" fn(DriverGlobals: PWDF_DRIVER_GLOBALS, Device: WDFDEVICE) -> WDFQUEUE>;
pub type PFN_WDFDEVICEGETDEVICEPNPSTATE = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        Device: WDFDEVICE,
    ) -> WDF_DEVICE_PNP_STATE,
>;
pub type PFN_WDFDEVICEGETDRIVER = Option<
    unsafe extern "C" fn(DriverGlobals: PWDF_DRIVER_GLOBALS, Device: WDFDEVICE) -> WDFDRIVER,
>;
pub type PFN_WDFDEVICEGETIOTARGET = Option<
    unsafe extern "C" fn(DriverGlobals: PWDF_DRIVER_GLOBALS, Device: WDFDEVICE) -> WDFIOTARGET,
>;
pub type PFN_WDFDEVICEINITASSIGNNAME = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        DeviceInit: PWDFDEVICE_INIT,
        DeviceName: PCUNICODE_STRING,
    ) -> NTSTATUS,
>;
pub type PFN_WDFDEVICEINITASSIGNSDDLSTRING = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        DeviceInit: PWDFDEVICE_INIT,
        SDDLString: PCUNICODE_STRING,
    ) -> NTSTATUS,
>;
pub type PFN_WDFDEVICEINITFREE =
    Option<unsafe extern "C" fn(DriverGlobals: PWDF_DRIVER_GLOBALS, DeviceInit: PWDFDEVICE_INIT)>;
pub type PFN_WDFDEVICEINITSETCHARACTERISTICS = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        DeviceInit: PWDFDEVICE_INIT,
        DeviceCharacteristics: ULONG,
        OrInValues: BOOLEAN,
    ),
>;
pub type PFN_WDFDEVICEINITSETDEVICECLASS = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        DeviceInit: PWDFDEVICE_INIT,
        DeviceClassGuid: *const GUID,
    ),
>;
pub type PFN_WDFDEVICEINITSETDEVICETYPE = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        DeviceInit: PWDFDEVICE_INIT,
        DeviceType: ULONG,
    ),
>;
pub type PFN_WDFDEVICEINITSETEXCLUSIVE = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        DeviceInit: PWDFDEVICE_INIT,
        IsExclusive: BOOLEAN,
    ),
>;
pub type PFN_WDFDEVICEINITSETFILEOBJECTCONFIG = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        DeviceInit: PWDFDEVICE_INIT,
        FileObjectConfig: PWDF_FILEOBJECT_CONFIG,
        FileObjectAttributes: PWDF_OBJECT_ATTRIBUTES,
    ),
>;
pub type PFN_WDFDEVICEINITSETIOINCALLERCONTEXTCALLBACK = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        DeviceInit: PWDFDEVICE_INIT,
        EvtIoInCallerContext: PFN_WDF_IO_IN_CALLER_CONTEXT,
    ),
>;
pub type PFN_WDFDEVICEINITSETIOTYPE = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        DeviceInit: PWDFDEVICE_INIT,
        IoType: WDF_DEVICE_IO_TYPE,
    ),
>;
pub type PFN_WDFDEVICEINITSETIOTYPEEX = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        DeviceInit: PWDFDEVICE_INIT,
        IoTypeConfig: PWDF_IO_TYPE_CONFIG,
    ),
>;
pub type PFN_WDFDEVICEINITSETPNPPOWEREVENTCALLBACKS = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        DeviceInit: PWDFDEVICE_INIT,
        PnpPowerEventCallbacks: PWDF_PNPPOWER_EVENT_CALLBACKS,
    ),
>;
pub type PFN_WDFDEVICEINITSETPOWERNOTPAGEABLE =
    Option<unsafe extern "C" fn(DriverGlobals: PWDF_DRIVER_GLOBALS, DeviceInit: PWDFDEVICE_INIT)>;
pub type PFN_WDFDEVICEINITSETPOWERPAGEABLE =
    Option<unsafe extern "C" fn(DriverGlobals: PWDF_DRIVER_GLOBALS, DeviceInit: PWDFDEVICE_INIT)>;
pub type PFN_WDFDEVICEINITSETPOWERPOLICYEVENTCALLBACKS = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        DeviceInit: PWDFDEVICE_INIT,
        PowerPolicyEventCallbacks: PWDF_POWER_POLICY_EVENT_CALLBACKS,
    ),
>;
pub type PFN_WDFDEVICEINITSETRELEASEHARDWAREORDERONFAILURE = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        DeviceInit: PWDFDEVICE_INIT,
        ReleaseHardwareOrderOnFailure: WDF_RELEASE_HARDWARE_ORDER_ON_FAILURE,
    ),
>;
pub type PFN_WDFDEVICEINITSETREQUESTATTRIBUTES = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        DeviceInit: PWDFDEVICE_INIT,
        RequestAttributes: PWDF_OBJECT_ATTRIBUTES,
    ),
>;
pub type PFN_WDFDEVICEOPENREGISTRYKEY = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        Device: WDFDEVICE,
        DeviceInstanceKeyType: ULONG,
        DesiredAccess: ACCESS_MASK,
        KeyAttributes: PWDF_OBJECT_ATTRIBUTES,
        Key: *mut WDFKEY,
    ) -> NTSTATUS,
>;
pub type PFN_WDFDEVICEQUERYPROPERTY = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        Device: WDFDEVICE,
        DeviceProperty: DEVICE_REGISTRY_PROPERTY::Type,
        BufferLength: ULONG,
        PropertyBuffer: PVOID,
        ResultLength: PULONG,
    ) -> NTSTATUS,
>;
pub type PFN_WDFDEVICERESUMEIDLENOTRACK =
    Option<unsafe extern "C" fn(DriverGlobals: PWDF_DRIVER_GLOBALS, Device: WDFDEVICE)>;
pub type PFN_WDFDEVICESETDEVICEINTERFACESTATE = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        Device: WDFDEVICE,
        InterfaceClassGUID: *const GUID,
        ReferenceString: PCUNICODE_STRING,
        IsInterfaceEnabled: BOOLEAN,
    ),
>;
pub type PFN_WDFDEVICESETDEVICEINTERFACESTATEEX = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        Device: WDFDEVICE,
        InterfaceClassGUID: *const GUID,
        ReferenceString: PCUNICODE_STRING,
        IsInterfaceEnabled: BOOLEAN,
    ),
>;
pub type PFN_WDFDEVICESETFAILED = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        Device: WDFDEVICE,
        FailedAction: WDF_DEVICE_FAILED_ACTION,
    ),
>;
pub type PFN_WDFDEVICESETPNPCAPABILITIES = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        Device: WDFDEVICE,
        PnpCapabilities: PWDF_DEVICE_PNP_CAPABILITIES,
    ),
>;
pub type PFN_WDFDEVICESTOPIDLENOTRACK = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        Device: WDFDEVICE,
        WaitForD0: BOOLEAN,
    ) -> NTSTATUS,
>;
pub type PFN_WDFDEVICEWDMGETATTACHEDDEVICE = Option<
    unsafe extern "C" fn(DriverGlobals: PWDF_DRIVER_GLOBALS, Device: WDFDEVICE) -> PDEVICE_OBJECT,
>;
pub type PFN_WDFDEVICEWDMGETDEVICEOBJECT = Option<
    unsafe extern "C" fn(DriverGlobals: PWDF_DRIVER_GLOBALS, Device: WDFDEVICE) -> PDEVICE_OBJECT,
>;
pub type PFN_WDFDEVICEWDMGETPHYSICALDEVICE = Option<
    unsafe extern "C" fn(DriverGlobals: PWDF_DRIVER_GLOBALS, Device: WDFDEVICE) -> PDEVICE_OBJECT,
>;
pub type PFN_WDFDPCCANCEL = Option<
    unsafe extern "C" fn(DriverGlobals: PWDF_DRIVER_GLOBALS, Dpc: WDFDPC, Wait: BOOLEAN) -> BOOLEAN,
>;
pub type PFN_WDFDPCCREATE = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        Config: PWDF_DPC_CONFIG,
        Attributes: PWDF_OBJECT_ATTRIBUTES,
        Dpc: *mut WDFDPC,
    ) -> NTSTATUS,
>;
pub type PFN_WDFDPCENQUEUE =
    Option<unsafe extern "C" fn(DriverGlobals: PWDF_DRIVER_GLOBALS, Dpc: WDFDPC) -> BOOLEAN>;
pub type PFN_WDFDPCGETPARENTOBJECT =
    Option<unsafe extern "C" fn(DriverGlobals: PWDF_DRIVER_GLOBALS, Dpc: WDFDPC) -> WDFOBJECT>;
pub type PFN_WDFDRIVERCREATE = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        DriverObject: PDRIVER_OBJECT,
        RegistryPath: PCUNICODE_STRING,
        DriverAttributes: PWDF_OBJECT_ATTRIBUTES,
        DriverConfig: PWDF_DRIVER_CONFIG,
        Driver: *mut WDFDRIVER,
    ) -> NTSTATUS,
>;
pub type PFN_WDFDRIVERGETREGISTRYPATH =
    Option<unsafe extern "C" fn(DriverGlobals: PWDF_DRIVER_GLOBALS, Driver: WDFDRIVER) -> PWSTR>;
pub type PFN_WDFDRIVEROPENPARAMETERSREGISTRYKEY = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        Driver: WDFDRIVER,
        DesiredAccess: ACCESS_MASK,
        KeyAttributes: PWDF_OBJECT_ATTRIBUTES,
        Key: *mut WDFKEY,
    ) -> NTSTATUS,
>;
pub type PFN_WDFDRIVERWDMGETDRIVEROBJECT = Option<
    unsafe extern "C" fn(DriverGlobals: PWDF_DRIVER_GLOBALS, Driver: WDFDRIVER) -> PDRIVER_OBJECT,
>;
pub type PFN_WDFFDOQUERYFORINTERFACE = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        Fdo: WDFDEVICE,
        InterfaceType: LPCGUID,
        Interface: PINTERFACE,
        Size: USHORT,
        Version: USHORT,
        InterfaceSpecificData: PVOID,
    ) -> NTSTATUS,
>;
pub type PFN_WDFFILEOBJECTGETDEVICE = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        FileObject: WDFFILEOBJECT,
    ) -> WDFDEVICE,
>;
pub type PFN_WDFFILEOBJECTWDMGETFILEOBJECT = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        FileObject: WDFFILEOBJECT,
    ) -> PFILE_OBJECT,
>;
pub type PFN_WDFIOQUEUECREATE = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        Device: WDFDEVICE,
        Config: PWDF_IO_QUEUE_CONFIG,
        QueueAttributes: PWDF_OBJECT_ATTRIBUTES,
        Queue: *mut WDFQUEUE,
    ) -> NTSTATUS,
>;
pub type PFN_WDFIOQUEUEDRAIN = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        Queue: WDFQUEUE,
        DrainComplete: PFN_WDF_IO_QUEUE_STATE,
        Context: WDFCONTEXT,
    ),
>;
pub type PFN_WDFIOQUEUEDRAINSYNCHRONOUSLY =
    Option<unsafe extern "C" fn(DriverGlobals: PWDF_DRIVER_GLOBALS, Queue: WDFQUEUE)>;
pub type PFN_WDFIOQUEUEFINDREQUEST = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        Queue: WDFQUEUE,
        FoundRequest: WDFREQUEST,
        FileObject: WDFFILEOBJECT,
        Parameters: PWDF_REQUEST_PARAMETERS,
        OutRequest: *mut WDFREQUEST,
    ) -> NTSTATUS,
>;
pub type PFN_WDFIOQUEUEGETDEVICE =
    Option<unsafe extern "C" fn(DriverGlobals: PWDF_DRIVER_GLOBALS, Queue: WDFQUEUE) -> WDFDEVICE>;
pub type PFN_WDFIOQUEUEGETSTATE = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        Queue: WDFQUEUE,
        QueueRequests: PULONG,
        DriverRequests: PULONG,
    ) -> WDF_IO_QUEUE_STATE,
>;
pub type PFN_WDFIOQUEUEPURGE = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        Queue: WDFQUEUE,
        PurgeComplete: PFN_WDF_IO_QUEUE_STATE,
        Context: WDFCONTEXT,
    ),
>;
pub type PFN_WDFIOQUEUEPURGESYNCHRONOUSLY =
    Option<unsafe extern "C" fn(DriverGlobals: PWDF_DRIVER_GLOBALS, Queue: WDFQUEUE)>;
pub type PFN_WDFIOQUEUEREADYNOTIFY = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        Queue: WDFQUEUE,
        QueueReady: PFN_WDF_IO_QUEUE_STATE,
        Context: WDFCONTEXT,
    ) -> NTSTATUS,
>;
pub type PFN_WDFIOQUEUERETRIEVEFOUNDREQUEST = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        Queue: WDFQUEUE,
        FoundRequest: WDFREQUEST,
        OutRequest: *mut WDFREQUEST,
    ) -> NTSTATUS,
>;
pub type PFN_WDFIOQUEUERETRIEVENEXTREQUEST = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        Queue: WDFQUEUE,
        OutRequest: *mut WDFREQUEST,
    ) -> NTSTATUS,
>;
pub type PFN_WDFIOQUEUERETRIEVEREQUESTBYFILEOBJECT = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        Queue: WDFQUEUE,
        FileObject: WDFFILEOBJECT,
        OutRequest: *mut WDFREQUEST,
    ) -> NTSTATUS,
>;
pub type PFN_WDFIOQUEUESTART =
    Option<unsafe extern "C" fn(DriverGlobals: PWDF_DRIVER_GLOBALS, Queue: WDFQUEUE)>;
pub type PFN_WDFIOQUEUESTOP = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        Queue: WDFQUEUE,
        StopComplete: PFN_WDF_IO_QUEUE_STATE,
        Context: WDFCONTEXT,
    ),
>;
pub type PFN_WDFIOQUEUESTOPSYNCHRONOUSLY =
    Option<unsafe extern "C" fn(DriverGlobals: PWDF_DRIVER_GLOBALS, Queue: WDFQUEUE)>;
pub type PFN_WDFIOTARGETCLOSE =
    Option<unsafe extern "C" fn(DriverGlobals: PWDF_DRIVER_GLOBALS, IoTarget: WDFIOTARGET)>;
pub type PFN_WDFIOTARGETCREATE = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        Device: WDFDEVICE,
        IoTargetAttributes: PWDF_OBJECT_ATTRIBUTES,
        IoTarget: *mut WDFIOTARGET,
    ) -> NTSTATUS,
>;
pub type PFN_WDFIOTARGETOPEN = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        IoTarget: WDFIOTARGET,
        OpenParams: PWDF_IO_TARGET_OPEN_PARAMS,
    ) -> NTSTATUS,
>;
pub type PFN_WDFIOTARGETQUERYFORINTERFACE = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        IoTarget: WDFIOTARGET,
        InterfaceType: LPCGUID,
        Interface: PINTERFACE,
        Size: USHORT,
        Version: USHORT,
        InterfaceSpecificData: PVOID,
    ) -> NTSTATUS,
>;
pub type PFN_WDFIOTARGETWDMGETTARGETDEVICEOBJECT = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        IoTarget: WDFIOTARGET,
    ) -> PDEVICE_OBJECT,
>;
pub type PFN_WDFLOOKASIDELISTCREATE = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        LookasideAttributes: PWDF_OBJECT_ATTRIBUTES,
        BufferSize: usize,
        PoolType: POOL_TYPE,
        MemoryAttributes: PWDF_OBJECT_ATTRIBUTES,
        PoolTag: ULONG,
        Lookaside: *mut WDFLOOKASIDE,
    ) -> NTSTATUS,
>;
pub type PFN_WDFMEMORYCREATE = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        Attributes: PWDF_OBJECT_ATTRIBUTES,
        PoolType: POOL_TYPE,
        PoolTag: ULONG,
        BufferSize: usize,
        Memory: *mut WDFMEMORY,
        Buffer: *mut PVOID,
    ) -> NTSTATUS,
>;
pub type PFN_WDFMEMORYCREATEFROMLOOKASIDE = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        Lookaside: WDFLOOKASIDE,
        Memory: *mut WDFMEMORY,
    ) -> NTSTATUS,
>;
pub type PFN_WDFMEMORYCREATEPREALLOCATED = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        Attributes: PWDF_OBJECT_ATTRIBUTES,
        Buffer: PVOID,
        BufferSize: usize,
        Memory: *mut WDFMEMORY,
    ) -> NTSTATUS,
>;
pub type PFN_WDFMEMORYGETBUFFER = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        Memory: WDFMEMORY,
        BufferSize: *mut usize,
    ) -> PVOID,
>;
pub type PFN_WDFOBJECTALLOCATECONTEXT = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        Handle: WDFOBJECT,
        ContextAttributes: PWDF_OBJECT_ATTRIBUTES,
        Context: *mut PVOID,
    ) -> NTSTATUS,
>;
pub type PFN_WDFOBJECTCONTEXTGETOBJECT = Option<
    unsafe extern "C" fn(DriverGlobals: PWDF_DRIVER_GLOBALS, ContextPointer: PVOID) -> WDFOBJECT,
>;
pub type PFN_WDFOBJECTCREATE = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        Attributes: PWDF_OBJECT_ATTRIBUTES,
        Object: *mut WDFOBJECT,
    ) -> NTSTATUS,
>;
pub type PFN_WDFOBJECTDELETE =
    Option<unsafe extern "C" fn(DriverGlobals: PWDF_DRIVER_GLOBALS, Object: WDFOBJECT)>;
pub type PFN_WDFOBJECTDEREFERENCEACTUAL = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        Handle: WDFOBJECT,
        Tag: PVOID,
        Line: LONG,
        File: PCCH,
    ),
>;
pub type PFN_WDFOBJECTGETTYPEDCONTEXTWORKER = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        Handle: WDFOBJECT,
        TypeInfo: PCWDF_OBJECT_CONTEXT_TYPE_INFO,
    ) -> PVOID,
>;
pub type PFN_WDFOBJECTQUERY = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        Object: WDFOBJECT,
        Guid: *const GUID,
        QueryBufferLength: ULONG,
        QueryBuffer: PVOID,
    ) -> NTSTATUS,
>;
pub type PFN_WDFOBJECTREFERENCEACTUAL = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        Handle: WDFOBJECT,
        Tag: PVOID,
        Line: LONG,
        File: PCCH,
    ),
>;
pub type PFN_WDFREGISTRYASSIGNULONG = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        Key: WDFKEY,
        ValueName: PCUNICODE_STRING,
        Value: ULONG,
    ) -> NTSTATUS,
>;
pub type PFN_WDFREGISTRYCLOSE =
    Option<unsafe extern "C" fn(DriverGlobals: PWDF_DRIVER_GLOBALS, Key: WDFKEY)>;
pub type PFN_WDFREGISTRYOPENKEY = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        ParentKey: WDFKEY,
        KeyName: PCUNICODE_STRING,
        DesiredAccess: ACCESS_MASK,
        KeyAttributes: PWDF_OBJECT_ATTRIBUTES,
        Key: *mut WDFKEY,
    ) -> NTSTATUS,
>;
pub type PFN_WDFREGISTRYQUERYMEMORY = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        Key: WDFKEY,
        ValueName: PCUNICODE_STRING,
        PoolType: POOL_TYPE,
        MemoryAttributes: PWDF_OBJECT_ATTRIBUTES,
        Memory: *mut WDFMEMORY,
        ValueType: PULONG,
    ) -> NTSTATUS,
>;
pub type PFN_WDFREGISTRYQUERYSTRING = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        Key: WDFKEY,
        ValueName: PCUNICODE_STRING,
        String: WDFSTRING,
    ) -> NTSTATUS,
>;
pub type PFN_WDFREGISTRYQUERYULONG = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        Key: WDFKEY,
        ValueName: PCUNICODE_STRING,
        Value: PULONG,
    ) -> NTSTATUS,
>;
pub type PFN_WDFREGISTRYQUERYUNICODESTRING = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        Key: WDFKEY,
        ValueName: PCUNICODE_STRING,
        ValueByteLength: PUSHORT,
        Value: PUNICODE_STRING,
    ) -> NTSTATUS,
>;
pub type PFN_WDFREQUESTCOMPLETE = Option<
    unsafe extern "C" fn(DriverGlobals: PWDF_DRIVER_GLOBALS, Request: WDFREQUEST, Status: NTSTATUS),
>;
pub type PFN_WDFREQUESTCOMPLETEWITHINFORMATION = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        Request: WDFREQUEST,
        Status: NTSTATUS,
        Information: ULONG_PTR,
    ),
>;
pub type PFN_WDFREQUESTCOMPLETEWITHPRIORITYBOOST = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        Request: WDFREQUEST,
        Status: NTSTATUS,
        PriorityBoost: CCHAR,
    ),
>;
pub type PFN_WDFREQUESTFORWARDTOIOQUEUE = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        Request: WDFREQUEST,
        DestinationQueue: WDFQUEUE,
    ) -> NTSTATUS,
>;
pub type PFN_WDFREQUESTGETFILEOBJECT = Option<
    unsafe extern "C" fn(DriverGlobals: PWDF_DRIVER_GLOBALS, Request: WDFREQUEST) -> WDFFILEOBJECT,
>;
pub type PFN_WDFREQUESTGETINFORMATION = Option<
    unsafe extern "C" fn(DriverGlobals: PWDF_DRIVER_GLOBALS, Request: WDFREQUEST) -> ULONG_PTR,
>;
pub type PFN_WDFREQUESTGETIOQUEUE = Option<
    unsafe extern "C" fn(DriverGlobals: PWDF_DRIVER_GLOBALS, Request: WDFREQUEST) -> WDFQUEUE,
>;
pub type PFN_WDFREQUESTGETPARAMETERS = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        Request: WDFREQUEST,
        Parameters: PWDF_REQUEST_PARAMETERS,
    ),
>;
pub type PFN_WDFREQUESTGETREQUESTORMODE = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        Request: WDFREQUEST,
    ) -> KPROCESSOR_MODE,
>;
pub type PFN_WDFREQUESTGETSTATUS = Option<
    unsafe extern "C" fn(DriverGlobals: PWDF_DRIVER_GLOBALS, Request: WDFREQUEST) -> NTSTATUS,
>;
pub type PFN_WDFREQUESTISCANCELED = Option<
    unsafe extern "C" fn(DriverGlobals: PWDF_DRIVER_GLOBALS, Request: WDFREQUEST) -> BOOLEAN,
>;
pub type PFN_WDFREQUESTISFROM32BITPROCESS = Option<
    unsafe extern "C" fn(DriverGlobals: PWDF_DRIVER_GLOBALS, Request: WDFREQUEST) -> BOOLEAN,
>;
pub type PFN_WDFREQUESTMARKCANCELABLE = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        Request: WDFREQUEST,
        EvtRequestCancel: PFN_WDF_REQUEST_CANCEL,
    ),
>;
pub type PFN_WDFREQUESTMARKCANCELABLEEX = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        Request: WDFREQUEST,
        EvtRequestCancel: PFN_WDF_REQUEST_CANCEL,
    ) -> NTSTATUS,
>;
pub type PFN_WDFREQUESTPROBEANDLOCKUSERBUFFERFORREAD = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        Request: WDFREQUEST,
        Buffer: PVOID,
        Length: usize,
        MemoryObject: *mut WDFMEMORY,
    ) -> NTSTATUS,
>;
pub type PFN_WDFREQUESTPROBEANDLOCKUSERBUFFERFORWRITE = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        Request: WDFREQUEST,
        Buffer: PVOID,
        Length: usize,
        MemoryObject: *mut WDFMEMORY,
    ) -> NTSTATUS,
>;
pub type PFN_WDFREQUESTREQUEUE = Option<
    unsafe extern "C" fn(DriverGlobals: PWDF_DRIVER_GLOBALS, Request: WDFREQUEST) -> NTSTATUS,
>;
pub type PFN_WDFREQUESTRETRIEVEINPUTBUFFER = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        Request: WDFREQUEST,
        MinimumRequiredLength: usize,
        Buffer: *mut PVOID,
        Length: *mut usize,
    ) -> NTSTATUS,
>;
pub type PFN_WDFREQUESTRETRIEVEINPUTMEMORY = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        Request: WDFREQUEST,
        Memory: *mut WDFMEMORY,
    ) -> NTSTATUS,
>;
pub type PFN_WDFREQUESTRETRIEVEINPUTWDMMDL = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        Request: WDFREQUEST,
        Mdl: *mut PMDL,
    ) -> NTSTATUS,
>;
pub type PFN_WDFREQUESTRETRIEVEOUTPUTBUFFER = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        Request: WDFREQUEST,
        MinimumRequiredSize: usize,
        Buffer: *mut PVOID,
        Length: *mut usize,
    ) -> NTSTATUS,
>;
pub type PFN_WDFREQUESTRETRIEVEOUTPUTMEMORY = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        Request: WDFREQUEST,
        Memory: *mut WDFMEMORY,
    ) -> NTSTATUS,
>;
pub type PFN_WDFREQUESTRETRIEVEOUTPUTWDMMDL = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        Request: WDFREQUEST,
        Mdl: *mut PMDL,
    ) -> NTSTATUS,
>;
pub type PFN_WDFREQUESTRETRIEVEUNSAFEUSERINPUTBUFFER = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        Request: WDFREQUEST,
        MinimumRequiredLength: usize,
        InputBuffer: *mut PVOID,
        Length: *mut usize,
    ) -> NTSTATUS,
>;
pub type PFN_WDFREQUESTRETRIEVEUNSAFEUSEROUTPUTBUFFER = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        Request: WDFREQUEST,
        MinimumRequiredLength: usize,
        OutputBuffer: *mut PVOID,
        Length: *mut usize,
    ) -> NTSTATUS,
>;
pub type PFN_WDFREQUESTSETINFORMATION = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        Request: WDFREQUEST,
        Information: ULONG_PTR,
    ),
>;
pub type PFN_WDFREQUESTSTOPACKNOWLEDGE = Option<
    unsafe extern "C" fn(DriverGlobals: PWDF_DRIVER_GLOBALS, Request: WDFREQUEST, Requeue: BOOLEAN),
>;
pub type PFN_WDFREQUESTUNMARKCANCELABLE = Option<
    unsafe extern "C" fn(DriverGlobals: PWDF_DRIVER_GLOBALS, Request: WDFREQUEST) -> NTSTATUS,
>;
pub type PFN_WDFREQUESTWDMGETIRP =
    Option<unsafe extern "C" fn(DriverGlobals: PWDF_DRIVER_GLOBALS, Request: WDFREQUEST) -> PIRP>;
pub type PFN_WDFSPINLOCKACQUIRE =
    Option<unsafe extern "C" fn(DriverGlobals: PWDF_DRIVER_GLOBALS, SpinLock: WDFSPINLOCK)>;
pub type PFN_WDFSPINLOCKCREATE = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        SpinLockAttributes: PWDF_OBJECT_ATTRIBUTES,
        SpinLock: *mut WDFSPINLOCK,
    ) -> NTSTATUS,
>;
pub type PFN_WDFSPINLOCKRELEASE =
    Option<unsafe extern "C" fn(DriverGlobals: PWDF_DRIVER_GLOBALS, SpinLock: WDFSPINLOCK)>;
pub type PFN_WDFSTRINGCREATE = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        UnicodeString: PCUNICODE_STRING,
        StringAttributes: PWDF_OBJECT_ATTRIBUTES,
        String: *mut WDFSTRING,
    ) -> NTSTATUS,
>;
pub type PFN_WDFSTRINGGETUNICODESTRING = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        String: WDFSTRING,
        UnicodeString: PUNICODE_STRING,
    ),
>;
pub type PFN_WDFTIMERCREATE = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        Config: PWDF_TIMER_CONFIG,
        Attributes: PWDF_OBJECT_ATTRIBUTES,
        Timer: *mut WDFTIMER,
    ) -> NTSTATUS,
>;
pub type PFN_WDFTIMERGETPARENTOBJECT =
    Option<unsafe extern "C" fn(DriverGlobals: PWDF_DRIVER_GLOBALS, Timer: WDFTIMER) -> WDFOBJECT>;
pub type PFN_WDFTIMERSTART = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        Timer: WDFTIMER,
        DueTime: LONGLONG,
    ) -> BOOLEAN,
>;
pub type PFN_WDFTIMERSTOP = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        Timer: WDFTIMER,
        Wait: BOOLEAN,
    ) -> BOOLEAN,
>;
pub type PFN_WDFVERIFIERDBGBREAKPOINT =
    Option<unsafe extern "C" fn(DriverGlobals: PWDF_DRIVER_GLOBALS)>;
pub type PFN_WDFVERIFIERKEBUGCHECK = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        BugCheckCode: ULONG,
        BugCheckParameter1: ULONG_PTR,
        BugCheckParameter2: ULONG_PTR,
        BugCheckParameter3: ULONG_PTR,
        BugCheckParameter4: ULONG_PTR,
    ),
>;
pub type PFN_WDFWAITLOCKACQUIRE = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        Lock: WDFWAITLOCK,
        Timeout: PLONGLONG,
    ) -> NTSTATUS,
>;
pub type PFN_WDFWAITLOCKCREATE = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        LockAttributes: PWDF_OBJECT_ATTRIBUTES,
        Lock: *mut WDFWAITLOCK,
    ) -> NTSTATUS,
>;
pub type PFN_WDFWAITLOCKRELEASE =
    Option<unsafe extern "C" fn(DriverGlobals: PWDF_DRIVER_GLOBALS, Lock: WDFWAITLOCK)>;
pub type PFN_WDFWMIINSTANCECREATE = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        Device: WDFDEVICE,
        InstanceConfig: PWDF_WMI_INSTANCE_CONFIG,
        InstanceAttributes: PWDF_OBJECT_ATTRIBUTES,
        Instance: *mut WDFWMIINSTANCE,
    ) -> NTSTATUS,
>;
pub type PFN_WDFWMIINSTANCEREGISTER = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        WmiInstance: WDFWMIINSTANCE,
    ) -> NTSTATUS,
>;
pub type PFN_WDFWMIPROVIDERCREATE = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        Device: WDFDEVICE,
        WmiProviderConfig: PWDF_WMI_PROVIDER_CONFIG,
        ProviderAttributes: PWDF_OBJECT_ATTRIBUTES,
        WmiProvider: *mut WDFWMIPROVIDER,
    ) -> NTSTATUS,
>;
pub type PFN_WDFWORKITEMCREATE = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        Config: PWDF_WORKITEM_CONFIG,
        Attributes: PWDF_OBJECT_ATTRIBUTES,
        WorkItem: *mut WDFWORKITEM,
    ) -> NTSTATUS,
>;
pub type PFN_WDFWORKITEMENQUEUE =
    Option<unsafe extern "C" fn(DriverGlobals: PWDF_DRIVER_GLOBALS, WorkItem: WDFWORKITEM)>;
pub type PFN_WDFWORKITEMFLUSH =
    Option<unsafe extern "C" fn(DriverGlobals: PWDF_DRIVER_GLOBALS, WorkItem: WDFWORKITEM)>;
pub type PFN_WDFWORKITEMGETPARENTOBJECT = Option<
    unsafe extern "C" fn(DriverGlobals: PWDF_DRIVER_GLOBALS, WorkItem: WDFWORKITEM) -> WDFOBJECT,
>;

/// An entry of the framework's function table; its index says which `PFN_WDF…` it is.
pub type WDFFUNC = Option<unsafe extern "C" fn()>;

zeroed_default!(
    _CM_PARTIAL_RESOURCE_DESCRIPTOR,
    _DEVICE_OBJECT,
    _DISPATCHER_HEADER,
    _DISPATCHER_HEADER__bindgen_ty_1,
    _DISPATCHER_HEADER__bindgen_ty_1__bindgen_ty_1,
    _DISPATCHER_HEADER__bindgen_ty_1__bindgen_ty_1__bindgen_ty_1,
    _DISPATCHER_HEADER__bindgen_ty_1__bindgen_ty_1__bindgen_ty_1__bindgen_ty_1,
    _DISPATCHER_HEADER__bindgen_ty_1__bindgen_ty_1__bindgen_ty_1__bindgen_ty_1__bindgen_ty_1,
    _DISPATCHER_HEADER__bindgen_ty_1__bindgen_ty_1__bindgen_ty_2,
    _DISPATCHER_HEADER__bindgen_ty_1__bindgen_ty_1__bindgen_ty_2__bindgen_ty_1,
    _DISPATCHER_HEADER__bindgen_ty_1__bindgen_ty_1__bindgen_ty_2__bindgen_ty_1__bindgen_ty_1,
    _DISPATCHER_HEADER__bindgen_ty_1__bindgen_ty_1__bindgen_ty_3,
    _DISPATCHER_HEADER__bindgen_ty_1__bindgen_ty_1__bindgen_ty_3__bindgen_ty_1,
    _DISPATCHER_HEADER__bindgen_ty_1__bindgen_ty_1__bindgen_ty_3__bindgen_ty_1__bindgen_ty_1,
    _DISPATCHER_HEADER__bindgen_ty_1__bindgen_ty_1__bindgen_ty_3__bindgen_ty_2,
    _DISPATCHER_HEADER__bindgen_ty_1__bindgen_ty_1__bindgen_ty_3__bindgen_ty_2__bindgen_ty_1,
    _DRIVER_OBJECT,
    _EVENT_DATA_DESCRIPTOR,
    _EVENT_DESCRIPTOR,
    _EVENT_FILTER_DESCRIPTOR,
    _EX_RUNDOWN_REF,
    _EX_RUNDOWN_REF__bindgen_ty_1,
    _FILE_OBJECT,
    _GENERAL_LOOKASIDE,
    _GENERAL_LOOKASIDE_POOL,
    _GENERAL_LOOKASIDE_POOL__bindgen_ty_1,
    _GENERAL_LOOKASIDE_POOL__bindgen_ty_2,
    _GENERAL_LOOKASIDE_POOL__bindgen_ty_3,
    _GENERAL_LOOKASIDE_POOL__bindgen_ty_4,
    _GENERAL_LOOKASIDE_POOL__bindgen_ty_5,
    _GENERAL_LOOKASIDE_POOL__bindgen_ty_6,
    _GENERAL_LOOKASIDE__bindgen_ty_1,
    _GENERAL_LOOKASIDE__bindgen_ty_2,
    _GENERAL_LOOKASIDE__bindgen_ty_3,
    _GENERAL_LOOKASIDE__bindgen_ty_4,
    _GENERAL_LOOKASIDE__bindgen_ty_5,
    _GENERAL_LOOKASIDE__bindgen_ty_6,
    _GUID,
    _INTERFACE,
    _IO_SECURITY_CONTEXT,
    _IO_STACK_LOCATION,
    _IO_STATUS_BLOCK,
    _IO_STATUS_BLOCK__bindgen_ty_1,
    _IRP,
    _KEVENT,
    _KEY_VALUE_PARTIAL_INFORMATION,
    _LARGE_INTEGER,
    _LARGE_INTEGER__bindgen_ty_1,
    _LARGE_INTEGER__bindgen_ty_2,
    _LIST_ENTRY,
    _LOOKASIDE_LIST_EX,
    _MDL,
    _OBJECT_ATTRIBUTES,
    _OSVERSIONINFOW,
    _PROCESSOR_NUMBER,
    _SINGLE_LIST_ENTRY,
    _SLIST_ENTRY,
    _SLIST_HEADER,
    _SLIST_HEADER__bindgen_ty_1,
    _SLIST_HEADER__bindgen_ty_2,
    _SLIST_HEADER__bindgen_ty_3,
    _SLIST_HEADER__bindgen_ty_4,
    _UNICODE_STRING,
    _WDF_DEVICE_PNP_CAPABILITIES,
    _WDF_DEVICE_STATE,
    _WDF_DPC_CONFIG,
    _WDF_DRIVER_CONFIG,
    _WDF_DRIVER_GLOBALS,
    _WDF_FILEOBJECT_CONFIG,
    _WDF_IO_QUEUE_CONFIG,
    _WDF_IO_QUEUE_CONFIG__bindgen_ty_1,
    _WDF_IO_QUEUE_CONFIG__bindgen_ty_1__bindgen_ty_1,
    _WDF_IO_TARGET_OPEN_PARAMS,
    _WDF_IO_TYPE_CONFIG,
    _WDF_OBJECT_ATTRIBUTES,
    _WDF_OBJECT_CONTEXT_TYPE_INFO,
    _WDF_PNPPOWER_EVENT_CALLBACKS,
    _WDF_POWER_POLICY_EVENT_CALLBACKS,
    _WDF_QUERY_INTERFACE_CONFIG,
    _WDF_REQUEST_PARAMETERS,
    _WDF_REQUEST_PARAMETERS__bindgen_ty_1,
    _WDF_REQUEST_PARAMETERS__bindgen_ty_1__bindgen_ty_1,
    _WDF_REQUEST_PARAMETERS__bindgen_ty_1__bindgen_ty_2,
    _WDF_REQUEST_PARAMETERS__bindgen_ty_1__bindgen_ty_3,
    _WDF_REQUEST_PARAMETERS__bindgen_ty_1__bindgen_ty_4,
    _WDF_REQUEST_PARAMETERS__bindgen_ty_1__bindgen_ty_5,
    _WDF_TIMER_CONFIG,
    _WDF_WMI_INSTANCE_CONFIG,
    _WDF_WMI_PROVIDER_CONFIG,
    _WDF_WORKITEM_CONFIG
);

pub mod DEVICE_REGISTRY_PROPERTY {
    pub type Type = core::ffi::c_int;
    pub const DevicePropertyDeviceDescription: Type = 0;
    pub const DevicePropertyHardwareID: Type = 1;
    pub const DevicePropertyCompatibleIDs: Type = 2;
    pub const DevicePropertyBootConfiguration: Type = 3;
    pub const DevicePropertyBootConfigurationTranslated: Type = 4;
    pub const DevicePropertyClassName: Type = 5;
    pub const DevicePropertyClassGuid: Type = 6;
    pub const DevicePropertyDriverKeyName: Type = 7;
    pub const DevicePropertyManufacturer: Type = 8;
    pub const DevicePropertyFriendlyName: Type = 9;
    pub const DevicePropertyLocationInformation: Type = 10;
    pub const DevicePropertyPhysicalDeviceObjectName: Type = 11;
    pub const DevicePropertyBusTypeGuid: Type = 12;
    pub const DevicePropertyLegacyBusType: Type = 13;
    pub const DevicePropertyBusNumber: Type = 14;
    pub const DevicePropertyEnumeratorName: Type = 15;
    pub const DevicePropertyAddress: Type = 16;
    pub const DevicePropertyUINumber: Type = 17;
    pub const DevicePropertyInstallState: Type = 18;
    pub const DevicePropertyRemovalPolicy: Type = 19;
    pub const DevicePropertyResourceRequirements: Type = 20;
    pub const DevicePropertyAllocatedResources: Type = 21;
    pub const DevicePropertyContainerID: Type = 22;
}

pub mod _DEVICE_RELATION_TYPE {
    pub type Type = core::ffi::c_int;
    pub const BusRelations: Type = 0;
    pub const EjectionRelations: Type = 1;
    pub const PowerRelations: Type = 2;
    pub const RemovalRelations: Type = 3;
    pub const TargetDeviceRelation: Type = 4;
    pub const SingleBusRelations: Type = 5;
    pub const TransportRelations: Type = 6;
}
pub use self::_DEVICE_RELATION_TYPE::Type as DEVICE_RELATION_TYPE;

pub mod _EVENT_TYPE {
    pub type Type = core::ffi::c_int;
    pub const NotificationEvent: Type = 0;
    pub const SynchronizationEvent: Type = 1;
}
pub use self::_EVENT_TYPE::Type as EVENT_TYPE;

pub mod _KWAIT_REASON {
    pub type Type = core::ffi::c_int;
    pub const Executive: Type = 0;
    pub const FreePage: Type = 1;
    pub const PageIn: Type = 2;
    pub const PoolAllocation: Type = 3;
    pub const DelayExecution: Type = 4;
    pub const Suspended: Type = 5;
    pub const UserRequest: Type = 6;
    pub const WrExecutive: Type = 7;
    pub const WrFreePage: Type = 8;
    pub const WrPageIn: Type = 9;
    pub const WrPoolAllocation: Type = 10;
    pub const WrDelayExecution: Type = 11;
    pub const WrSuspended: Type = 12;
    pub const WrUserRequest: Type = 13;
    pub const WrSpare0: Type = 14;
    pub const WrQueue: Type = 15;
    pub const WrLpcReceive: Type = 16;
    pub const WrLpcReply: Type = 17;
    pub const WrVirtualMemory: Type = 18;
    pub const WrPageOut: Type = 19;
    pub const WrRendezvous: Type = 20;
    pub const WrKeyedEvent: Type = 21;
    pub const WrTerminated: Type = 22;
    pub const WrProcessInSwap: Type = 23;
    pub const WrCpuRateControl: Type = 24;
    pub const WrCalloutStack: Type = 25;
    pub const WrKernel: Type = 26;
    pub const WrResource: Type = 27;
    pub const WrPushLock: Type = 28;
    pub const WrMutex: Type = 29;
    pub const WrQuantumEnd: Type = 30;
    pub const WrDispatchInt: Type = 31;
    pub const WrPreempted: Type = 32;
    pub const WrYieldExecution: Type = 33;
    pub const WrFastMutex: Type = 34;
    pub const WrGuardedMutex: Type = 35;
    pub const WrRundown: Type = 36;
    pub const WrAlertByThreadId: Type = 37;
    pub const WrDeferredPreempt: Type = 38;
    pub const WrPhysicalFault: Type = 39;
    pub const MaximumWaitReason: Type = 40;
}
pub use self::_KWAIT_REASON::Type as KWAIT_REASON;

pub mod _LOCK_OPERATION {
    pub type Type = core::ffi::c_int;
    pub const IoReadAccess: Type = 0;
    pub const IoWriteAccess: Type = 1;
    pub const IoModifyAccess: Type = 2;
}
pub use self::_LOCK_OPERATION::Type as LOCK_OPERATION;

pub mod _MEMORY_CACHING_TYPE {
    pub type Type = core::ffi::c_int;
    pub const MmNotMapped: Type = -1;
    pub const MmNonCached: Type = 0;
    pub const MmCached: Type = 1;
    pub const MmWriteCombined: Type = 2;
    pub const MmHardwareCoherentCached: Type = 3;
    pub const MmNonCachedUnordered: Type = 4;
    pub const MmUSWCCached: Type = 5;
    pub const MmMaximumCacheType: Type = 6;
}
pub use self::_MEMORY_CACHING_TYPE::Type as MEMORY_CACHING_TYPE;

pub mod _MM_PAGE_PRIORITY {
    pub type Type = core::ffi::c_int;
    pub const LowPagePriority: Type = 0;
    pub const NormalPagePriority: Type = 16;
    pub const HighPagePriority: Type = 32;
}
pub use self::_MM_PAGE_PRIORITY::Type as MM_PAGE_PRIORITY;

pub mod _MODE {
    pub type Type = core::ffi::c_int;
    pub const KernelMode: Type = 0;
    pub const UserMode: Type = 1;
    pub const MaximumMode: Type = 2;
}
pub use self::_MODE::Type as MODE;

pub mod _POOL_TYPE {
    pub type Type = core::ffi::c_int;
    pub const NonPagedPool: Type = 0;
    pub const NonPagedPoolBase: Type = 0;
    pub const NonPagedPoolExecute: Type = 0;
    pub const PagedPool: Type = 1;
    pub const NonPagedPoolBaseMustSucceed: Type = 2;
    pub const NonPagedPoolMustSucceed: Type = 2;
    pub const DontUseThisType: Type = 3;
    pub const NonPagedPoolBaseCacheAligned: Type = 4;
    pub const NonPagedPoolCacheAligned: Type = 4;
    pub const PagedPoolCacheAligned: Type = 5;
    pub const NonPagedPoolBaseCacheAlignedMustS: Type = 6;
    pub const NonPagedPoolCacheAlignedMustS: Type = 6;
    pub const MaxPoolType: Type = 7;
    pub const NonPagedPoolSession: Type = 32;
    pub const PagedPoolSession: Type = 33;
    pub const NonPagedPoolMustSucceedSession: Type = 34;
    pub const DontUseThisTypeSession: Type = 35;
    pub const NonPagedPoolCacheAlignedSession: Type = 36;
    pub const PagedPoolCacheAlignedSession: Type = 37;
    pub const NonPagedPoolCacheAlignedMustSSession: Type = 38;
    pub const NonPagedPoolNx: Type = 512;
    pub const NonPagedPoolNxCacheAligned: Type = 516;
    pub const NonPagedPoolSessionNx: Type = 544;
}
pub use self::_POOL_TYPE::Type as POOL_TYPE;

pub mod _WDFFUNCENUM {
    pub type Type = core::ffi::c_int;
    pub const WdfChildListCreateTableIndex: Type = 0;
    pub const WdfChildListGetDeviceTableIndex: Type = 1;
    pub const WdfChildListRetrievePdoTableIndex: Type = 2;
    pub const WdfChildListRetrieveAddressDescriptionTableIndex: Type = 3;
    pub const WdfChildListBeginScanTableIndex: Type = 4;
    pub const WdfChildListEndScanTableIndex: Type = 5;
    pub const WdfChildListBeginIterationTableIndex: Type = 6;
    pub const WdfChildListRetrieveNextDeviceTableIndex: Type = 7;
    pub const WdfChildListEndIterationTableIndex: Type = 8;
    pub const WdfChildListAddOrUpdateChildDescriptionAsPresentTableIndex: Type = 9;
    pub const WdfChildListUpdateChildDescriptionAsMissingTableIndex: Type = 10;
    pub const WdfChildListUpdateAllChildDescriptionsAsPresentTableIndex: Type = 11;
    pub const WdfChildListRequestChildEjectTableIndex: Type = 12;
    pub const WdfCollectionCreateTableIndex: Type = 13;
    pub const WdfCollectionGetCountTableIndex: Type = 14;
    pub const WdfCollectionAddTableIndex: Type = 15;
    pub const WdfCollectionRemoveTableIndex: Type = 16;
    pub const WdfCollectionRemoveItemTableIndex: Type = 17;
    pub const WdfCollectionGetItemTableIndex: Type = 18;
    pub const WdfCollectionGetFirstItemTableIndex: Type = 19;
    pub const WdfCollectionGetLastItemTableIndex: Type = 20;
    pub const WdfCommonBufferCreateTableIndex: Type = 21;
    pub const WdfCommonBufferGetAlignedVirtualAddressTableIndex: Type = 22;
    pub const WdfCommonBufferGetAlignedLogicalAddressTableIndex: Type = 23;
    pub const WdfCommonBufferGetLengthTableIndex: Type = 24;
    pub const WdfControlDeviceInitAllocateTableIndex: Type = 25;
    pub const WdfControlDeviceInitSetShutdownNotificationTableIndex: Type = 26;
    pub const WdfControlFinishInitializingTableIndex: Type = 27;
    pub const WdfDeviceGetDeviceStateTableIndex: Type = 28;
    pub const WdfDeviceSetDeviceStateTableIndex: Type = 29;
    pub const WdfWdmDeviceGetWdfDeviceHandleTableIndex: Type = 30;
    pub const WdfDeviceWdmGetDeviceObjectTableIndex: Type = 31;
    pub const WdfDeviceWdmGetAttachedDeviceTableIndex: Type = 32;
    pub const WdfDeviceWdmGetPhysicalDeviceTableIndex: Type = 33;
    pub const WdfDeviceWdmDispatchPreprocessedIrpTableIndex: Type = 34;
    pub const WdfDeviceAddDependentUsageDeviceObjectTableIndex: Type = 35;
    pub const WdfDeviceAddRemovalRelationsPhysicalDeviceTableIndex: Type = 36;
    pub const WdfDeviceRemoveRemovalRelationsPhysicalDeviceTableIndex: Type = 37;
    pub const WdfDeviceClearRemovalRelationsDevicesTableIndex: Type = 38;
    pub const WdfDeviceGetDriverTableIndex: Type = 39;
    pub const WdfDeviceRetrieveDeviceNameTableIndex: Type = 40;
    pub const WdfDeviceAssignMofResourceNameTableIndex: Type = 41;
    pub const WdfDeviceGetIoTargetTableIndex: Type = 42;
    pub const WdfDeviceGetDevicePnpStateTableIndex: Type = 43;
    pub const WdfDeviceGetDevicePowerStateTableIndex: Type = 44;
    pub const WdfDeviceGetDevicePowerPolicyStateTableIndex: Type = 45;
    pub const WdfDeviceAssignS0IdleSettingsTableIndex: Type = 46;
    pub const WdfDeviceAssignSxWakeSettingsTableIndex: Type = 47;
    pub const WdfDeviceOpenRegistryKeyTableIndex: Type = 48;
    pub const WdfDeviceSetSpecialFileSupportTableIndex: Type = 49;
    pub const WdfDeviceSetCharacteristicsTableIndex: Type = 50;
    pub const WdfDeviceGetCharacteristicsTableIndex: Type = 51;
    pub const WdfDeviceGetAlignmentRequirementTableIndex: Type = 52;
    pub const WdfDeviceSetAlignmentRequirementTableIndex: Type = 53;
    pub const WdfDeviceInitFreeTableIndex: Type = 54;
    pub const WdfDeviceInitSetPnpPowerEventCallbacksTableIndex: Type = 55;
    pub const WdfDeviceInitSetPowerPolicyEventCallbacksTableIndex: Type = 56;
    pub const WdfDeviceInitSetPowerPolicyOwnershipTableIndex: Type = 57;
    pub const WdfDeviceInitRegisterPnpStateChangeCallbackTableIndex: Type = 58;
    pub const WdfDeviceInitRegisterPowerStateChangeCallbackTableIndex: Type = 59;
    pub const WdfDeviceInitRegisterPowerPolicyStateChangeCallbackTableIndex: Type = 60;
    pub const WdfDeviceInitSetIoTypeTableIndex: Type = 61;
    pub const WdfDeviceInitSetExclusiveTableIndex: Type = 62;
    pub const WdfDeviceInitSetPowerNotPageableTableIndex: Type = 63;
    pub const WdfDeviceInitSetPowerPageableTableIndex: Type = 64;
    pub const WdfDeviceInitSetPowerInrushTableIndex: Type = 65;
    pub const WdfDeviceInitSetDeviceTypeTableIndex: Type = 66;
    pub const WdfDeviceInitAssignNameTableIndex: Type = 67;
    pub const WdfDeviceInitAssignSDDLStringTableIndex: Type = 68;
    pub const WdfDeviceInitSetDeviceClassTableIndex: Type = 69;
    pub const WdfDeviceInitSetCharacteristicsTableIndex: Type = 70;
    pub const WdfDeviceInitSetFileObjectConfigTableIndex: Type = 71;
    pub const WdfDeviceInitSetRequestAttributesTableIndex: Type = 72;
    pub const WdfDeviceInitAssignWdmIrpPreprocessCallbackTableIndex: Type = 73;
    pub const WdfDeviceInitSetIoInCallerContextCallbackTableIndex: Type = 74;
    pub const WdfDeviceCreateTableIndex: Type = 75;
    pub const WdfDeviceSetStaticStopRemoveTableIndex: Type = 76;
    pub const WdfDeviceCreateDeviceInterfaceTableIndex: Type = 77;
    pub const WdfDeviceSetDeviceInterfaceStateTableIndex: Type = 78;
    pub const WdfDeviceRetrieveDeviceInterfaceStringTableIndex: Type = 79;
    pub const WdfDeviceCreateSymbolicLinkTableIndex: Type = 80;
    pub const WdfDeviceQueryPropertyTableIndex: Type = 81;
    pub const WdfDeviceAllocAndQueryPropertyTableIndex: Type = 82;
    pub const WdfDeviceSetPnpCapabilitiesTableIndex: Type = 83;
    pub const WdfDeviceSetPowerCapabilitiesTableIndex: Type = 84;
    pub const WdfDeviceSetBusInformationForChildrenTableIndex: Type = 85;
    pub const WdfDeviceIndicateWakeStatusTableIndex: Type = 86;
    pub const WdfDeviceSetFailedTableIndex: Type = 87;
    pub const WdfDeviceStopIdleNoTrackTableIndex: Type = 88;
    pub const WdfDeviceResumeIdleNoTrackTableIndex: Type = 89;
    pub const WdfDeviceGetFileObjectTableIndex: Type = 90;
    pub const WdfDeviceEnqueueRequestTableIndex: Type = 91;
    pub const WdfDeviceGetDefaultQueueTableIndex: Type = 92;
    pub const WdfDeviceConfigureRequestDispatchingTableIndex: Type = 93;
    pub const WdfDmaEnablerCreateTableIndex: Type = 94;
    pub const WdfDmaEnablerGetMaximumLengthTableIndex: Type = 95;
    pub const WdfDmaEnablerGetMaximumScatterGatherElementsTableIndex: Type = 96;
    pub const WdfDmaEnablerSetMaximumScatterGatherElementsTableIndex: Type = 97;
    pub const WdfDmaTransactionCreateTableIndex: Type = 98;
    pub const WdfDmaTransactionInitializeTableIndex: Type = 99;
    pub const WdfDmaTransactionInitializeUsingRequestTableIndex: Type = 100;
    pub const WdfDmaTransactionExecuteTableIndex: Type = 101;
    pub const WdfDmaTransactionReleaseTableIndex: Type = 102;
    pub const WdfDmaTransactionDmaCompletedTableIndex: Type = 103;
    pub const WdfDmaTransactionDmaCompletedWithLengthTableIndex: Type = 104;
    pub const WdfDmaTransactionDmaCompletedFinalTableIndex: Type = 105;
    pub const WdfDmaTransactionGetBytesTransferredTableIndex: Type = 106;
    pub const WdfDmaTransactionSetMaximumLengthTableIndex: Type = 107;
    pub const WdfDmaTransactionGetRequestTableIndex: Type = 108;
    pub const WdfDmaTransactionGetCurrentDmaTransferLengthTableIndex: Type = 109;
    pub const WdfDmaTransactionGetDeviceTableIndex: Type = 110;
    pub const WdfDpcCreateTableIndex: Type = 111;
    pub const WdfDpcEnqueueTableIndex: Type = 112;
    pub const WdfDpcCancelTableIndex: Type = 113;
    pub const WdfDpcGetParentObjectTableIndex: Type = 114;
    pub const WdfDpcWdmGetDpcTableIndex: Type = 115;
    pub const WdfDriverCreateTableIndex: Type = 116;
    pub const WdfDriverGetRegistryPathTableIndex: Type = 117;
    pub const WdfDriverWdmGetDriverObjectTableIndex: Type = 118;
    pub const WdfDriverOpenParametersRegistryKeyTableIndex: Type = 119;
    pub const WdfWdmDriverGetWdfDriverHandleTableIndex: Type = 120;
    pub const WdfDriverRegisterTraceInfoTableIndex: Type = 121;
    pub const WdfDriverRetrieveVersionStringTableIndex: Type = 122;
    pub const WdfDriverIsVersionAvailableTableIndex: Type = 123;
    pub const WdfFdoInitWdmGetPhysicalDeviceTableIndex: Type = 124;
    pub const WdfFdoInitOpenRegistryKeyTableIndex: Type = 125;
    pub const WdfFdoInitQueryPropertyTableIndex: Type = 126;
    pub const WdfFdoInitAllocAndQueryPropertyTableIndex: Type = 127;
    pub const WdfFdoInitSetEventCallbacksTableIndex: Type = 128;
    pub const WdfFdoInitSetFilterTableIndex: Type = 129;
    pub const WdfFdoInitSetDefaultChildListConfigTableIndex: Type = 130;
    pub const WdfFdoQueryForInterfaceTableIndex: Type = 131;
    pub const WdfFdoGetDefaultChildListTableIndex: Type = 132;
    pub const WdfFdoAddStaticChildTableIndex: Type = 133;
    pub const WdfFdoLockStaticChildListForIterationTableIndex: Type = 134;
    pub const WdfFdoRetrieveNextStaticChildTableIndex: Type = 135;
    pub const WdfFdoUnlockStaticChildListFromIterationTableIndex: Type = 136;
    pub const WdfFileObjectGetFileNameTableIndex: Type = 137;
    pub const WdfFileObjectGetFlagsTableIndex: Type = 138;
    pub const WdfFileObjectGetDeviceTableIndex: Type = 139;
    pub const WdfFileObjectWdmGetFileObjectTableIndex: Type = 140;
    pub const WdfInterruptCreateTableIndex: Type = 141;
    pub const WdfInterruptQueueDpcForIsrTableIndex: Type = 142;
    pub const WdfInterruptSynchronizeTableIndex: Type = 143;
    pub const WdfInterruptAcquireLockTableIndex: Type = 144;
    pub const WdfInterruptReleaseLockTableIndex: Type = 145;
    pub const WdfInterruptEnableTableIndex: Type = 146;
    pub const WdfInterruptDisableTableIndex: Type = 147;
    pub const WdfInterruptWdmGetInterruptTableIndex: Type = 148;
    pub const WdfInterruptGetInfoTableIndex: Type = 149;
    pub const WdfInterruptSetPolicyTableIndex: Type = 150;
    pub const WdfInterruptGetDeviceTableIndex: Type = 151;
    pub const WdfIoQueueCreateTableIndex: Type = 152;
    pub const WdfIoQueueGetStateTableIndex: Type = 153;
    pub const WdfIoQueueStartTableIndex: Type = 154;
    pub const WdfIoQueueStopTableIndex: Type = 155;
    pub const WdfIoQueueStopSynchronouslyTableIndex: Type = 156;
    pub const WdfIoQueueGetDeviceTableIndex: Type = 157;
    pub const WdfIoQueueRetrieveNextRequestTableIndex: Type = 158;
    pub const WdfIoQueueRetrieveRequestByFileObjectTableIndex: Type = 159;
    pub const WdfIoQueueFindRequestTableIndex: Type = 160;
    pub const WdfIoQueueRetrieveFoundRequestTableIndex: Type = 161;
    pub const WdfIoQueueDrainSynchronouslyTableIndex: Type = 162;
    pub const WdfIoQueueDrainTableIndex: Type = 163;
    pub const WdfIoQueuePurgeSynchronouslyTableIndex: Type = 164;
    pub const WdfIoQueuePurgeTableIndex: Type = 165;
    pub const WdfIoQueueReadyNotifyTableIndex: Type = 166;
    pub const WdfIoTargetCreateTableIndex: Type = 167;
    pub const WdfIoTargetOpenTableIndex: Type = 168;
    pub const WdfIoTargetCloseForQueryRemoveTableIndex: Type = 169;
    pub const WdfIoTargetCloseTableIndex: Type = 170;
    pub const WdfIoTargetStartTableIndex: Type = 171;
    pub const WdfIoTargetStopTableIndex: Type = 172;
    pub const WdfIoTargetGetStateTableIndex: Type = 173;
    pub const WdfIoTargetGetDeviceTableIndex: Type = 174;
    pub const WdfIoTargetQueryTargetPropertyTableIndex: Type = 175;
    pub const WdfIoTargetAllocAndQueryTargetPropertyTableIndex: Type = 176;
    pub const WdfIoTargetQueryForInterfaceTableIndex: Type = 177;
    pub const WdfIoTargetWdmGetTargetDeviceObjectTableIndex: Type = 178;
    pub const WdfIoTargetWdmGetTargetPhysicalDeviceTableIndex: Type = 179;
    pub const WdfIoTargetWdmGetTargetFileObjectTableIndex: Type = 180;
    pub const WdfIoTargetWdmGetTargetFileHandleTableIndex: Type = 181;
    pub const WdfIoTargetSendReadSynchronouslyTableIndex: Type = 182;
    pub const WdfIoTargetFormatRequestForReadTableIndex: Type = 183;
    pub const WdfIoTargetSendWriteSynchronouslyTableIndex: Type = 184;
    pub const WdfIoTargetFormatRequestForWriteTableIndex: Type = 185;
    pub const WdfIoTargetSendIoctlSynchronouslyTableIndex: Type = 186;
    pub const WdfIoTargetFormatRequestForIoctlTableIndex: Type = 187;
    pub const WdfIoTargetSendInternalIoctlSynchronouslyTableIndex: Type = 188;
    pub const WdfIoTargetFormatRequestForInternalIoctlTableIndex: Type = 189;
    pub const WdfIoTargetSendInternalIoctlOthersSynchronouslyTableIndex: Type = 190;
    pub const WdfIoTargetFormatRequestForInternalIoctlOthersTableIndex: Type = 191;
    pub const WdfMemoryCreateTableIndex: Type = 192;
    pub const WdfMemoryCreatePreallocatedTableIndex: Type = 193;
    pub const WdfMemoryGetBufferTableIndex: Type = 194;
    pub const WdfMemoryAssignBufferTableIndex: Type = 195;
    pub const WdfMemoryCopyToBufferTableIndex: Type = 196;
    pub const WdfMemoryCopyFromBufferTableIndex: Type = 197;
    pub const WdfLookasideListCreateTableIndex: Type = 198;
    pub const WdfMemoryCreateFromLookasideTableIndex: Type = 199;
    pub const WdfDeviceMiniportCreateTableIndex: Type = 200;
    pub const WdfDriverMiniportUnloadTableIndex: Type = 201;
    pub const WdfObjectGetTypedContextWorkerTableIndex: Type = 202;
    pub const WdfObjectAllocateContextTableIndex: Type = 203;
    pub const WdfObjectContextGetObjectTableIndex: Type = 204;
    pub const WdfObjectReferenceActualTableIndex: Type = 205;
    pub const WdfObjectDereferenceActualTableIndex: Type = 206;
    pub const WdfObjectCreateTableIndex: Type = 207;
    pub const WdfObjectDeleteTableIndex: Type = 208;
    pub const WdfObjectQueryTableIndex: Type = 209;
    pub const WdfPdoInitAllocateTableIndex: Type = 210;
    pub const WdfPdoInitSetEventCallbacksTableIndex: Type = 211;
    pub const WdfPdoInitAssignDeviceIDTableIndex: Type = 212;
    pub const WdfPdoInitAssignInstanceIDTableIndex: Type = 213;
    pub const WdfPdoInitAddHardwareIDTableIndex: Type = 214;
    pub const WdfPdoInitAddCompatibleIDTableIndex: Type = 215;
    pub const WdfPdoInitAddDeviceTextTableIndex: Type = 216;
    pub const WdfPdoInitSetDefaultLocaleTableIndex: Type = 217;
    pub const WdfPdoInitAssignRawDeviceTableIndex: Type = 218;
    pub const WdfPdoMarkMissingTableIndex: Type = 219;
    pub const WdfPdoRequestEjectTableIndex: Type = 220;
    pub const WdfPdoGetParentTableIndex: Type = 221;
    pub const WdfPdoRetrieveIdentificationDescriptionTableIndex: Type = 222;
    pub const WdfPdoRetrieveAddressDescriptionTableIndex: Type = 223;
    pub const WdfPdoUpdateAddressDescriptionTableIndex: Type = 224;
    pub const WdfPdoAddEjectionRelationsPhysicalDeviceTableIndex: Type = 225;
    pub const WdfPdoRemoveEjectionRelationsPhysicalDeviceTableIndex: Type = 226;
    pub const WdfPdoClearEjectionRelationsDevicesTableIndex: Type = 227;
    pub const WdfDeviceAddQueryInterfaceTableIndex: Type = 228;
    pub const WdfRegistryOpenKeyTableIndex: Type = 229;
    pub const WdfRegistryCreateKeyTableIndex: Type = 230;
    pub const WdfRegistryCloseTableIndex: Type = 231;
    pub const WdfRegistryWdmGetHandleTableIndex: Type = 232;
    pub const WdfRegistryRemoveKeyTableIndex: Type = 233;
    pub const WdfRegistryRemoveValueTableIndex: Type = 234;
    pub const WdfRegistryQueryValueTableIndex: Type = 235;
    pub const WdfRegistryQueryMemoryTableIndex: Type = 236;
    pub const WdfRegistryQueryMultiStringTableIndex: Type = 237;
    pub const WdfRegistryQueryUnicodeStringTableIndex: Type = 238;
    pub const WdfRegistryQueryStringTableIndex: Type = 239;
    pub const WdfRegistryQueryULongTableIndex: Type = 240;
    pub const WdfRegistryAssignValueTableIndex: Type = 241;
    pub const WdfRegistryAssignMemoryTableIndex: Type = 242;
    pub const WdfRegistryAssignMultiStringTableIndex: Type = 243;
    pub const WdfRegistryAssignUnicodeStringTableIndex: Type = 244;
    pub const WdfRegistryAssignStringTableIndex: Type = 245;
    pub const WdfRegistryAssignULongTableIndex: Type = 246;
    pub const WdfRequestCreateTableIndex: Type = 247;
    pub const WdfRequestCreateFromIrpTableIndex: Type = 248;
    pub const WdfRequestReuseTableIndex: Type = 249;
    pub const WdfRequestChangeTargetTableIndex: Type = 250;
    pub const WdfRequestFormatRequestUsingCurrentTypeTableIndex: Type = 251;
    pub const WdfRequestWdmFormatUsingStackLocationTableIndex: Type = 252;
    pub const WdfRequestSendTableIndex: Type = 253;
    pub const WdfRequestGetStatusTableIndex: Type = 254;
    pub const WdfRequestMarkCancelableTableIndex: Type = 255;
    pub const WdfRequestUnmarkCancelableTableIndex: Type = 256;
    pub const WdfRequestIsCanceledTableIndex: Type = 257;
    pub const WdfRequestCancelSentRequestTableIndex: Type = 258;
    pub const WdfRequestIsFrom32BitProcessTableIndex: Type = 259;
    pub const WdfRequestSetCompletionRoutineTableIndex: Type = 260;
    pub const WdfRequestGetCompletionParamsTableIndex: Type = 261;
    pub const WdfRequestAllocateTimerTableIndex: Type = 262;
    pub const WdfRequestCompleteTableIndex: Type = 263;
    pub const WdfRequestCompleteWithPriorityBoostTableIndex: Type = 264;
    pub const WdfRequestCompleteWithInformationTableIndex: Type = 265;
    pub const WdfRequestGetParametersTableIndex: Type = 266;
    pub const WdfRequestRetrieveInputMemoryTableIndex: Type = 267;
    pub const WdfRequestRetrieveOutputMemoryTableIndex: Type = 268;
    pub const WdfRequestRetrieveInputBufferTableIndex: Type = 269;
    pub const WdfRequestRetrieveOutputBufferTableIndex: Type = 270;
    pub const WdfRequestRetrieveInputWdmMdlTableIndex: Type = 271;
    pub const WdfRequestRetrieveOutputWdmMdlTableIndex: Type = 272;
    pub const WdfRequestRetrieveUnsafeUserInputBufferTableIndex: Type = 273;
    pub const WdfRequestRetrieveUnsafeUserOutputBufferTableIndex: Type = 274;
    pub const WdfRequestSetInformationTableIndex: Type = 275;
    pub const WdfRequestGetInformationTableIndex: Type = 276;
    pub const WdfRequestGetFileObjectTableIndex: Type = 277;
    pub const WdfRequestProbeAndLockUserBufferForReadTableIndex: Type = 278;
    pub const WdfRequestProbeAndLockUserBufferForWriteTableIndex: Type = 279;
    pub const WdfRequestGetRequestorModeTableIndex: Type = 280;
    pub const WdfRequestForwardToIoQueueTableIndex: Type = 281;
    pub const WdfRequestGetIoQueueTableIndex: Type = 282;
    pub const WdfRequestRequeueTableIndex: Type = 283;
    pub const WdfRequestStopAcknowledgeTableIndex: Type = 284;
    pub const WdfRequestWdmGetIrpTableIndex: Type = 285;
    pub const WdfIoResourceRequirementsListSetSlotNumberTableIndex: Type = 286;
    pub const WdfIoResourceRequirementsListSetInterfaceTypeTableIndex: Type = 287;
    pub const WdfIoResourceRequirementsListAppendIoResListTableIndex: Type = 288;
    pub const WdfIoResourceRequirementsListInsertIoResListTableIndex: Type = 289;
    pub const WdfIoResourceRequirementsListGetCountTableIndex: Type = 290;
    pub const WdfIoResourceRequirementsListGetIoResListTableIndex: Type = 291;
    pub const WdfIoResourceRequirementsListRemoveTableIndex: Type = 292;
    pub const WdfIoResourceRequirementsListRemoveByIoResListTableIndex: Type = 293;
    pub const WdfIoResourceListCreateTableIndex: Type = 294;
    pub const WdfIoResourceListAppendDescriptorTableIndex: Type = 295;
    pub const WdfIoResourceListInsertDescriptorTableIndex: Type = 296;
    pub const WdfIoResourceListUpdateDescriptorTableIndex: Type = 297;
    pub const WdfIoResourceListGetCountTableIndex: Type = 298;
    pub const WdfIoResourceListGetDescriptorTableIndex: Type = 299;
    pub const WdfIoResourceListRemoveTableIndex: Type = 300;
    pub const WdfIoResourceListRemoveByDescriptorTableIndex: Type = 301;
    pub const WdfCmResourceListAppendDescriptorTableIndex: Type = 302;
    pub const WdfCmResourceListInsertDescriptorTableIndex: Type = 303;
    pub const WdfCmResourceListGetCountTableIndex: Type = 304;
    pub const WdfCmResourceListGetDescriptorTableIndex: Type = 305;
    pub const WdfCmResourceListRemoveTableIndex: Type = 306;
    pub const WdfCmResourceListRemoveByDescriptorTableIndex: Type = 307;
    pub const WdfStringCreateTableIndex: Type = 308;
    pub const WdfStringGetUnicodeStringTableIndex: Type = 309;
    pub const WdfObjectAcquireLockTableIndex: Type = 310;
    pub const WdfObjectReleaseLockTableIndex: Type = 311;
    pub const WdfWaitLockCreateTableIndex: Type = 312;
    pub const WdfWaitLockAcquireTableIndex: Type = 313;
    pub const WdfWaitLockReleaseTableIndex: Type = 314;
    pub const WdfSpinLockCreateTableIndex: Type = 315;
    pub const WdfSpinLockAcquireTableIndex: Type = 316;
    pub const WdfSpinLockReleaseTableIndex: Type = 317;
    pub const WdfTimerCreateTableIndex: Type = 318;
    pub const WdfTimerStartTableIndex: Type = 319;
    pub const WdfTimerStopTableIndex: Type = 320;
    pub const WdfTimerGetParentObjectTableIndex: Type = 321;
    pub const WdfUsbTargetDeviceCreateTableIndex: Type = 322;
    pub const WdfUsbTargetDeviceRetrieveInformationTableIndex: Type = 323;
    pub const WdfUsbTargetDeviceGetDeviceDescriptorTableIndex: Type = 324;
    pub const WdfUsbTargetDeviceRetrieveConfigDescriptorTableIndex: Type = 325;
    pub const WdfUsbTargetDeviceQueryStringTableIndex: Type = 326;
    pub const WdfUsbTargetDeviceAllocAndQueryStringTableIndex: Type = 327;
    pub const WdfUsbTargetDeviceFormatRequestForStringTableIndex: Type = 328;
    pub const WdfUsbTargetDeviceGetNumInterfacesTableIndex: Type = 329;
    pub const WdfUsbTargetDeviceSelectConfigTableIndex: Type = 330;
    pub const WdfUsbTargetDeviceWdmGetConfigurationHandleTableIndex: Type = 331;
    pub const WdfUsbTargetDeviceRetrieveCurrentFrameNumberTableIndex: Type = 332;
    pub const WdfUsbTargetDeviceSendControlTransferSynchronouslyTableIndex: Type = 333;
    pub const WdfUsbTargetDeviceFormatRequestForControlTransferTableIndex: Type = 334;
    pub const WdfUsbTargetDeviceIsConnectedSynchronousTableIndex: Type = 335;
    pub const WdfUsbTargetDeviceResetPortSynchronouslyTableIndex: Type = 336;
    pub const WdfUsbTargetDeviceCyclePortSynchronouslyTableIndex: Type = 337;
    pub const WdfUsbTargetDeviceFormatRequestForCyclePortTableIndex: Type = 338;
    pub const WdfUsbTargetDeviceSendUrbSynchronouslyTableIndex: Type = 339;
    pub const WdfUsbTargetDeviceFormatRequestForUrbTableIndex: Type = 340;
    pub const WdfUsbTargetPipeGetInformationTableIndex: Type = 341;
    pub const WdfUsbTargetPipeIsInEndpointTableIndex: Type = 342;
    pub const WdfUsbTargetPipeIsOutEndpointTableIndex: Type = 343;
    pub const WdfUsbTargetPipeGetTypeTableIndex: Type = 344;
    pub const WdfUsbTargetPipeSetNoMaximumPacketSizeCheckTableIndex: Type = 345;
    pub const WdfUsbTargetPipeWriteSynchronouslyTableIndex: Type = 346;
    pub const WdfUsbTargetPipeFormatRequestForWriteTableIndex: Type = 347;
    pub const WdfUsbTargetPipeReadSynchronouslyTableIndex: Type = 348;
    pub const WdfUsbTargetPipeFormatRequestForReadTableIndex: Type = 349;
    pub const WdfUsbTargetPipeConfigContinuousReaderTableIndex: Type = 350;
    pub const WdfUsbTargetPipeAbortSynchronouslyTableIndex: Type = 351;
    pub const WdfUsbTargetPipeFormatRequestForAbortTableIndex: Type = 352;
    pub const WdfUsbTargetPipeResetSynchronouslyTableIndex: Type = 353;
    pub const WdfUsbTargetPipeFormatRequestForResetTableIndex: Type = 354;
    pub const WdfUsbTargetPipeSendUrbSynchronouslyTableIndex: Type = 355;
    pub const WdfUsbTargetPipeFormatRequestForUrbTableIndex: Type = 356;
    pub const WdfUsbInterfaceGetInterfaceNumberTableIndex: Type = 357;
    pub const WdfUsbInterfaceGetNumEndpointsTableIndex: Type = 358;
    pub const WdfUsbInterfaceGetDescriptorTableIndex: Type = 359;
    pub const WdfUsbInterfaceSelectSettingTableIndex: Type = 360;
    pub const WdfUsbInterfaceGetEndpointInformationTableIndex: Type = 361;
    pub const WdfUsbTargetDeviceGetInterfaceTableIndex: Type = 362;
    pub const WdfUsbInterfaceGetConfiguredSettingIndexTableIndex: Type = 363;
    pub const WdfUsbInterfaceGetNumConfiguredPipesTableIndex: Type = 364;
    pub const WdfUsbInterfaceGetConfiguredPipeTableIndex: Type = 365;
    pub const WdfUsbTargetPipeWdmGetPipeHandleTableIndex: Type = 366;
    pub const WdfVerifierDbgBreakPointTableIndex: Type = 367;
    pub const WdfVerifierKeBugCheckTableIndex: Type = 368;
    pub const WdfWmiProviderCreateTableIndex: Type = 369;
    pub const WdfWmiProviderGetDeviceTableIndex: Type = 370;
    pub const WdfWmiProviderIsEnabledTableIndex: Type = 371;
    pub const WdfWmiProviderGetTracingHandleTableIndex: Type = 372;
    pub const WdfWmiInstanceCreateTableIndex: Type = 373;
    pub const WdfWmiInstanceRegisterTableIndex: Type = 374;
    pub const WdfWmiInstanceDeregisterTableIndex: Type = 375;
    pub const WdfWmiInstanceGetDeviceTableIndex: Type = 376;
    pub const WdfWmiInstanceGetProviderTableIndex: Type = 377;
    pub const WdfWmiInstanceFireEventTableIndex: Type = 378;
    pub const WdfWorkItemCreateTableIndex: Type = 379;
    pub const WdfWorkItemEnqueueTableIndex: Type = 380;
    pub const WdfWorkItemGetParentObjectTableIndex: Type = 381;
    pub const WdfWorkItemFlushTableIndex: Type = 382;
    pub const WdfCommonBufferCreateWithConfigTableIndex: Type = 383;
    pub const WdfDmaEnablerGetFragmentLengthTableIndex: Type = 384;
    pub const WdfDmaEnablerWdmGetDmaAdapterTableIndex: Type = 385;
    pub const WdfUsbInterfaceGetNumSettingsTableIndex: Type = 386;
    pub const WdfDeviceRemoveDependentUsageDeviceObjectTableIndex: Type = 387;
    pub const WdfDeviceGetSystemPowerActionTableIndex: Type = 388;
    pub const WdfInterruptSetExtendedPolicyTableIndex: Type = 389;
    pub const WdfIoQueueAssignForwardProgressPolicyTableIndex: Type = 390;
    pub const WdfPdoInitAssignContainerIDTableIndex: Type = 391;
    pub const WdfPdoInitAllowForwardingRequestToParentTableIndex: Type = 392;
    pub const WdfRequestMarkCancelableExTableIndex: Type = 393;
    pub const WdfRequestIsReservedTableIndex: Type = 394;
    pub const WdfRequestForwardToParentDeviceIoQueueTableIndex: Type = 395;
    pub const WdfCxDeviceInitAllocateTableIndex: Type = 396;
    pub const WdfCxDeviceInitAssignWdmIrpPreprocessCallbackTableIndex: Type = 397;
    pub const WdfCxDeviceInitSetIoInCallerContextCallbackTableIndex: Type = 398;
    pub const WdfCxDeviceInitSetRequestAttributesTableIndex: Type = 399;
    pub const WdfCxDeviceInitSetFileObjectConfigTableIndex: Type = 400;
    pub const WdfDeviceWdmDispatchIrpTableIndex: Type = 401;
    pub const WdfDeviceWdmDispatchIrpToIoQueueTableIndex: Type = 402;
    pub const WdfDeviceInitSetRemoveLockOptionsTableIndex: Type = 403;
    pub const WdfDeviceConfigureWdmIrpDispatchCallbackTableIndex: Type = 404;
    pub const WdfDmaEnablerConfigureSystemProfileTableIndex: Type = 405;
    pub const WdfDmaTransactionInitializeUsingOffsetTableIndex: Type = 406;
    pub const WdfDmaTransactionGetTransferInfoTableIndex: Type = 407;
    pub const WdfDmaTransactionSetChannelConfigurationCallbackTableIndex: Type = 408;
    pub const WdfDmaTransactionSetTransferCompleteCallbackTableIndex: Type = 409;
    pub const WdfDmaTransactionSetImmediateExecutionTableIndex: Type = 410;
    pub const WdfDmaTransactionAllocateResourcesTableIndex: Type = 411;
    pub const WdfDmaTransactionSetDeviceAddressOffsetTableIndex: Type = 412;
    pub const WdfDmaTransactionFreeResourcesTableIndex: Type = 413;
    pub const WdfDmaTransactionCancelTableIndex: Type = 414;
    pub const WdfDmaTransactionWdmGetTransferContextTableIndex: Type = 415;
    pub const WdfInterruptQueueWorkItemForIsrTableIndex: Type = 416;
    pub const WdfInterruptTryToAcquireLockTableIndex: Type = 417;
    pub const WdfIoQueueStopAndPurgeTableIndex: Type = 418;
    pub const WdfIoQueueStopAndPurgeSynchronouslyTableIndex: Type = 419;
    pub const WdfIoTargetPurgeTableIndex: Type = 420;
    pub const WdfUsbTargetDeviceCreateWithParametersTableIndex: Type = 421;
    pub const WdfUsbTargetDeviceQueryUsbCapabilityTableIndex: Type = 422;
    pub const WdfUsbTargetDeviceCreateUrbTableIndex: Type = 423;
    pub const WdfUsbTargetDeviceCreateIsochUrbTableIndex: Type = 424;
    pub const WdfDeviceWdmAssignPowerFrameworkSettingsTableIndex: Type = 425;
    pub const WdfDmaTransactionStopSystemTransferTableIndex: Type = 426;
    pub const WdfCxVerifierKeBugCheckTableIndex: Type = 427;
    pub const WdfInterruptReportActiveTableIndex: Type = 428;
    pub const WdfInterruptReportInactiveTableIndex: Type = 429;
    pub const WdfDeviceInitSetReleaseHardwareOrderOnFailureTableIndex: Type = 430;
    pub const WdfGetTriageInfoTableIndex: Type = 431;
    pub const WdfDeviceInitSetIoTypeExTableIndex: Type = 432;
    pub const WdfDeviceQueryPropertyExTableIndex: Type = 433;
    pub const WdfDeviceAllocAndQueryPropertyExTableIndex: Type = 434;
    pub const WdfDeviceAssignPropertyTableIndex: Type = 435;
    pub const WdfFdoInitQueryPropertyExTableIndex: Type = 436;
    pub const WdfFdoInitAllocAndQueryPropertyExTableIndex: Type = 437;
    pub const WdfDeviceStopIdleActualTableIndex: Type = 438;
    pub const WdfDeviceResumeIdleActualTableIndex: Type = 439;
    pub const WdfDeviceGetSelfIoTargetTableIndex: Type = 440;
    pub const WdfDeviceInitAllowSelfIoTargetTableIndex: Type = 441;
    pub const WdfIoTargetSelfAssignDefaultIoQueueTableIndex: Type = 442;
    pub const WdfDeviceOpenDevicemapKeyTableIndex: Type = 443;
    pub const WdfDmaTransactionSetSingleTransferRequirementTableIndex: Type = 444;
    pub const WdfCxDeviceInitSetPnpPowerEventCallbacksTableIndex: Type = 445;
    pub const WdfFileObjectGetInitiatorProcessIdTableIndex: Type = 446;
    pub const WdfRequestGetRequestorProcessIdTableIndex: Type = 447;
    pub const WdfDeviceRetrieveCompanionTargetTableIndex: Type = 448;
    pub const WdfCompanionTargetSendTaskSynchronouslyTableIndex: Type = 449;
    pub const WdfCompanionTargetWdmGetCompanionProcessTableIndex: Type = 450;
    pub const WdfDriverOpenPersistentStateRegistryKeyTableIndex: Type = 451;
    pub const WdfDriverErrorReportApiMissingTableIndex: Type = 452;
    pub const WdfPdoInitRemovePowerDependencyOnParentTableIndex: Type = 453;
    pub const WdfCxDeviceInitAllocateContextTableIndex: Type = 454;
    pub const WdfCxDeviceInitGetTypedContextWorkerTableIndex: Type = 455;
    pub const WdfCxDeviceInitSetPowerPolicyEventCallbacksTableIndex: Type = 456;
    pub const WdfDeviceSetDeviceInterfaceStateExTableIndex: Type = 457;
    pub const WdfFunctionTableNumEntriesTableIndex: Type = 458;
    pub const WdfFunctionTableNumEntries: Type = 459;
}

pub mod _WDF_DEVICE_FAILED_ACTION {
    pub type Type = core::ffi::c_int;
    pub const WdfDeviceFailedUndefined: Type = 0;
    pub const WdfDeviceFailedAttemptRestart: Type = 1;
    pub const WdfDeviceFailedNoRestart: Type = 2;
}
pub use self::_WDF_DEVICE_FAILED_ACTION::Type as WDF_DEVICE_FAILED_ACTION;

pub mod _WDF_DEVICE_IO_TYPE {
    pub type Type = core::ffi::c_int;
    pub const WdfDeviceIoUndefined: Type = 0;
    pub const WdfDeviceIoNeither: Type = 1;
    pub const WdfDeviceIoBuffered: Type = 2;
    pub const WdfDeviceIoDirect: Type = 3;
    pub const WdfDeviceIoBufferedOrDirect: Type = 4;
    pub const WdfDeviceIoMaximum: Type = 5;
}
pub use self::_WDF_DEVICE_IO_TYPE::Type as WDF_DEVICE_IO_TYPE;

pub mod _WDF_DEVICE_PNP_STATE {
    pub type Type = core::ffi::c_int;
    pub const WdfDevStatePnpInvalid: Type = 0;
    pub const WdfDevStatePnpObjectCreated: Type = 256;
    pub const WdfDevStatePnpCheckForDevicePresence: Type = 257;
    pub const WdfDevStatePnpEjectFailed: Type = 258;
    pub const WdfDevStatePnpEjectHardware: Type = 259;
    pub const WdfDevStatePnpEjectedWaitingForRemove: Type = 260;
    pub const WdfDevStatePnpInit: Type = 261;
    pub const WdfDevStatePnpInitStarting: Type = 262;
    pub const WdfDevStatePnpInitSurpriseRemoved: Type = 263;
    pub const WdfDevStatePnpHardwareAvailable: Type = 264;
    pub const WdfDevStatePnpEnableInterfaces: Type = 265;
    pub const WdfDevStatePnpHardwareAvailablePowerPolicyFailed: Type = 266;
    pub const WdfDevStatePnpQueryRemoveAskDriver: Type = 267;
    pub const WdfDevStatePnpQueryRemovePending: Type = 268;
    pub const WdfDevStatePnpQueryRemoveStaticCheck: Type = 269;
    pub const WdfDevStatePnpQueriedRemoving: Type = 270;
    pub const WdfDevStatePnpQueryStopAskDriver: Type = 271;
    pub const WdfDevStatePnpQueryStopPending: Type = 272;
    pub const WdfDevStatePnpQueryStopStaticCheck: Type = 273;
    pub const WdfDevStatePnpQueryCanceled: Type = 274;
    pub const WdfDevStatePnpRemoved: Type = 275;
    pub const WdfDevStatePnpPdoRemoved: Type = 276;
    pub const WdfDevStatePnpRemovedPdoWait: Type = 277;
    pub const WdfDevStatePnpRemovedPdoSurpriseRemoved: Type = 278;
    pub const WdfDevStatePnpRemovingDisableInterfaces: Type = 279;
    pub const WdfDevStatePnpRestarting: Type = 280;
    pub const WdfDevStatePnpStarted: Type = 281;
    pub const WdfDevStatePnpStartedCancelStop: Type = 282;
    pub const WdfDevStatePnpStartedCancelRemove: Type = 283;
    pub const WdfDevStatePnpStartedRemoving: Type = 284;
    pub const WdfDevStatePnpStartingFromStopped: Type = 285;
    pub const WdfDevStatePnpStopped: Type = 286;
    pub const WdfDevStatePnpStoppedWaitForStartCompletion: Type = 287;
    pub const WdfDevStatePnpStartedStopping: Type = 288;
    pub const WdfDevStatePnpSurpriseRemove: Type = 289;
    pub const WdfDevStatePnpInitQueryRemove: Type = 290;
    pub const WdfDevStatePnpInitQueryRemoveCanceled: Type = 291;
    pub const WdfDevStatePnpFdoRemoved: Type = 292;
    pub const WdfDevStatePnpRemovedWaitForChildren: Type = 293;
    pub const WdfDevStatePnpQueriedSurpriseRemove: Type = 294;
    pub const WdfDevStatePnpSurpriseRemoveIoStarted: Type = 295;
    pub const WdfDevStatePnpFailedPowerDown: Type = 296;
    pub const WdfDevStatePnpFailedIoStarting: Type = 297;
    pub const WdfDevStatePnpFailedOwnHardware: Type = 298;
    pub const WdfDevStatePnpFailed: Type = 299;
    pub const WdfDevStatePnpFailedSurpriseRemoved: Type = 300;
    pub const WdfDevStatePnpFailedStarted: Type = 301;
    pub const WdfDevStatePnpFailedWaitForRemove: Type = 302;
    pub const WdfDevStatePnpFailedInit: Type = 303;
    pub const WdfDevStatePnpPdoInitFailed: Type = 304;
    pub const WdfDevStatePnpRestart: Type = 305;
    pub const WdfDevStatePnpRestartReleaseHardware: Type = 306;
    pub const WdfDevStatePnpRestartHardwareAvailable: Type = 307;
    pub const WdfDevStatePnpPdoRestart: Type = 308;
    pub const WdfDevStatePnpFinal: Type = 309;
    pub const WdfDevStatePnpRemovedChildrenRemoved: Type = 310;
    pub const WdfDevStatePnpQueryRemoveEnsureDeviceAwake: Type = 311;
    pub const WdfDevStatePnpQueryStopEnsureDeviceAwake: Type = 312;
    pub const WdfDevStatePnpFailedPowerPolicyRemoved: Type = 313;
    pub const WdfDevStatePnpNull: Type = 314;
}
pub use self::_WDF_DEVICE_PNP_STATE::Type as WDF_DEVICE_PNP_STATE;

pub mod _WDF_EXECUTION_LEVEL {
    pub type Type = core::ffi::c_int;
    pub const WdfExecutionLevelInvalid: Type = 0;
    pub const WdfExecutionLevelInheritFromParent: Type = 1;
    pub const WdfExecutionLevelPassive: Type = 2;
    pub const WdfExecutionLevelDispatch: Type = 3;
}
pub use self::_WDF_EXECUTION_LEVEL::Type as WDF_EXECUTION_LEVEL;

pub mod _WDF_FILEOBJECT_CLASS {
    pub type Type = core::ffi::c_int;
    pub const WdfFileObjectCanBeOptional: Type = -2147483648;
    pub const WdfFileObjectInvalid: Type = 0;
    pub const WdfFileObjectNotRequired: Type = 1;
    pub const WdfFileObjectWdfCanUseFsContext: Type = 2;
    pub const WdfFileObjectWdfCanUseFsContext2: Type = 3;
    pub const WdfFileObjectWdfCannotUseFsContexts: Type = 4;
}
pub use self::_WDF_FILEOBJECT_CLASS::Type as WDF_FILEOBJECT_CLASS;

pub mod _WDF_IO_QUEUE_DISPATCH_TYPE {
    pub type Type = core::ffi::c_int;
    pub const WdfIoQueueDispatchInvalid: Type = 0;
    pub const WdfIoQueueDispatchSequential: Type = 1;
    pub const WdfIoQueueDispatchParallel: Type = 2;
    pub const WdfIoQueueDispatchManual: Type = 3;
    pub const WdfIoQueueDispatchMax: Type = 4;
}
pub use self::_WDF_IO_QUEUE_DISPATCH_TYPE::Type as WDF_IO_QUEUE_DISPATCH_TYPE;

pub mod _WDF_IO_QUEUE_STATE {
    pub type Type = core::ffi::c_int;
    pub const WdfIoQueueAcceptRequests: Type = 1;
    pub const WdfIoQueueDispatchRequests: Type = 2;
    pub const WdfIoQueueNoRequests: Type = 4;
    pub const WdfIoQueueDriverNoRequests: Type = 8;
    pub const WdfIoQueuePnpHeld: Type = 16;
}
pub use self::_WDF_IO_QUEUE_STATE::Type as WDF_IO_QUEUE_STATE;

pub mod _WDF_IO_TARGET_OPEN_TYPE {
    pub type Type = core::ffi::c_int;
    pub const WdfIoTargetOpenUndefined: Type = 0;
    pub const WdfIoTargetOpenUseExistingDevice: Type = 1;
    pub const WdfIoTargetOpenByName: Type = 2;
    pub const WdfIoTargetOpenReopen: Type = 3;
    pub const WdfIoTargetOpenLocalTargetByFile: Type = 4;
}
pub use self::_WDF_IO_TARGET_OPEN_TYPE::Type as WDF_IO_TARGET_OPEN_TYPE;

pub mod _WDF_POWER_DEVICE_STATE {
    pub type Type = core::ffi::c_int;
    pub const WdfPowerDeviceInvalid: Type = 0;
    pub const WdfPowerDeviceD0: Type = 1;
    pub const WdfPowerDeviceD1: Type = 2;
    pub const WdfPowerDeviceD2: Type = 3;
    pub const WdfPowerDeviceD3: Type = 4;
    pub const WdfPowerDeviceD3Final: Type = 5;
    pub const WdfPowerDevicePrepareForHibernation: Type = 6;
    pub const WdfPowerDeviceMaximum: Type = 7;
}
pub use self::_WDF_POWER_DEVICE_STATE::Type as WDF_POWER_DEVICE_STATE;

pub mod _WDF_RELEASE_HARDWARE_ORDER_ON_FAILURE {
    pub type Type = core::ffi::c_int;
    pub const WdfReleaseHardwareOrderOnFailureInvalid: Type = 0;
    pub const WdfReleaseHardwareOrderOnFailureEarly: Type = 1;
    pub const WdfReleaseHardwareOrderOnFailureAfterDescendants: Type = 2;
}
pub use self::_WDF_RELEASE_HARDWARE_ORDER_ON_FAILURE::Type as WDF_RELEASE_HARDWARE_ORDER_ON_FAILURE;

pub mod _WDF_REQUEST_STOP_ACTION_FLAGS {
    pub type Type = core::ffi::c_int;
    pub const WdfRequestStopActionInvalid: Type = 0;
    pub const WdfRequestStopActionSuspend: Type = 1;
    pub const WdfRequestStopActionPurge: Type = 2;
    pub const WdfRequestStopRequestCancelable: Type = 268435456;
}
pub use self::_WDF_REQUEST_STOP_ACTION_FLAGS::Type as WDF_REQUEST_STOP_ACTION_FLAGS;

pub mod _WDF_REQUEST_TYPE {
    pub type Type = core::ffi::c_int;
    pub const WdfRequestTypeCreate: Type = 0;
    pub const WdfRequestTypeCreateNamedPipe: Type = 1;
    pub const WdfRequestTypeClose: Type = 2;
    pub const WdfRequestTypeRead: Type = 3;
    pub const WdfRequestTypeWrite: Type = 4;
    pub const WdfRequestTypeQueryInformation: Type = 5;
    pub const WdfRequestTypeSetInformation: Type = 6;
    pub const WdfRequestTypeQueryEA: Type = 7;
    pub const WdfRequestTypeSetEA: Type = 8;
    pub const WdfRequestTypeFlushBuffers: Type = 9;
    pub const WdfRequestTypeQueryVolumeInformation: Type = 10;
    pub const WdfRequestTypeSetVolumeInformation: Type = 11;
    pub const WdfRequestTypeDirectoryControl: Type = 12;
    pub const WdfRequestTypeFileSystemControl: Type = 13;
    pub const WdfRequestTypeDeviceControl: Type = 14;
    pub const WdfRequestTypeDeviceControlInternal: Type = 15;
    pub const WdfRequestTypeShutdown: Type = 16;
    pub const WdfRequestTypeLockControl: Type = 17;
    pub const WdfRequestTypeCleanup: Type = 18;
    pub const WdfRequestTypeCreateMailSlot: Type = 19;
    pub const WdfRequestTypeQuerySecurity: Type = 20;
    pub const WdfRequestTypeSetSecurity: Type = 21;
    pub const WdfRequestTypePower: Type = 22;
    pub const WdfRequestTypeSystemControl: Type = 23;
    pub const WdfRequestTypeDeviceChange: Type = 24;
    pub const WdfRequestTypeQueryQuota: Type = 25;
    pub const WdfRequestTypeSetQuota: Type = 26;
    pub const WdfRequestTypePnp: Type = 27;
    pub const WdfRequestTypeOther: Type = 28;
    pub const WdfRequestTypeUsb: Type = 64;
    pub const WdfRequestTypeNoFormat: Type = 255;
    pub const WdfRequestTypeMax: Type = 256;
}
pub use self::_WDF_REQUEST_TYPE::Type as WDF_REQUEST_TYPE;

pub mod _WDF_SPECIAL_FILE_TYPE {
    pub type Type = core::ffi::c_int;
    pub const WdfSpecialFileUndefined: Type = 0;
    pub const WdfSpecialFilePaging: Type = 1;
    pub const WdfSpecialFileHibernation: Type = 2;
    pub const WdfSpecialFileDump: Type = 3;
    pub const WdfSpecialFileBoot: Type = 4;
    pub const WdfSpecialFilePostDisplay: Type = 5;
    pub const WdfSpecialFileGuestAssigned: Type = 6;
    pub const WdfSpecialFileMax: Type = 7;
}
pub use self::_WDF_SPECIAL_FILE_TYPE::Type as WDF_SPECIAL_FILE_TYPE;

pub mod _WDF_SYNCHRONIZATION_SCOPE {
    pub type Type = core::ffi::c_int;
    pub const WdfSynchronizationScopeInvalid: Type = 0;
    pub const WdfSynchronizationScopeInheritFromParent: Type = 1;
    pub const WdfSynchronizationScopeDevice: Type = 2;
    pub const WdfSynchronizationScopeQueue: Type = 3;
    pub const WdfSynchronizationScopeNone: Type = 4;
}
pub use self::_WDF_SYNCHRONIZATION_SCOPE::Type as WDF_SYNCHRONIZATION_SCOPE;

pub mod _WDF_TRI_STATE {
    pub type Type = core::ffi::c_int;
    pub const WdfFalse: Type = 0;
    pub const WdfTrue: Type = 1;
    pub const WdfUseDefault: Type = 2;
}
pub use self::_WDF_TRI_STATE::Type as WDF_TRI_STATE;

pub mod _WDF_WMI_PROVIDER_CONTROL {
    pub type Type = core::ffi::c_int;
    pub const WdfWmiControlInvalid: Type = 0;
    pub const WdfWmiEventControl: Type = 1;
    pub const WdfWmiInstanceControl: Type = 2;
}
pub use self::_WDF_WMI_PROVIDER_CONTROL::Type as WDF_WMI_PROVIDER_CONTROL;
