//! Types: aliases, structs, unions, enumerations as modules, and callback types.

#![allow(
    non_camel_case_types,
    non_snake_case,
    non_upper_case_globals,
    missing_docs,
    clippy::pub_underscore_fields,
    reason = "a mirror of generated bindings: the names are the kit's, and so is their documentation"
)]

use core::ffi::c_void;

// C's types as they are on Windows, whatever this machine's are.
pub(crate) type c_char = i8;
pub(crate) type c_uchar = u8;
pub(crate) type c_short = i16;
pub(crate) type c_ushort = u16;
pub(crate) type c_int = i32;
pub(crate) type c_long = i32;
pub(crate) type c_ulong = u32;
pub(crate) type c_longlong = i64;
pub(crate) type c_ulonglong = u64;

/// `Default` as bindgen derives it for the real declarations: all bytes zero.
macro_rules! zeroed_default {
    ($name:ident) => {
        impl Default for $name {
            fn default() -> Self {
                // SAFETY: every field of these C structs (integers, raw pointers, optional function pointers, arrays and
                // unions of them) is valid with all bytes zero.
                unsafe { core::mem::zeroed() }
            }
        }
    };
}

/// Storage of C bit-fields.
#[repr(C)]
#[derive(Copy, Clone, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct __BindgenBitfieldUnit<Storage> {
    storage: Storage,
}

pub type ACCESS_MASK = ULONG;

pub type BOOLEAN = UCHAR;

pub type CCHAR = c_char;

pub type CHAR = c_char;

pub type CSHORT = c_short;

pub type DEVICE_OBJECT = _DEVICE_OBJECT;

pub mod DEVICE_REGISTRY_PROPERTY {
    pub type Type = super::c_int;
    pub const DevicePropertyAddress: Type = 16;
    pub const DevicePropertyAllocatedResources: Type = 21;
    pub const DevicePropertyBootConfiguration: Type = 3;
    pub const DevicePropertyBootConfigurationTranslated: Type = 4;
    pub const DevicePropertyBusNumber: Type = 14;
    pub const DevicePropertyBusTypeGuid: Type = 12;
    pub const DevicePropertyClassGuid: Type = 6;
    pub const DevicePropertyClassName: Type = 5;
    pub const DevicePropertyCompatibleIDs: Type = 2;
    pub const DevicePropertyContainerID: Type = 22;
    pub const DevicePropertyDeviceDescription: Type = 0;
    pub const DevicePropertyDriverKeyName: Type = 7;
    pub const DevicePropertyEnumeratorName: Type = 15;
    pub const DevicePropertyFriendlyName: Type = 9;
    pub const DevicePropertyHardwareID: Type = 1;
    pub const DevicePropertyInstallState: Type = 18;
    pub const DevicePropertyLegacyBusType: Type = 13;
    pub const DevicePropertyLocationInformation: Type = 10;
    pub const DevicePropertyManufacturer: Type = 8;
    pub const DevicePropertyPhysicalDeviceObjectName: Type = 11;
    pub const DevicePropertyRemovalPolicy: Type = 19;
    pub const DevicePropertyResourceRequirements: Type = 20;
    pub const DevicePropertyUINumber: Type = 17;
}

pub type DISPATCHER_HEADER = _DISPATCHER_HEADER;

pub type DRIVER_OBJECT = _DRIVER_OBJECT;

pub type EVT_WDF_DEVICE_ARM_WAKE_FROM_S0 = Option<unsafe extern "C" fn(Device: WDFDEVICE) -> NTSTATUS>;

pub type EVT_WDF_DEVICE_ARM_WAKE_FROM_SX = Option<unsafe extern "C" fn(Device: WDFDEVICE) -> NTSTATUS>;

pub type EVT_WDF_DEVICE_ARM_WAKE_FROM_SX_WITH_REASON = Option<
    unsafe extern "C" fn(
        Device: WDFDEVICE,
        DeviceWakeEnabled: BOOLEAN,
        ChildrenArmedForWake: BOOLEAN,
    ) -> NTSTATUS,
>;

pub type EVT_WDF_DEVICE_D0_ENTRY =
    Option<unsafe extern "C" fn(Device: WDFDEVICE, PreviousState: WDF_POWER_DEVICE_STATE) -> NTSTATUS>;

pub type EVT_WDF_DEVICE_D0_ENTRY_POST_INTERRUPTS_ENABLED =
    Option<unsafe extern "C" fn(Device: WDFDEVICE, PreviousState: WDF_POWER_DEVICE_STATE) -> NTSTATUS>;

pub type EVT_WDF_DEVICE_D0_EXIT =
    Option<unsafe extern "C" fn(Device: WDFDEVICE, TargetState: WDF_POWER_DEVICE_STATE) -> NTSTATUS>;

pub type EVT_WDF_DEVICE_D0_EXIT_PRE_INTERRUPTS_DISABLED =
    Option<unsafe extern "C" fn(Device: WDFDEVICE, TargetState: WDF_POWER_DEVICE_STATE) -> NTSTATUS>;

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

pub type EVT_WDF_DEVICE_SELF_MANAGED_IO_INIT = Option<unsafe extern "C" fn(Device: WDFDEVICE) -> NTSTATUS>;

pub type EVT_WDF_DEVICE_SELF_MANAGED_IO_RESTART = Option<unsafe extern "C" fn(Device: WDFDEVICE) -> NTSTATUS>;

pub type EVT_WDF_DEVICE_SELF_MANAGED_IO_SUSPEND = Option<unsafe extern "C" fn(Device: WDFDEVICE) -> NTSTATUS>;

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

pub type EVT_WDF_IO_IN_CALLER_CONTEXT = Option<unsafe extern "C" fn(Device: WDFDEVICE, Request: WDFREQUEST)>;

pub type EVT_WDF_IO_QUEUE_IO_CANCELED_ON_QUEUE =
    Option<unsafe extern "C" fn(Queue: WDFQUEUE, Request: WDFREQUEST)>;

pub type EVT_WDF_IO_QUEUE_IO_DEFAULT = Option<unsafe extern "C" fn(Queue: WDFQUEUE, Request: WDFREQUEST)>;

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

pub type EVT_WDF_IO_QUEUE_IO_RESUME = Option<unsafe extern "C" fn(Queue: WDFQUEUE, Request: WDFREQUEST)>;

pub type EVT_WDF_IO_QUEUE_IO_STOP =
    Option<unsafe extern "C" fn(Queue: WDFQUEUE, Request: WDFREQUEST, ActionFlags: ULONG)>;

pub type EVT_WDF_IO_QUEUE_IO_WRITE =
    Option<unsafe extern "C" fn(Queue: WDFQUEUE, Request: WDFREQUEST, Length: usize)>;

pub type EVT_WDF_IO_QUEUE_STATE = Option<unsafe extern "C" fn(Queue: WDFQUEUE, Context: WDFCONTEXT)>;

pub type EVT_WDF_IO_TARGET_QUERY_REMOVE = Option<unsafe extern "C" fn(IoTarget: WDFIOTARGET) -> NTSTATUS>;

