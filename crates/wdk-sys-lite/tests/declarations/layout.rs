//! The layout that each declared structure must have, from the facts.
//!
//! Generated: `UPDATE=1 cargo test -p wdk-sys-lite` writes this file again.

use crate::layouts;

layouts! {
    _CM_PARTIAL_RESOURCE_DESCRIPTOR size 20 align 4 {
    }
    _DEVICE_OBJECT size 328 align 8 {
    }
    _DISPATCHER_HEADER size 24 align 8 {
        SignalState: 4,
        WaitListHead: 8,
    }
    _DISPATCHER_HEADER__bindgen_ty_1 size 4 align 4 {
        __bindgen_anon_1: 0,
        Lock: 0,
    }
    _DISPATCHER_HEADER__bindgen_ty_1__bindgen_ty_1 size 4 align 1 {
        Type: 0,
    }
    _DISPATCHER_HEADER__bindgen_ty_1__bindgen_ty_1__bindgen_ty_1 size 1 align 1 {
        __bindgen_anon_1: 0,
        Abandoned: 0,
        Signalling: 0,
    }
    _DISPATCHER_HEADER__bindgen_ty_1__bindgen_ty_1__bindgen_ty_1__bindgen_ty_1 size 1 align 1 {
        TimerControlFlags: 0,
        __bindgen_anon_1: 0,
    }
    _DISPATCHER_HEADER__bindgen_ty_1__bindgen_ty_1__bindgen_ty_1__bindgen_ty_1__bindgen_ty_1 size 1 align 1 {
    }
    _DISPATCHER_HEADER__bindgen_ty_1__bindgen_ty_1__bindgen_ty_2 size 1 align 1 {
        __bindgen_anon_1: 0,
        Size: 0,
        Hand: 0,
    }
    _DISPATCHER_HEADER__bindgen_ty_1__bindgen_ty_1__bindgen_ty_2__bindgen_ty_1 size 1 align 1 {
        ThreadControlFlags: 0,
        __bindgen_anon_1: 0,
    }
    _DISPATCHER_HEADER__bindgen_ty_1__bindgen_ty_1__bindgen_ty_2__bindgen_ty_1__bindgen_ty_1 size 1 align 1 {
    }
    _DISPATCHER_HEADER__bindgen_ty_1__bindgen_ty_1__bindgen_ty_3 size 1 align 1 {
        __bindgen_anon_1: 0,
        __bindgen_anon_2: 0,
        DpcActive: 0,
    }
    _DISPATCHER_HEADER__bindgen_ty_1__bindgen_ty_1__bindgen_ty_3__bindgen_ty_1 size 1 align 1 {
        TimerMiscFlags: 0,
        __bindgen_anon_1: 0,
    }
    _DISPATCHER_HEADER__bindgen_ty_1__bindgen_ty_1__bindgen_ty_3__bindgen_ty_1__bindgen_ty_1 size 1 align 1 {
    }
    _DISPATCHER_HEADER__bindgen_ty_1__bindgen_ty_1__bindgen_ty_3__bindgen_ty_2 size 1 align 1 {
        DebugActive: 0,
        __bindgen_anon_1: 0,
    }
    _DISPATCHER_HEADER__bindgen_ty_1__bindgen_ty_1__bindgen_ty_3__bindgen_ty_2__bindgen_ty_1 size 1 align 1 {
    }
    _DRIVER_OBJECT size 336 align 8 {
    }
    _EVENT_DATA_DESCRIPTOR size 16 align 8 {
        Ptr: 0,
        Size: 8,
        Reserved: 12,
    }
    _EVENT_DESCRIPTOR size 16 align 8 {
        Id: 0,
        Version: 2,
        Channel: 3,
        Level: 4,
        Opcode: 5,
        Task: 6,
        Keyword: 8,
    }
    _EVENT_FILTER_DESCRIPTOR size 16 align 8 {
        Ptr: 0,
        Size: 8,
        Type: 12,
    }
    _EX_RUNDOWN_REF size 8 align 8 {
    }
    _EX_RUNDOWN_REF__bindgen_ty_1 size 8 align 8 {
        Count: 0,
        Ptr: 0,
    }
    _FILE_OBJECT size 216 align 8 {
    }
    _GENERAL_LOOKASIDE size 128 align 64 {
        Depth: 16,
        MaximumDepth: 18,
        TotalAllocates: 20,
        TotalFrees: 28,
        Type: 36,
        Tag: 40,
        Size: 44,
        ListEntry: 64,
        LastTotalAllocates: 80,
        Future: 88,
    }
    _GENERAL_LOOKASIDE_POOL size 96 align 16 {
        Depth: 16,
        MaximumDepth: 18,
        TotalAllocates: 20,
        TotalFrees: 28,
        Type: 36,
        Tag: 40,
        Size: 44,
        ListEntry: 64,
        LastTotalAllocates: 80,
        Future: 88,
    }
    _GENERAL_LOOKASIDE_POOL__bindgen_ty_1 size 16 align 16 {
        ListHead: 0,
        SingleListHead: 0,
    }
    _GENERAL_LOOKASIDE_POOL__bindgen_ty_2 size 4 align 4 {
        AllocateMisses: 0,
        AllocateHits: 0,
    }
    _GENERAL_LOOKASIDE_POOL__bindgen_ty_3 size 4 align 4 {
        FreeMisses: 0,
        FreeHits: 0,
    }
    _GENERAL_LOOKASIDE_POOL__bindgen_ty_4 size 8 align 8 {
        AllocateEx: 0,
        Allocate: 0,
    }
    _GENERAL_LOOKASIDE_POOL__bindgen_ty_5 size 8 align 8 {
        FreeEx: 0,
        Free: 0,
    }
    _GENERAL_LOOKASIDE_POOL__bindgen_ty_6 size 4 align 4 {
        LastAllocateMisses: 0,
        LastAllocateHits: 0,
    }
    _GENERAL_LOOKASIDE__bindgen_ty_1 size 16 align 16 {
        ListHead: 0,
        SingleListHead: 0,
    }
    _GENERAL_LOOKASIDE__bindgen_ty_2 size 4 align 4 {
        AllocateMisses: 0,
        AllocateHits: 0,
    }
    _GENERAL_LOOKASIDE__bindgen_ty_3 size 4 align 4 {
        FreeMisses: 0,
        FreeHits: 0,
    }
    _GENERAL_LOOKASIDE__bindgen_ty_4 size 8 align 8 {
        AllocateEx: 0,
        Allocate: 0,
    }
    _GENERAL_LOOKASIDE__bindgen_ty_5 size 8 align 8 {
        FreeEx: 0,
        Free: 0,
    }
    _GENERAL_LOOKASIDE__bindgen_ty_6 size 4 align 4 {
        LastAllocateMisses: 0,
        LastAllocateHits: 0,
    }
    _GUID size 16 align 4 {
        Data1: 0,
        Data2: 4,
        Data3: 6,
        Data4: 8,
    }
    _INTERFACE size 32 align 8 {
        Size: 0,
        Version: 2,
        Context: 8,
        InterfaceReference: 16,
        InterfaceDereference: 24,
    }
    _IO_SECURITY_CONTEXT size 24 align 8 {
    }
    _IO_STACK_LOCATION size 72 align 8 {
    }
    _IO_STATUS_BLOCK size 16 align 8 {
        Information: 8,
    }
    _IO_STATUS_BLOCK__bindgen_ty_1 size 8 align 8 {
        Status: 0,
        Pointer: 0,
    }
    _IRP size 208 align 8 {
    }
    _KEVENT size 24 align 8 {
        Header: 0,
    }
    _KEY_VALUE_PARTIAL_INFORMATION size 16 align 4 {
        TitleIndex: 0,
        Type: 4,
        DataLength: 8,
        Data: 12,
    }
    _LARGE_INTEGER size 8 align 8 {
        __bindgen_anon_1: 0,
        u: 0,
        QuadPart: 0,
    }
    _LARGE_INTEGER__bindgen_ty_1 size 8 align 4 {
        LowPart: 0,
        HighPart: 4,
    }
    _LARGE_INTEGER__bindgen_ty_2 size 8 align 4 {
        LowPart: 0,
        HighPart: 4,
    }
    _LIST_ENTRY size 16 align 8 {
        Flink: 0,
        Blink: 8,
    }
    _LOOKASIDE_LIST_EX size 96 align 16 {
        L: 0,
    }
    _MDL size 48 align 8 {
        Next: 0,
        Size: 8,
        MdlFlags: 10,
        Process: 16,
        MappedSystemVa: 24,
        StartVa: 32,
        ByteCount: 40,
        ByteOffset: 44,
    }
    _OBJECT_ATTRIBUTES size 48 align 8 {
        Length: 0,
        RootDirectory: 8,
        ObjectName: 16,
        Attributes: 24,
        SecurityDescriptor: 32,
        SecurityQualityOfService: 40,
    }
    _OSVERSIONINFOW size 276 align 4 {
        dwOSVersionInfoSize: 0,
        dwMajorVersion: 4,
        dwMinorVersion: 8,
        dwBuildNumber: 12,
        dwPlatformId: 16,
        szCSDVersion: 20,
    }
    _PROCESSOR_NUMBER size 4 align 2 {
        Group: 0,
        Number: 2,
        Reserved: 3,
    }
    _SINGLE_LIST_ENTRY size 8 align 8 {
        Next: 0,
    }
    _SLIST_ENTRY size 16 align 16 {
        Next: 0,
    }
    _SLIST_HEADER size 16 align 16 {
        __bindgen_anon_1: 0,
        Header8: 0,
        Header16: 0,
        HeaderX64: 0,
    }
    _SLIST_HEADER__bindgen_ty_1 size 16 align 8 {
        Alignment: 0,
        Region: 8,
    }
    _SLIST_HEADER__bindgen_ty_2 size 16 align 8 {
    }
    _SLIST_HEADER__bindgen_ty_3 size 16 align 8 {
    }
    _SLIST_HEADER__bindgen_ty_4 size 16 align 8 {
    }
    _UNICODE_STRING size 16 align 8 {
        Length: 0,
        MaximumLength: 2,
        Buffer: 8,
    }
    _WDF_DEVICE_PNP_CAPABILITIES size 48 align 4 {
        Size: 0,
        LockSupported: 4,
        EjectSupported: 8,
        Removable: 12,
        DockDevice: 16,
        UniqueID: 20,
        SilentInstall: 24,
        SurpriseRemovalOK: 28,
        HardwareDisabled: 32,
        NoDisplayInUI: 36,
        Address: 40,
        UINumber: 44,
    }
    _WDF_DEVICE_STATE size 32 align 4 {
        Size: 0,
        Disabled: 4,
        DontDisplayInUI: 8,
        Failed: 12,
        NotDisableable: 16,
        Removed: 20,
        ResourcesChanged: 24,
        AssignedToGuest: 28,
    }
    _WDF_DPC_CONFIG size 24 align 8 {
        Size: 0,
        EvtDpcFunc: 8,
        AutomaticSerialization: 16,
    }
    _WDF_DRIVER_CONFIG size 32 align 8 {
        Size: 0,
        EvtDriverDeviceAdd: 8,
        EvtDriverUnload: 16,
        DriverInitFlags: 24,
        DriverPoolTag: 28,
    }
    _WDF_DRIVER_GLOBALS size 56 align 8 {
        Driver: 0,
        DriverFlags: 8,
        DriverTag: 12,
        DriverName: 16,
        DisplaceDriverUnload: 48,
    }
    _WDF_FILEOBJECT_CONFIG size 40 align 8 {
        Size: 0,
        EvtDeviceFileCreate: 8,
        EvtFileClose: 16,
        EvtFileCleanup: 24,
        AutoForwardCleanupClose: 32,
        FileObjectClass: 36,
    }
    _WDF_IO_QUEUE_CONFIG size 96 align 8 {
        Size: 0,
        DispatchType: 4,
        PowerManaged: 8,
        AllowZeroLengthRequests: 12,
        DefaultQueue: 13,
        EvtIoDefault: 16,
        EvtIoRead: 24,
        EvtIoWrite: 32,
        EvtIoDeviceControl: 40,
        EvtIoInternalDeviceControl: 48,
        EvtIoStop: 56,
        EvtIoResume: 64,
        EvtIoCanceledOnQueue: 72,
        Settings: 80,
        Driver: 88,
    }
    _WDF_IO_QUEUE_CONFIG__bindgen_ty_1 size 4 align 4 {
        Parallel: 0,
    }
    _WDF_IO_QUEUE_CONFIG__bindgen_ty_1__bindgen_ty_1 size 4 align 4 {
        NumberOfPresentedRequests: 0,
    }
    _WDF_IO_TARGET_OPEN_PARAMS size 136 align 8 {
        Size: 0,
        Type: 4,
        EvtIoTargetQueryRemove: 8,
        EvtIoTargetRemoveCanceled: 16,
        EvtIoTargetRemoveComplete: 24,
        TargetDeviceObject: 32,
        TargetFileObject: 40,
        TargetDeviceName: 48,
        DesiredAccess: 64,
        ShareAccess: 68,
        FileAttributes: 72,
        CreateDisposition: 76,
        CreateOptions: 80,
        EaBuffer: 88,
        EaBufferLength: 96,
        AllocationSize: 104,
        FileInformation: 112,
        FileName: 120,
    }
    _WDF_IO_TYPE_CONFIG size 16 align 4 {
        Size: 0,
        ReadWriteIoType: 4,
        DeviceControlIoType: 8,
        DirectTransferThreshold: 12,
    }
    _WDF_OBJECT_ATTRIBUTES size 56 align 8 {
        Size: 0,
        EvtCleanupCallback: 8,
        EvtDestroyCallback: 16,
        ExecutionLevel: 24,
        SynchronizationScope: 28,
        ParentObject: 32,
        ContextSizeOverride: 40,
        ContextTypeInfo: 48,
    }
    _WDF_OBJECT_CONTEXT_TYPE_INFO size 40 align 8 {
        Size: 0,
        ContextName: 8,
        ContextSize: 16,
        UniqueType: 24,
        EvtDriverGetUniqueContextType: 32,
    }
    _WDF_PNPPOWER_EVENT_CALLBACKS size 144 align 8 {
        Size: 0,
        EvtDeviceD0Entry: 8,
        EvtDeviceD0EntryPostInterruptsEnabled: 16,
        EvtDeviceD0Exit: 24,
        EvtDeviceD0ExitPreInterruptsDisabled: 32,
        EvtDevicePrepareHardware: 40,
        EvtDeviceReleaseHardware: 48,
        EvtDeviceSelfManagedIoCleanup: 56,
        EvtDeviceSelfManagedIoFlush: 64,
        EvtDeviceSelfManagedIoInit: 72,
        EvtDeviceSelfManagedIoSuspend: 80,
        EvtDeviceSelfManagedIoRestart: 88,
        EvtDeviceSurpriseRemoval: 96,
        EvtDeviceQueryRemove: 104,
        EvtDeviceQueryStop: 112,
        EvtDeviceUsageNotification: 120,
        EvtDeviceRelationsQuery: 128,
        EvtDeviceUsageNotificationEx: 136,
    }
    _WDF_POWER_POLICY_EVENT_CALLBACKS size 64 align 8 {
        Size: 0,
        EvtDeviceArmWakeFromS0: 8,
        EvtDeviceDisarmWakeFromS0: 16,
        EvtDeviceWakeFromS0Triggered: 24,
        EvtDeviceArmWakeFromSx: 32,
        EvtDeviceDisarmWakeFromSx: 40,
        EvtDeviceWakeFromSxTriggered: 48,
        EvtDeviceArmWakeFromSxWithReason: 56,
    }
    _WDF_QUERY_INTERFACE_CONFIG size 48 align 8 {
        Size: 0,
        Interface: 8,
        InterfaceType: 16,
        SendQueryToParentStack: 24,
        EvtDeviceProcessQueryInterfaceRequest: 32,
        ImportInterface: 40,
    }
    _WDF_REQUEST_PARAMETERS size 40 align 8 {
        Size: 0,
        MinorFunction: 2,
        Type: 4,
        Parameters: 8,
    }
    _WDF_REQUEST_PARAMETERS__bindgen_ty_1 size 32 align 8 {
        Create: 0,
        Read: 0,
        Write: 0,
        DeviceIoControl: 0,
        Others: 0,
    }
    _WDF_REQUEST_PARAMETERS__bindgen_ty_1__bindgen_ty_1 size 32 align 8 {
        SecurityContext: 0,
        Options: 8,
        FileAttributes: 16,
        ShareAccess: 18,
        EaLength: 24,
    }
    _WDF_REQUEST_PARAMETERS__bindgen_ty_1__bindgen_ty_2 size 24 align 8 {
        Length: 0,
        Key: 8,
        DeviceOffset: 16,
    }
    _WDF_REQUEST_PARAMETERS__bindgen_ty_1__bindgen_ty_3 size 24 align 8 {
        Length: 0,
        Key: 8,
        DeviceOffset: 16,
    }
    _WDF_REQUEST_PARAMETERS__bindgen_ty_1__bindgen_ty_4 size 32 align 8 {
        OutputBufferLength: 0,
        InputBufferLength: 8,
        IoControlCode: 16,
        Type3InputBuffer: 24,
    }
    _WDF_REQUEST_PARAMETERS__bindgen_ty_1__bindgen_ty_5 size 32 align 8 {
        Arg1: 0,
        Arg2: 8,
        IoControlCode: 16,
        Arg4: 24,
    }
    _WDF_TIMER_CONFIG size 40 align 8 {
        Size: 0,
        EvtTimerFunc: 8,
        Period: 16,
        AutomaticSerialization: 20,
        TolerableDelay: 24,
        UseHighResolutionTimer: 32,
    }
    _WDF_WMI_INSTANCE_CONFIG size 64 align 8 {
        Size: 0,
        Provider: 8,
        ProviderConfig: 16,
        UseContextForQuery: 24,
        Register: 25,
        EvtWmiInstanceQueryInstance: 32,
        EvtWmiInstanceSetInstance: 40,
        EvtWmiInstanceSetItem: 48,
        EvtWmiInstanceExecuteMethod: 56,
    }
    _WDF_WMI_PROVIDER_CONFIG size 40 align 8 {
        Size: 0,
        Guid: 4,
        Flags: 20,
        MinInstanceBufferSize: 24,
        EvtWmiProviderFunctionControl: 32,
    }
    _WDF_WORKITEM_CONFIG size 24 align 8 {
        Size: 0,
        EvtWorkItemFunc: 8,
        AutomaticSerialization: 16,
    }
}