pub type EVT_WDF_IO_TARGET_REMOVE_CANCELED = Option<unsafe extern "C" fn(IoTarget: WDFIOTARGET)>;

pub type EVT_WDF_IO_TARGET_REMOVE_COMPLETE = Option<unsafe extern "C" fn(IoTarget: WDFIOTARGET)>;

pub type EVT_WDF_OBJECT_CONTEXT_CLEANUP = Option<unsafe extern "C" fn(Object: WDFOBJECT)>;

pub type EVT_WDF_OBJECT_CONTEXT_DESTROY = Option<unsafe extern "C" fn(Object: WDFOBJECT)>;

pub type EVT_WDF_REQUEST_CANCEL = Option<unsafe extern "C" fn(Request: WDFREQUEST)>;

pub type EVT_WDF_TIMER = Option<unsafe extern "C" fn(Timer: WDFTIMER)>;

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

pub type PCM_PARTIAL_RESOURCE_DESCRIPTOR = *mut _CM_PARTIAL_RESOURCE_DESCRIPTOR;

pub type PCSTR = *const CHAR;

pub type PCUNICODE_STRING = *const UNICODE_STRING;

pub type PCWDF_OBJECT_CONTEXT_TYPE_INFO = *const _WDF_OBJECT_CONTEXT_TYPE_INFO;

pub type PCWSTR = *const WCHAR;

pub type PDEVICE_OBJECT = *mut _DEVICE_OBJECT;

pub type PDRIVER_OBJECT = *mut _DRIVER_OBJECT;

pub type PEX_RUNDOWN_REF = *mut _EX_RUNDOWN_REF;

pub type PFILE_OBJECT = *mut _FILE_OBJECT;

pub type PFN_GET_UNIQUE_CONTEXT_TYPE = Option<unsafe extern "C" fn() -> PCWDF_OBJECT_CONTEXT_TYPE_INFO>;

pub type PFN_NUMBER = ULONG_PTR;

pub type PFN_WDF_DEVICE_ARM_WAKE_FROM_S0 = EVT_WDF_DEVICE_ARM_WAKE_FROM_S0;

pub type PFN_WDF_DEVICE_ARM_WAKE_FROM_SX = EVT_WDF_DEVICE_ARM_WAKE_FROM_SX;

pub type PFN_WDF_DEVICE_ARM_WAKE_FROM_SX_WITH_REASON = EVT_WDF_DEVICE_ARM_WAKE_FROM_SX_WITH_REASON;

pub type PFN_WDF_DEVICE_D0_ENTRY = EVT_WDF_DEVICE_D0_ENTRY;

pub type PFN_WDF_DEVICE_D0_ENTRY_POST_INTERRUPTS_ENABLED = EVT_WDF_DEVICE_D0_ENTRY_POST_INTERRUPTS_ENABLED;

pub type PFN_WDF_DEVICE_D0_EXIT = EVT_WDF_DEVICE_D0_EXIT;

pub type PFN_WDF_DEVICE_D0_EXIT_PRE_INTERRUPTS_DISABLED = EVT_WDF_DEVICE_D0_EXIT_PRE_INTERRUPTS_DISABLED;

pub type PFN_WDF_DEVICE_DISARM_WAKE_FROM_S0 = EVT_WDF_DEVICE_DISARM_WAKE_FROM_S0;

pub type PFN_WDF_DEVICE_DISARM_WAKE_FROM_SX = EVT_WDF_DEVICE_DISARM_WAKE_FROM_SX;

pub type PFN_WDF_DEVICE_FILE_CREATE = EVT_WDF_DEVICE_FILE_CREATE;

pub type PFN_WDF_DEVICE_PREPARE_HARDWARE = EVT_WDF_DEVICE_PREPARE_HARDWARE;

pub type PFN_WDF_DEVICE_PROCESS_QUERY_INTERFACE_REQUEST = EVT_WDF_DEVICE_PROCESS_QUERY_INTERFACE_REQUEST;

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

pub type PFN_WDF_WORKITEM = EVT_WDF_WORKITEM;

pub type PFREE_FUNCTION = Option<unsafe extern "C" fn(Buffer: PVOID)>;

pub type PFREE_FUNCTION_EX = Option<unsafe extern "C" fn(Buffer: PVOID, Lookaside: PLOOKASIDE_LIST_EX)>;

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

pub type PWDF_WORKITEM_CONFIG = *mut _WDF_WORKITEM_CONFIG;

pub type PWSTR = *mut WCHAR;

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

#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct WDFDEVICE_INIT {
    _unused: [u8; 0],
}

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

#[repr(C)]
#[derive(Copy, Clone)]
pub struct _CM_PARTIAL_RESOURCE_DESCRIPTOR {
    _opaque: [u32; 5],
}
zeroed_default!(_CM_PARTIAL_RESOURCE_DESCRIPTOR);

#[repr(C)]
#[derive(Copy, Clone)]
pub struct _DEVICE_OBJECT {
    _opaque: [u64; 41],
}
zeroed_default!(_DEVICE_OBJECT);

#[repr(C)]
#[derive(Copy, Clone)]
pub struct _DISPATCHER_HEADER {
    pub __bindgen_anon_1: _DISPATCHER_HEADER__bindgen_ty_1,
    pub SignalState: LONG,
    pub WaitListHead: LIST_ENTRY,
}
zeroed_default!(_DISPATCHER_HEADER);

#[repr(C)]
#[derive(Copy, Clone)]
pub union _DISPATCHER_HEADER__bindgen_ty_1 {
    pub __bindgen_anon_1: _DISPATCHER_HEADER__bindgen_ty_1__bindgen_ty_1,
    pub Lock: LONG,
}
zeroed_default!(_DISPATCHER_HEADER__bindgen_ty_1);

#[repr(C)]
#[derive(Copy, Clone)]
pub struct _DISPATCHER_HEADER__bindgen_ty_1__bindgen_ty_1 {
    pub Type: UCHAR,
    pub __bindgen_anon_1: _DISPATCHER_HEADER__bindgen_ty_1__bindgen_ty_1__bindgen_ty_1,
    pub __bindgen_anon_2: _DISPATCHER_HEADER__bindgen_ty_1__bindgen_ty_1__bindgen_ty_2,
    pub __bindgen_anon_3: _DISPATCHER_HEADER__bindgen_ty_1__bindgen_ty_1__bindgen_ty_3,
}
zeroed_default!(_DISPATCHER_HEADER__bindgen_ty_1__bindgen_ty_1);

#[repr(C)]
#[derive(Copy, Clone)]
pub union _DISPATCHER_HEADER__bindgen_ty_1__bindgen_ty_1__bindgen_ty_1 {
    pub __bindgen_anon_1: _DISPATCHER_HEADER__bindgen_ty_1__bindgen_ty_1__bindgen_ty_1__bindgen_ty_1,
    pub Abandoned: UCHAR,
    pub Signalling: BOOLEAN,
}
zeroed_default!(_DISPATCHER_HEADER__bindgen_ty_1__bindgen_ty_1__bindgen_ty_1);

#[repr(C)]
#[derive(Copy, Clone)]
pub union _DISPATCHER_HEADER__bindgen_ty_1__bindgen_ty_1__bindgen_ty_1__bindgen_ty_1 {
    pub TimerControlFlags: UCHAR,
    pub __bindgen_anon_1:
        _DISPATCHER_HEADER__bindgen_ty_1__bindgen_ty_1__bindgen_ty_1__bindgen_ty_1__bindgen_ty_1,
}
zeroed_default!(_DISPATCHER_HEADER__bindgen_ty_1__bindgen_ty_1__bindgen_ty_1__bindgen_ty_1);

#[repr(C)]
#[derive(Copy, Clone)]
pub struct _DISPATCHER_HEADER__bindgen_ty_1__bindgen_ty_1__bindgen_ty_1__bindgen_ty_1__bindgen_ty_1 {
    pub _bitfield_1: __BindgenBitfieldUnit<[u8; 1]>,
}
zeroed_default!(_DISPATCHER_HEADER__bindgen_ty_1__bindgen_ty_1__bindgen_ty_1__bindgen_ty_1__bindgen_ty_1);

#[repr(C)]
#[derive(Copy, Clone)]
pub union _DISPATCHER_HEADER__bindgen_ty_1__bindgen_ty_1__bindgen_ty_2 {
    pub __bindgen_anon_1: _DISPATCHER_HEADER__bindgen_ty_1__bindgen_ty_1__bindgen_ty_2__bindgen_ty_1,
    pub Size: UCHAR,
    pub Hand: UCHAR,
}
zeroed_default!(_DISPATCHER_HEADER__bindgen_ty_1__bindgen_ty_1__bindgen_ty_2);

#[repr(C)]
#[derive(Copy, Clone)]
pub union _DISPATCHER_HEADER__bindgen_ty_1__bindgen_ty_1__bindgen_ty_2__bindgen_ty_1 {
    pub ThreadControlFlags: UCHAR,
    pub __bindgen_anon_1:
        _DISPATCHER_HEADER__bindgen_ty_1__bindgen_ty_1__bindgen_ty_2__bindgen_ty_1__bindgen_ty_1,
}
zeroed_default!(_DISPATCHER_HEADER__bindgen_ty_1__bindgen_ty_1__bindgen_ty_2__bindgen_ty_1);

#[repr(C)]
#[derive(Copy, Clone)]
pub struct _DISPATCHER_HEADER__bindgen_ty_1__bindgen_ty_1__bindgen_ty_2__bindgen_ty_1__bindgen_ty_1 {
    pub _bitfield_1: __BindgenBitfieldUnit<[u8; 1]>,
}
zeroed_default!(_DISPATCHER_HEADER__bindgen_ty_1__bindgen_ty_1__bindgen_ty_2__bindgen_ty_1__bindgen_ty_1);

#[repr(C)]
#[derive(Copy, Clone)]
pub union _DISPATCHER_HEADER__bindgen_ty_1__bindgen_ty_1__bindgen_ty_3 {
    pub __bindgen_anon_1: _DISPATCHER_HEADER__bindgen_ty_1__bindgen_ty_1__bindgen_ty_3__bindgen_ty_1,
    pub __bindgen_anon_2: _DISPATCHER_HEADER__bindgen_ty_1__bindgen_ty_1__bindgen_ty_3__bindgen_ty_2,
    pub DpcActive: BOOLEAN,
}
zeroed_default!(_DISPATCHER_HEADER__bindgen_ty_1__bindgen_ty_1__bindgen_ty_3);

#[repr(C)]
#[derive(Copy, Clone)]
pub union _DISPATCHER_HEADER__bindgen_ty_1__bindgen_ty_1__bindgen_ty_3__bindgen_ty_1 {
    pub TimerMiscFlags: UCHAR,
    pub __bindgen_anon_1:
        _DISPATCHER_HEADER__bindgen_ty_1__bindgen_ty_1__bindgen_ty_3__bindgen_ty_1__bindgen_ty_1,
}
zeroed_default!(_DISPATCHER_HEADER__bindgen_ty_1__bindgen_ty_1__bindgen_ty_3__bindgen_ty_1);

#[repr(C)]
#[derive(Copy, Clone)]
pub struct _DISPATCHER_HEADER__bindgen_ty_1__bindgen_ty_1__bindgen_ty_3__bindgen_ty_1__bindgen_ty_1 {
    pub _bitfield_1: __BindgenBitfieldUnit<[u8; 1]>,
}
zeroed_default!(_DISPATCHER_HEADER__bindgen_ty_1__bindgen_ty_1__bindgen_ty_3__bindgen_ty_1__bindgen_ty_1);

#[repr(C)]
#[derive(Copy, Clone)]
pub union _DISPATCHER_HEADER__bindgen_ty_1__bindgen_ty_1__bindgen_ty_3__bindgen_ty_2 {
    pub DebugActive: BOOLEAN,
    pub __bindgen_anon_1:
        _DISPATCHER_HEADER__bindgen_ty_1__bindgen_ty_1__bindgen_ty_3__bindgen_ty_2__bindgen_ty_1,
}
zeroed_default!(_DISPATCHER_HEADER__bindgen_ty_1__bindgen_ty_1__bindgen_ty_3__bindgen_ty_2);

#[repr(C)]
#[derive(Copy, Clone)]
pub struct _DISPATCHER_HEADER__bindgen_ty_1__bindgen_ty_1__bindgen_ty_3__bindgen_ty_2__bindgen_ty_1 {
    pub _bitfield_1: __BindgenBitfieldUnit<[u8; 1]>,
}
zeroed_default!(_DISPATCHER_HEADER__bindgen_ty_1__bindgen_ty_1__bindgen_ty_3__bindgen_ty_2__bindgen_ty_1);

#[repr(C)]
#[derive(Copy, Clone)]
pub struct _DRIVER_OBJECT {
    _opaque: [u64; 42],
}
zeroed_default!(_DRIVER_OBJECT);

#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct _EPROCESS {
    _unused: [u8; 0],
}

pub mod _EVENT_TYPE {
    pub type Type = super::c_int;
    pub const NotificationEvent: Type = 0;
    pub const SynchronizationEvent: Type = 1;
}

pub use self::_EVENT_TYPE::Type as EVENT_TYPE;

#[repr(C)]
#[derive(Copy, Clone)]
pub struct _EX_RUNDOWN_REF {
    pub __bindgen_anon_1: _EX_RUNDOWN_REF__bindgen_ty_1,
}
zeroed_default!(_EX_RUNDOWN_REF);

#[repr(C)]
#[derive(Copy, Clone)]
pub union _EX_RUNDOWN_REF__bindgen_ty_1 {
    pub Count: ULONG_PTR,
    pub Ptr: PVOID,
}
zeroed_default!(_EX_RUNDOWN_REF__bindgen_ty_1);

#[repr(C)]
#[derive(Copy, Clone)]
pub struct _FILE_OBJECT {
    _opaque: [u64; 27],
}
zeroed_default!(_FILE_OBJECT);

#[repr(C)]
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
zeroed_default!(_GENERAL_LOOKASIDE);

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
zeroed_default!(_GENERAL_LOOKASIDE_POOL);

#[repr(C)]
#[derive(Copy, Clone)]
pub union _GENERAL_LOOKASIDE_POOL__bindgen_ty_1 {
    pub ListHead: SLIST_HEADER,
    pub SingleListHead: SINGLE_LIST_ENTRY,
}
zeroed_default!(_GENERAL_LOOKASIDE_POOL__bindgen_ty_1);

#[repr(C)]
#[derive(Copy, Clone)]
pub union _GENERAL_LOOKASIDE_POOL__bindgen_ty_2 {
    pub AllocateMisses: ULONG,
    pub AllocateHits: ULONG,
}
zeroed_default!(_GENERAL_LOOKASIDE_POOL__bindgen_ty_2);

#[repr(C)]
#[derive(Copy, Clone)]
pub union _GENERAL_LOOKASIDE_POOL__bindgen_ty_3 {
    pub FreeMisses: ULONG,
    pub FreeHits: ULONG,
}
zeroed_default!(_GENERAL_LOOKASIDE_POOL__bindgen_ty_3);

#[repr(C)]
#[derive(Copy, Clone)]
pub union _GENERAL_LOOKASIDE_POOL__bindgen_ty_4 {
    pub AllocateEx: PALLOCATE_FUNCTION_EX,
    pub Allocate: PALLOCATE_FUNCTION,
}
zeroed_default!(_GENERAL_LOOKASIDE_POOL__bindgen_ty_4);

#[repr(C)]
#[derive(Copy, Clone)]
pub union _GENERAL_LOOKASIDE_POOL__bindgen_ty_5 {
    pub FreeEx: PFREE_FUNCTION_EX,
    pub Free: PFREE_FUNCTION,
}
zeroed_default!(_GENERAL_LOOKASIDE_POOL__bindgen_ty_5);

#[repr(C)]
#[derive(Copy, Clone)]
pub union _GENERAL_LOOKASIDE_POOL__bindgen_ty_6 {
    pub LastAllocateMisses: ULONG,
    pub LastAllocateHits: ULONG,
}
zeroed_default!(_GENERAL_LOOKASIDE_POOL__bindgen_ty_6);

#[repr(C)]
#[derive(Copy, Clone)]
pub union _GENERAL_LOOKASIDE__bindgen_ty_1 {
    pub ListHead: SLIST_HEADER,
    pub SingleListHead: SINGLE_LIST_ENTRY,
}
zeroed_default!(_GENERAL_LOOKASIDE__bindgen_ty_1);

#[repr(C)]
#[derive(Copy, Clone)]
pub union _GENERAL_LOOKASIDE__bindgen_ty_2 {
    pub AllocateMisses: ULONG,
    pub AllocateHits: ULONG,
}
zeroed_default!(_GENERAL_LOOKASIDE__bindgen_ty_2);

#[repr(C)]
#[derive(Copy, Clone)]
pub union _GENERAL_LOOKASIDE__bindgen_ty_3 {
    pub FreeMisses: ULONG,
    pub FreeHits: ULONG,
}
zeroed_default!(_GENERAL_LOOKASIDE__bindgen_ty_3);

#[repr(C)]
#[derive(Copy, Clone)]
pub union _GENERAL_LOOKASIDE__bindgen_ty_4 {
    pub AllocateEx: PALLOCATE_FUNCTION_EX,
    pub Allocate: PALLOCATE_FUNCTION,
}
zeroed_default!(_GENERAL_LOOKASIDE__bindgen_ty_4);

#[repr(C)]
#[derive(Copy, Clone)]
pub union _GENERAL_LOOKASIDE__bindgen_ty_5 {
    pub FreeEx: PFREE_FUNCTION_EX,
    pub Free: PFREE_FUNCTION,
}
zeroed_default!(_GENERAL_LOOKASIDE__bindgen_ty_5);

#[repr(C)]
#[derive(Copy, Clone)]
pub union _GENERAL_LOOKASIDE__bindgen_ty_6 {
    pub LastAllocateMisses: ULONG,
    pub LastAllocateHits: ULONG,
}
zeroed_default!(_GENERAL_LOOKASIDE__bindgen_ty_6);

#[repr(C)]
#[derive(Copy, Clone)]
pub struct _GUID {
    pub Data1: c_ulong,
    pub Data2: c_ushort,
    pub Data3: c_ushort,
    pub Data4: [c_uchar; 8],
}
zeroed_default!(_GUID);

#[repr(C)]
#[derive(Copy, Clone)]
pub struct _INTERFACE {
    pub Size: USHORT,
    pub Version: USHORT,
    pub Context: PVOID,
    pub InterfaceReference: PINTERFACE_REFERENCE,
    pub InterfaceDereference: PINTERFACE_DEREFERENCE,
}
zeroed_default!(_INTERFACE);

#[repr(C)]
#[derive(Copy, Clone)]
pub struct _IO_SECURITY_CONTEXT {
    _opaque: [u64; 3],
}
zeroed_default!(_IO_SECURITY_CONTEXT);

#[repr(C)]
#[derive(Copy, Clone)]
pub struct _IO_STACK_LOCATION {
    _opaque: [u64; 9],
}
zeroed_default!(_IO_STACK_LOCATION);

#[repr(C)]
#[derive(Copy, Clone)]
pub struct _IO_STATUS_BLOCK {
    pub __bindgen_anon_1: _IO_STATUS_BLOCK__bindgen_ty_1,
    pub Information: ULONG_PTR,
}
zeroed_default!(_IO_STATUS_BLOCK);

#[repr(C)]
#[derive(Copy, Clone)]
pub union _IO_STATUS_BLOCK__bindgen_ty_1 {
    pub Status: NTSTATUS,
    pub Pointer: PVOID,
}
zeroed_default!(_IO_STATUS_BLOCK__bindgen_ty_1);

#[repr(C)]
#[derive(Copy, Clone)]
pub struct _IRP {
    _opaque: [u64; 26],
}
zeroed_default!(_IRP);

#[repr(C)]
#[derive(Copy, Clone)]
pub struct _KEVENT {
    pub Header: DISPATCHER_HEADER,
}
zeroed_default!(_KEVENT);

#[repr(C)]
#[derive(Copy, Clone)]
pub struct _KEY_VALUE_PARTIAL_INFORMATION {
    pub TitleIndex: ULONG,
    pub Type: ULONG,
    pub DataLength: ULONG,
    pub Data: [UCHAR; 1],
}
zeroed_default!(_KEY_VALUE_PARTIAL_INFORMATION);

pub mod _KWAIT_REASON {
    pub type Type = super::c_int;
    pub const DelayExecution: Type = 4;
    pub const Executive: Type = 0;
    pub const FreePage: Type = 1;
    pub const MaximumWaitReason: Type = 40;
    pub const PageIn: Type = 2;
    pub const PoolAllocation: Type = 3;
    pub const Suspended: Type = 5;
    pub const UserRequest: Type = 6;
    pub const WrAlertByThreadId: Type = 37;
    pub const WrCalloutStack: Type = 25;
    pub const WrCpuRateControl: Type = 24;
    pub const WrDeferredPreempt: Type = 38;
    pub const WrDelayExecution: Type = 11;
    pub const WrDispatchInt: Type = 31;
    pub const WrExecutive: Type = 7;
    pub const WrFastMutex: Type = 34;
    pub const WrFreePage: Type = 8;
    pub const WrGuardedMutex: Type = 35;
    pub const WrKernel: Type = 26;
    pub const WrKeyedEvent: Type = 21;
    pub const WrLpcReceive: Type = 16;
    pub const WrLpcReply: Type = 17;
    pub const WrMutex: Type = 29;
    pub const WrPageIn: Type = 9;
    pub const WrPageOut: Type = 19;
    pub const WrPhysicalFault: Type = 39;
    pub const WrPoolAllocation: Type = 10;
    pub const WrPreempted: Type = 32;
    pub const WrProcessInSwap: Type = 23;
    pub const WrPushLock: Type = 28;
    pub const WrQuantumEnd: Type = 30;
    pub const WrQueue: Type = 15;
    pub const WrRendezvous: Type = 20;
    pub const WrResource: Type = 27;
    pub const WrRundown: Type = 36;
    pub const WrSpare0: Type = 14;
    pub const WrSuspended: Type = 12;
    pub const WrTerminated: Type = 22;
    pub const WrUserRequest: Type = 13;
    pub const WrVirtualMemory: Type = 18;
    pub const WrYieldExecution: Type = 33;
}

pub use self::_KWAIT_REASON::Type as KWAIT_REASON;

#[repr(C)]
#[derive(Copy, Clone)]
pub union _LARGE_INTEGER {
    pub __bindgen_anon_1: _LARGE_INTEGER__bindgen_ty_1,
    pub u: _LARGE_INTEGER__bindgen_ty_2,
    pub QuadPart: LONGLONG,
}
zeroed_default!(_LARGE_INTEGER);

#[repr(C)]
#[derive(Copy, Clone)]
pub struct _LARGE_INTEGER__bindgen_ty_1 {
    pub LowPart: ULONG,
    pub HighPart: LONG,
}
zeroed_default!(_LARGE_INTEGER__bindgen_ty_1);

#[repr(C)]
#[derive(Copy, Clone)]
pub struct _LARGE_INTEGER__bindgen_ty_2 {
    pub LowPart: ULONG,
    pub HighPart: LONG,
}
zeroed_default!(_LARGE_INTEGER__bindgen_ty_2);

#[repr(C)]
#[derive(Copy, Clone)]
pub struct _LIST_ENTRY {
    pub Flink: *mut _LIST_ENTRY,
    pub Blink: *mut _LIST_ENTRY,
}
zeroed_default!(_LIST_ENTRY);

pub mod _LOCK_OPERATION {
    pub type Type = super::c_int;
    pub const IoModifyAccess: Type = 2;
    pub const IoReadAccess: Type = 0;
    pub const IoWriteAccess: Type = 1;
}

pub use self::_LOCK_OPERATION::Type as LOCK_OPERATION;

#[repr(C)]
#[derive(Copy, Clone)]
pub struct _LOOKASIDE_LIST_EX {
    pub L: GENERAL_LOOKASIDE_POOL,
}
zeroed_default!(_LOOKASIDE_LIST_EX);

#[repr(C)]
#[derive(Copy, Clone)]
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
zeroed_default!(_MDL);

pub mod _MEMORY_CACHING_TYPE {
    pub type Type = super::c_int;
    pub const MmCached: Type = 1;
    pub const MmHardwareCoherentCached: Type = 3;
    pub const MmMaximumCacheType: Type = 6;
    pub const MmNonCached: Type = 0;
    pub const MmNonCachedUnordered: Type = 4;
    pub const MmNotMapped: Type = -1;
    pub const MmUSWCCached: Type = 5;
    pub const MmWriteCombined: Type = 2;
}

pub use self::_MEMORY_CACHING_TYPE::Type as MEMORY_CACHING_TYPE;

pub mod _MM_PAGE_PRIORITY {
    pub type Type = super::c_int;
    pub const HighPagePriority: Type = 32;
    pub const LowPagePriority: Type = 0;
    pub const NormalPagePriority: Type = 16;
}

pub use self::_MM_PAGE_PRIORITY::Type as MM_PAGE_PRIORITY;

pub mod _MODE {
    pub type Type = super::c_int;
    pub const KernelMode: Type = 0;
    pub const MaximumMode: Type = 2;
    pub const UserMode: Type = 1;
}

pub use self::_MODE::Type as MODE;

#[repr(C)]
#[derive(Copy, Clone)]
pub struct _OBJECT_ATTRIBUTES {
    pub Length: ULONG,
    pub RootDirectory: HANDLE,
    pub ObjectName: PUNICODE_STRING,
    pub Attributes: ULONG,
    pub SecurityDescriptor: PVOID,
    pub SecurityQualityOfService: PVOID,
}
zeroed_default!(_OBJECT_ATTRIBUTES);

#[repr(C)]
#[derive(Copy, Clone)]
pub struct _OSVERSIONINFOW {
    pub dwOSVersionInfoSize: ULONG,
    pub dwMajorVersion: ULONG,
    pub dwMinorVersion: ULONG,
    pub dwBuildNumber: ULONG,
    pub dwPlatformId: ULONG,
    pub szCSDVersion: [WCHAR; 128],
}
zeroed_default!(_OSVERSIONINFOW);

pub mod _POOL_TYPE {
    pub type Type = super::c_int;
    pub const DontUseThisType: Type = 3;
    pub const DontUseThisTypeSession: Type = 35;
    pub const MaxPoolType: Type = 7;
    pub const NonPagedPool: Type = 0;
    pub const NonPagedPoolBase: Type = 0;
    pub const NonPagedPoolBaseCacheAligned: Type = 4;
    pub const NonPagedPoolBaseCacheAlignedMustS: Type = 6;
    pub const NonPagedPoolBaseMustSucceed: Type = 2;
    pub const NonPagedPoolCacheAligned: Type = 4;
    pub const NonPagedPoolCacheAlignedMustS: Type = 6;
    pub const NonPagedPoolCacheAlignedMustSSession: Type = 38;
    pub const NonPagedPoolCacheAlignedSession: Type = 36;
    pub const NonPagedPoolExecute: Type = 0;
    pub const NonPagedPoolMustSucceed: Type = 2;
    pub const NonPagedPoolMustSucceedSession: Type = 34;
    pub const NonPagedPoolNx: Type = 512;
    pub const NonPagedPoolNxCacheAligned: Type = 516;
    pub const NonPagedPoolSession: Type = 32;
    pub const NonPagedPoolSessionNx: Type = 544;
    pub const PagedPool: Type = 1;
    pub const PagedPoolCacheAligned: Type = 5;
    pub const PagedPoolCacheAlignedSession: Type = 37;
    pub const PagedPoolSession: Type = 33;
}

pub use self::_POOL_TYPE::Type as POOL_TYPE;

#[repr(C)]
#[derive(Copy, Clone)]
pub struct _PROCESSOR_NUMBER {
    pub Group: USHORT,
    pub Number: UCHAR,
    pub Reserved: UCHAR,
}
zeroed_default!(_PROCESSOR_NUMBER);

#[repr(C)]
#[derive(Copy, Clone)]
pub struct _SINGLE_LIST_ENTRY {
    pub Next: *mut _SINGLE_LIST_ENTRY,
}
zeroed_default!(_SINGLE_LIST_ENTRY);

#[repr(C, align(16))]
#[derive(Copy, Clone)]
pub struct _SLIST_ENTRY {
    pub Next: *mut _SLIST_ENTRY,
}
zeroed_default!(_SLIST_ENTRY);

#[repr(C, align(16))]
#[derive(Copy, Clone)]
pub union _SLIST_HEADER {
    pub __bindgen_anon_1: _SLIST_HEADER__bindgen_ty_1,
    pub Header8: _SLIST_HEADER__bindgen_ty_2,
    pub Header16: _SLIST_HEADER__bindgen_ty_3,
    pub HeaderX64: _SLIST_HEADER__bindgen_ty_4,
}
zeroed_default!(_SLIST_HEADER);

#[repr(C)]
#[derive(Copy, Clone)]
pub struct _SLIST_HEADER__bindgen_ty_1 {
    pub Alignment: ULONGLONG,
    pub Region: ULONGLONG,
}
zeroed_default!(_SLIST_HEADER__bindgen_ty_1);

#[repr(C)]
#[derive(Copy, Clone)]
pub struct _SLIST_HEADER__bindgen_ty_2 {
    pub _bindgen_align: [u64; 0],
    pub _bitfield_1: __BindgenBitfieldUnit<[u8; 16]>,
}
zeroed_default!(_SLIST_HEADER__bindgen_ty_2);

#[repr(C)]
#[derive(Copy, Clone)]
pub struct _SLIST_HEADER__bindgen_ty_3 {
    pub _bindgen_align: [u64; 0],
    pub _bitfield_1: __BindgenBitfieldUnit<[u8; 16]>,
}
zeroed_default!(_SLIST_HEADER__bindgen_ty_3);

#[repr(C)]
#[derive(Copy, Clone)]
pub struct _SLIST_HEADER__bindgen_ty_4 {
    pub _bindgen_align: [u64; 0],
    pub _bitfield_1: __BindgenBitfieldUnit<[u8; 16]>,
}
zeroed_default!(_SLIST_HEADER__bindgen_ty_4);

#[repr(C)]
#[derive(Copy, Clone)]
pub struct _UNICODE_STRING {
    pub Length: USHORT,
    pub MaximumLength: USHORT,
    pub Buffer: PWSTR,
}
zeroed_default!(_UNICODE_STRING);

pub mod _WDF_DEVICE_FAILED_ACTION {
    pub type Type = super::c_int;
    pub const WdfDeviceFailedAttemptRestart: Type = 1;
    pub const WdfDeviceFailedNoRestart: Type = 2;
    pub const WdfDeviceFailedUndefined: Type = 0;
}

pub use self::_WDF_DEVICE_FAILED_ACTION::Type as WDF_DEVICE_FAILED_ACTION;

pub mod _WDF_DEVICE_IO_TYPE {
    pub type Type = super::c_int;
    pub const WdfDeviceIoBuffered: Type = 2;
    pub const WdfDeviceIoBufferedOrDirect: Type = 4;
    pub const WdfDeviceIoDirect: Type = 3;
    pub const WdfDeviceIoMaximum: Type = 5;
    pub const WdfDeviceIoNeither: Type = 1;
    pub const WdfDeviceIoUndefined: Type = 0;
}

pub use self::_WDF_DEVICE_IO_TYPE::Type as WDF_DEVICE_IO_TYPE;

#[repr(C)]
#[derive(Copy, Clone)]
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
zeroed_default!(_WDF_DEVICE_PNP_CAPABILITIES);

#[repr(C)]
#[derive(Copy, Clone)]
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
zeroed_default!(_WDF_DEVICE_STATE);

#[repr(C)]
#[derive(Copy, Clone)]
pub struct _WDF_DPC_CONFIG {
    pub Size: ULONG,
    pub EvtDpcFunc: PFN_WDF_DPC,
    pub AutomaticSerialization: BOOLEAN,
}
zeroed_default!(_WDF_DPC_CONFIG);

#[repr(C)]
#[derive(Copy, Clone)]
pub struct _WDF_DRIVER_CONFIG {
    pub Size: ULONG,
    pub EvtDriverDeviceAdd: PFN_WDF_DRIVER_DEVICE_ADD,
    pub EvtDriverUnload: PFN_WDF_DRIVER_UNLOAD,
    pub DriverInitFlags: ULONG,
    pub DriverPoolTag: ULONG,
}
zeroed_default!(_WDF_DRIVER_CONFIG);

#[repr(C)]
#[derive(Copy, Clone)]
pub struct _WDF_DRIVER_GLOBALS {
    pub Driver: WDFDRIVER,
    pub DriverFlags: ULONG,
    pub DriverTag: ULONG,
    pub DriverName: [CHAR; 32],
    pub DisplaceDriverUnload: BOOLEAN,
}
zeroed_default!(_WDF_DRIVER_GLOBALS);

pub mod _WDF_EXECUTION_LEVEL {
    pub type Type = super::c_int;
    pub const WdfExecutionLevelDispatch: Type = 3;
    pub const WdfExecutionLevelInheritFromParent: Type = 1;
    pub const WdfExecutionLevelInvalid: Type = 0;
    pub const WdfExecutionLevelPassive: Type = 2;
}

pub use self::_WDF_EXECUTION_LEVEL::Type as WDF_EXECUTION_LEVEL;

pub mod _WDF_FILEOBJECT_CLASS {
    pub type Type = super::c_int;
    pub const WdfFileObjectCanBeOptional: Type = -2147483648;
    pub const WdfFileObjectInvalid: Type = 0;
    pub const WdfFileObjectNotRequired: Type = 1;
    pub const WdfFileObjectWdfCanUseFsContext: Type = 2;
    pub const WdfFileObjectWdfCanUseFsContext2: Type = 3;
    pub const WdfFileObjectWdfCannotUseFsContexts: Type = 4;
}

pub use self::_WDF_FILEOBJECT_CLASS::Type as WDF_FILEOBJECT_CLASS;

#[repr(C)]
#[derive(Copy, Clone)]
pub struct _WDF_FILEOBJECT_CONFIG {
    pub Size: ULONG,
    pub EvtDeviceFileCreate: PFN_WDF_DEVICE_FILE_CREATE,
    pub EvtFileClose: PFN_WDF_FILE_CLOSE,
    pub EvtFileCleanup: PFN_WDF_FILE_CLEANUP,
    pub AutoForwardCleanupClose: WDF_TRI_STATE,
    pub FileObjectClass: WDF_FILEOBJECT_CLASS,
}
zeroed_default!(_WDF_FILEOBJECT_CONFIG);

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
zeroed_default!(_WDF_IO_QUEUE_CONFIG);

#[repr(C)]
#[derive(Copy, Clone)]
pub union _WDF_IO_QUEUE_CONFIG__bindgen_ty_1 {
    pub Parallel: _WDF_IO_QUEUE_CONFIG__bindgen_ty_1__bindgen_ty_1,
}
zeroed_default!(_WDF_IO_QUEUE_CONFIG__bindgen_ty_1);

#[repr(C)]
#[derive(Copy, Clone)]
pub struct _WDF_IO_QUEUE_CONFIG__bindgen_ty_1__bindgen_ty_1 {
    pub NumberOfPresentedRequests: ULONG,
}
zeroed_default!(_WDF_IO_QUEUE_CONFIG__bindgen_ty_1__bindgen_ty_1);

pub mod _WDF_IO_QUEUE_DISPATCH_TYPE {
    pub type Type = super::c_int;
    pub const WdfIoQueueDispatchInvalid: Type = 0;
    pub const WdfIoQueueDispatchManual: Type = 3;
    pub const WdfIoQueueDispatchMax: Type = 4;
    pub const WdfIoQueueDispatchParallel: Type = 2;
    pub const WdfIoQueueDispatchSequential: Type = 1;
}

pub use self::_WDF_IO_QUEUE_DISPATCH_TYPE::Type as WDF_IO_QUEUE_DISPATCH_TYPE;

pub mod _WDF_IO_QUEUE_STATE {
    pub type Type = super::c_int;
    pub const WdfIoQueueAcceptRequests: Type = 1;
    pub const WdfIoQueueDispatchRequests: Type = 2;
    pub const WdfIoQueueDriverNoRequests: Type = 8;
    pub const WdfIoQueueNoRequests: Type = 4;
    pub const WdfIoQueuePnpHeld: Type = 16;
}

pub use self::_WDF_IO_QUEUE_STATE::Type as WDF_IO_QUEUE_STATE;

#[repr(C)]
#[derive(Copy, Clone)]
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
zeroed_default!(_WDF_IO_TARGET_OPEN_PARAMS);

pub mod _WDF_IO_TARGET_OPEN_TYPE {
    pub type Type = super::c_int;
    pub const WdfIoTargetOpenByName: Type = 2;
    pub const WdfIoTargetOpenLocalTargetByFile: Type = 4;
    pub const WdfIoTargetOpenReopen: Type = 3;
    pub const WdfIoTargetOpenUndefined: Type = 0;
    pub const WdfIoTargetOpenUseExistingDevice: Type = 1;
}

pub use self::_WDF_IO_TARGET_OPEN_TYPE::Type as WDF_IO_TARGET_OPEN_TYPE;

#[repr(C)]
#[derive(Copy, Clone)]
pub struct _WDF_IO_TYPE_CONFIG {
    pub Size: ULONG,
    pub ReadWriteIoType: WDF_DEVICE_IO_TYPE,
    pub DeviceControlIoType: WDF_DEVICE_IO_TYPE,
    pub DirectTransferThreshold: ULONG,
}
zeroed_default!(_WDF_IO_TYPE_CONFIG);

#[repr(C)]
#[derive(Copy, Clone)]
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
zeroed_default!(_WDF_OBJECT_ATTRIBUTES);

#[repr(C)]
#[derive(Copy, Clone)]
pub struct _WDF_OBJECT_CONTEXT_TYPE_INFO {
    pub Size: ULONG,
    pub ContextName: LPCSTR,
    pub ContextSize: usize,
    pub UniqueType: PCWDF_OBJECT_CONTEXT_TYPE_INFO,
    pub EvtDriverGetUniqueContextType: PFN_GET_UNIQUE_CONTEXT_TYPE,
}
zeroed_default!(_WDF_OBJECT_CONTEXT_TYPE_INFO);

#[repr(C)]
#[derive(Copy, Clone)]
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
zeroed_default!(_WDF_PNPPOWER_EVENT_CALLBACKS);

pub mod _WDF_POWER_DEVICE_STATE {
    pub type Type = super::c_int;
    pub const WdfPowerDeviceD0: Type = 1;
    pub const WdfPowerDeviceD1: Type = 2;
    pub const WdfPowerDeviceD2: Type = 3;
    pub const WdfPowerDeviceD3: Type = 4;
    pub const WdfPowerDeviceD3Final: Type = 5;
    pub const WdfPowerDeviceInvalid: Type = 0;
    pub const WdfPowerDeviceMaximum: Type = 7;
    pub const WdfPowerDevicePrepareForHibernation: Type = 6;
}

pub use self::_WDF_POWER_DEVICE_STATE::Type as WDF_POWER_DEVICE_STATE;

#[repr(C)]
#[derive(Copy, Clone)]
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
zeroed_default!(_WDF_POWER_POLICY_EVENT_CALLBACKS);

#[repr(C)]
#[derive(Copy, Clone)]
pub struct _WDF_QUERY_INTERFACE_CONFIG {
    pub Size: ULONG,
    pub Interface: PINTERFACE,
    pub InterfaceType: *const GUID,
    pub SendQueryToParentStack: BOOLEAN,
    pub EvtDeviceProcessQueryInterfaceRequest: PFN_WDF_DEVICE_PROCESS_QUERY_INTERFACE_REQUEST,
    pub ImportInterface: BOOLEAN,
}
zeroed_default!(_WDF_QUERY_INTERFACE_CONFIG);

#[repr(C)]
#[derive(Copy, Clone)]
pub struct _WDF_REQUEST_PARAMETERS {
    pub Size: USHORT,
    pub MinorFunction: UCHAR,
    pub Type: WDF_REQUEST_TYPE,
    pub Parameters: _WDF_REQUEST_PARAMETERS__bindgen_ty_1,
}
zeroed_default!(_WDF_REQUEST_PARAMETERS);

#[repr(C)]
#[derive(Copy, Clone)]
pub union _WDF_REQUEST_PARAMETERS__bindgen_ty_1 {
    pub Create: _WDF_REQUEST_PARAMETERS__bindgen_ty_1__bindgen_ty_1,
    pub Read: _WDF_REQUEST_PARAMETERS__bindgen_ty_1__bindgen_ty_2,
    pub Write: _WDF_REQUEST_PARAMETERS__bindgen_ty_1__bindgen_ty_3,
    pub DeviceIoControl: _WDF_REQUEST_PARAMETERS__bindgen_ty_1__bindgen_ty_4,
    pub Others: _WDF_REQUEST_PARAMETERS__bindgen_ty_1__bindgen_ty_5,
}
zeroed_default!(_WDF_REQUEST_PARAMETERS__bindgen_ty_1);

#[repr(C)]
#[derive(Copy, Clone)]
pub struct _WDF_REQUEST_PARAMETERS__bindgen_ty_1__bindgen_ty_1 {
    pub SecurityContext: PIO_SECURITY_CONTEXT,
    pub Options: ULONG,
    pub __bindgen_padding_0: [u8; 4],
    pub FileAttributes: USHORT,
    pub ShareAccess: USHORT,
    pub __bindgen_padding_1: [u8; 4],
    pub EaLength: ULONG,
}
zeroed_default!(_WDF_REQUEST_PARAMETERS__bindgen_ty_1__bindgen_ty_1);

#[repr(C)]
#[derive(Copy, Clone)]
pub struct _WDF_REQUEST_PARAMETERS__bindgen_ty_1__bindgen_ty_2 {
    pub Length: usize,
    pub Key: ULONG,
    pub DeviceOffset: LONGLONG,
}
zeroed_default!(_WDF_REQUEST_PARAMETERS__bindgen_ty_1__bindgen_ty_2);

#[repr(C)]
#[derive(Copy, Clone)]
pub struct _WDF_REQUEST_PARAMETERS__bindgen_ty_1__bindgen_ty_3 {
    pub Length: usize,
    pub Key: ULONG,
    pub DeviceOffset: LONGLONG,
}
zeroed_default!(_WDF_REQUEST_PARAMETERS__bindgen_ty_1__bindgen_ty_3);

#[repr(C)]
#[derive(Copy, Clone)]
pub struct _WDF_REQUEST_PARAMETERS__bindgen_ty_1__bindgen_ty_4 {
    pub OutputBufferLength: usize,
    pub InputBufferLength: usize,
    pub IoControlCode: ULONG,
    pub Type3InputBuffer: PVOID,
}
zeroed_default!(_WDF_REQUEST_PARAMETERS__bindgen_ty_1__bindgen_ty_4);

#[repr(C)]
#[derive(Copy, Clone)]
pub struct _WDF_REQUEST_PARAMETERS__bindgen_ty_1__bindgen_ty_5 {
    pub Arg1: PVOID,
    pub Arg2: PVOID,
    pub IoControlCode: ULONG,
    pub Arg4: PVOID,
}
zeroed_default!(_WDF_REQUEST_PARAMETERS__bindgen_ty_1__bindgen_ty_5);

pub mod _WDF_REQUEST_STOP_ACTION_FLAGS {
    pub type Type = super::c_int;
    pub const WdfRequestStopActionInvalid: Type = 0;
    pub const WdfRequestStopActionPurge: Type = 2;
    pub const WdfRequestStopActionSuspend: Type = 1;
    pub const WdfRequestStopRequestCancelable: Type = 268435456;
}

pub use self::_WDF_REQUEST_STOP_ACTION_FLAGS::Type as WDF_REQUEST_STOP_ACTION_FLAGS;

pub mod _WDF_REQUEST_TYPE {
    pub type Type = super::c_int;
    pub const WdfRequestTypeCleanup: Type = 18;
    pub const WdfRequestTypeClose: Type = 2;
    pub const WdfRequestTypeCreate: Type = 0;
    pub const WdfRequestTypeCreateMailSlot: Type = 19;
    pub const WdfRequestTypeCreateNamedPipe: Type = 1;
    pub const WdfRequestTypeDeviceChange: Type = 24;
    pub const WdfRequestTypeDeviceControl: Type = 14;
    pub const WdfRequestTypeDeviceControlInternal: Type = 15;
    pub const WdfRequestTypeDirectoryControl: Type = 12;
    pub const WdfRequestTypeFileSystemControl: Type = 13;
    pub const WdfRequestTypeFlushBuffers: Type = 9;
    pub const WdfRequestTypeLockControl: Type = 17;
    pub const WdfRequestTypeMax: Type = 256;
    pub const WdfRequestTypeNoFormat: Type = 255;
    pub const WdfRequestTypeOther: Type = 28;
    pub const WdfRequestTypePnp: Type = 27;
    pub const WdfRequestTypePower: Type = 22;
    pub const WdfRequestTypeQueryEA: Type = 7;
    pub const WdfRequestTypeQueryInformation: Type = 5;
    pub const WdfRequestTypeQueryQuota: Type = 25;
    pub const WdfRequestTypeQuerySecurity: Type = 20;
    pub const WdfRequestTypeQueryVolumeInformation: Type = 10;
    pub const WdfRequestTypeRead: Type = 3;
    pub const WdfRequestTypeSetEA: Type = 8;
    pub const WdfRequestTypeSetInformation: Type = 6;
    pub const WdfRequestTypeSetQuota: Type = 26;
    pub const WdfRequestTypeSetSecurity: Type = 21;
    pub const WdfRequestTypeSetVolumeInformation: Type = 11;
    pub const WdfRequestTypeShutdown: Type = 16;
    pub const WdfRequestTypeSystemControl: Type = 23;
    pub const WdfRequestTypeUsb: Type = 64;
    pub const WdfRequestTypeWrite: Type = 4;
}

pub use self::_WDF_REQUEST_TYPE::Type as WDF_REQUEST_TYPE;

pub mod _WDF_SPECIAL_FILE_TYPE {
    pub type Type = super::c_int;
    pub const WdfSpecialFileBoot: Type = 4;
    pub const WdfSpecialFileDump: Type = 3;
    pub const WdfSpecialFileGuestAssigned: Type = 6;
    pub const WdfSpecialFileHibernation: Type = 2;
    pub const WdfSpecialFileMax: Type = 7;
    pub const WdfSpecialFilePaging: Type = 1;
    pub const WdfSpecialFilePostDisplay: Type = 5;
    pub const WdfSpecialFileUndefined: Type = 0;
}

pub use self::_WDF_SPECIAL_FILE_TYPE::Type as WDF_SPECIAL_FILE_TYPE;

pub mod _WDF_SYNCHRONIZATION_SCOPE {
    pub type Type = super::c_int;
    pub const WdfSynchronizationScopeDevice: Type = 2;
    pub const WdfSynchronizationScopeInheritFromParent: Type = 1;
    pub const WdfSynchronizationScopeInvalid: Type = 0;
    pub const WdfSynchronizationScopeNone: Type = 4;
    pub const WdfSynchronizationScopeQueue: Type = 3;
}

pub use self::_WDF_SYNCHRONIZATION_SCOPE::Type as WDF_SYNCHRONIZATION_SCOPE;

#[repr(C)]
#[derive(Copy, Clone)]
pub struct _WDF_TIMER_CONFIG {
    pub Size: ULONG,
    pub EvtTimerFunc: PFN_WDF_TIMER,
    pub Period: ULONG,
    pub AutomaticSerialization: BOOLEAN,
    pub TolerableDelay: ULONG,
    pub __bindgen_padding_0: [u8; 4],
    pub UseHighResolutionTimer: BOOLEAN,
}
zeroed_default!(_WDF_TIMER_CONFIG);

pub mod _WDF_TRI_STATE {
    pub type Type = super::c_int;
    pub const WdfFalse: Type = 0;
    pub const WdfTrue: Type = 1;
    pub const WdfUseDefault: Type = 2;
}

pub use self::_WDF_TRI_STATE::Type as WDF_TRI_STATE;

#[repr(C)]
#[derive(Copy, Clone)]
pub struct _WDF_WORKITEM_CONFIG {
    pub Size: ULONG,
    pub EvtWorkItemFunc: PFN_WDF_WORKITEM,
    pub AutomaticSerialization: BOOLEAN,
}
zeroed_default!(_WDF_WORKITEM_CONFIG);

pub type wchar_t = c_ushort;

pub type DEVICE_RELATION_TYPE = c_int;

pub type WDF_DEVICE_PNP_STATE = c_int;

pub type WDF_RELEASE_HARDWARE_ORDER_ON_FAILURE = c_int;
