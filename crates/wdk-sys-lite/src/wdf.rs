//! The framework's functions, reached through its function table.

#![allow(
    missing_docs,
    non_camel_case_types,
    non_snake_case,
    non_upper_case_globals,
    reason = "a mirror of generated bindings: the names are the kit's, and so is their documentation"
)]

#[allow(
    clippy::wildcard_imports,
    reason = "the generated declarations rely on every type being in scope"
)]
use crate::types::*;

/// An entry of the function table before it is cast to its own type.
pub type WDFFUNC = Option<unsafe extern "C" fn()>;

/// Indices into the function table.
pub mod _WDFFUNCENUM {
    pub type Type = i32;
    pub const WdfCollectionCreateTableIndex: Type = 13;
    pub const WdfCollectionGetCountTableIndex: Type = 14;
    pub const WdfCollectionAddTableIndex: Type = 15;
    pub const WdfCollectionRemoveTableIndex: Type = 16;
    pub const WdfCollectionGetFirstItemTableIndex: Type = 19;
    pub const WdfControlDeviceInitAllocateTableIndex: Type = 25;
    pub const WdfControlFinishInitializingTableIndex: Type = 27;
    pub const WdfDeviceWdmGetDeviceObjectTableIndex: Type = 31;
    pub const WdfDeviceWdmGetAttachedDeviceTableIndex: Type = 32;
    pub const WdfDeviceWdmGetPhysicalDeviceTableIndex: Type = 33;
    pub const WdfDeviceGetDriverTableIndex: Type = 39;
    pub const WdfDeviceAssignMofResourceNameTableIndex: Type = 41;
    pub const WdfDeviceGetIoTargetTableIndex: Type = 42;
    pub const WdfDeviceGetDevicePnpStateTableIndex: Type = 43;
    pub const WdfDeviceOpenRegistryKeyTableIndex: Type = 48;
    pub const WdfDeviceInitFreeTableIndex: Type = 54;
    pub const WdfDeviceInitSetPnpPowerEventCallbacksTableIndex: Type = 55;
    pub const WdfDeviceInitSetPowerPolicyEventCallbacksTableIndex: Type = 56;
    pub const WdfDeviceInitSetIoTypeTableIndex: Type = 61;
    pub const WdfDeviceInitSetExclusiveTableIndex: Type = 62;
    pub const WdfDeviceInitSetPowerNotPageableTableIndex: Type = 63;
    pub const WdfDeviceInitSetPowerPageableTableIndex: Type = 64;
    pub const WdfDeviceInitSetDeviceTypeTableIndex: Type = 66;
    pub const WdfDeviceInitAssignNameTableIndex: Type = 67;
    pub const WdfDeviceInitAssignSDDLStringTableIndex: Type = 68;
    pub const WdfDeviceInitSetDeviceClassTableIndex: Type = 69;
    pub const WdfDeviceInitSetCharacteristicsTableIndex: Type = 70;
    pub const WdfDeviceInitSetFileObjectConfigTableIndex: Type = 71;
    pub const WdfDeviceInitSetRequestAttributesTableIndex: Type = 72;
    pub const WdfDeviceInitSetIoInCallerContextCallbackTableIndex: Type = 74;
    pub const WdfDeviceCreateTableIndex: Type = 75;
    pub const WdfDeviceCreateDeviceInterfaceTableIndex: Type = 77;
    pub const WdfDeviceSetDeviceInterfaceStateTableIndex: Type = 78;
    pub const WdfDeviceCreateSymbolicLinkTableIndex: Type = 80;
    pub const WdfDeviceQueryPropertyTableIndex: Type = 81;
    pub const WdfDeviceAllocAndQueryPropertyTableIndex: Type = 82;
    pub const WdfDeviceSetPnpCapabilitiesTableIndex: Type = 83;
    pub const WdfDeviceSetFailedTableIndex: Type = 87;
    pub const WdfDeviceStopIdleNoTrackTableIndex: Type = 88;
    pub const WdfDeviceResumeIdleNoTrackTableIndex: Type = 89;
    pub const WdfDeviceEnqueueRequestTableIndex: Type = 91;
    pub const WdfDeviceGetDefaultQueueTableIndex: Type = 92;
    pub const WdfDeviceConfigureRequestDispatchingTableIndex: Type = 93;
    pub const WdfDpcCreateTableIndex: Type = 111;
    pub const WdfDpcEnqueueTableIndex: Type = 112;
    pub const WdfDpcCancelTableIndex: Type = 113;
    pub const WdfDpcGetParentObjectTableIndex: Type = 114;
    pub const WdfDriverCreateTableIndex: Type = 116;
    pub const WdfDriverGetRegistryPathTableIndex: Type = 117;
    pub const WdfDriverWdmGetDriverObjectTableIndex: Type = 118;
    pub const WdfDriverOpenParametersRegistryKeyTableIndex: Type = 119;
    pub const WdfFdoQueryForInterfaceTableIndex: Type = 131;
    pub const WdfFileObjectGetDeviceTableIndex: Type = 139;
    pub const WdfFileObjectWdmGetFileObjectTableIndex: Type = 140;
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
    pub const WdfIoTargetCloseTableIndex: Type = 170;
    pub const WdfIoTargetQueryForInterfaceTableIndex: Type = 177;
    pub const WdfIoTargetWdmGetTargetDeviceObjectTableIndex: Type = 178;
    pub const WdfMemoryCreateTableIndex: Type = 192;
    pub const WdfMemoryCreatePreallocatedTableIndex: Type = 193;
    pub const WdfMemoryGetBufferTableIndex: Type = 194;
    pub const WdfLookasideListCreateTableIndex: Type = 198;
    pub const WdfMemoryCreateFromLookasideTableIndex: Type = 199;
    pub const WdfObjectGetTypedContextWorkerTableIndex: Type = 202;
    pub const WdfObjectAllocateContextTableIndex: Type = 203;
    pub const WdfObjectContextGetObjectTableIndex: Type = 204;
    pub const WdfObjectReferenceActualTableIndex: Type = 205;
    pub const WdfObjectDereferenceActualTableIndex: Type = 206;
    pub const WdfObjectCreateTableIndex: Type = 207;
    pub const WdfObjectDeleteTableIndex: Type = 208;
    pub const WdfObjectQueryTableIndex: Type = 209;
    pub const WdfRegistryOpenKeyTableIndex: Type = 229;
    pub const WdfRegistryCloseTableIndex: Type = 231;
    pub const WdfRegistryQueryMemoryTableIndex: Type = 236;
    pub const WdfRegistryQueryUnicodeStringTableIndex: Type = 238;
    pub const WdfRegistryQueryStringTableIndex: Type = 239;
    pub const WdfRegistryQueryULongTableIndex: Type = 240;
    pub const WdfRegistryAssignULongTableIndex: Type = 246;
    pub const WdfRequestGetStatusTableIndex: Type = 254;
    pub const WdfRequestMarkCancelableTableIndex: Type = 255;
    pub const WdfRequestUnmarkCancelableTableIndex: Type = 256;
    pub const WdfRequestIsCanceledTableIndex: Type = 257;
    pub const WdfRequestIsFrom32BitProcessTableIndex: Type = 259;
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
    pub const WdfCmResourceListGetCountTableIndex: Type = 304;
    pub const WdfCmResourceListGetDescriptorTableIndex: Type = 305;
    pub const WdfStringCreateTableIndex: Type = 308;
    pub const WdfStringGetUnicodeStringTableIndex: Type = 309;
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
    pub const WdfVerifierDbgBreakPointTableIndex: Type = 367;
    pub const WdfVerifierKeBugCheckTableIndex: Type = 368;
    pub const WdfWorkItemCreateTableIndex: Type = 379;
    pub const WdfWorkItemEnqueueTableIndex: Type = 380;
    pub const WdfWorkItemGetParentObjectTableIndex: Type = 381;
    pub const WdfWorkItemFlushTableIndex: Type = 382;
    pub const WdfRequestMarkCancelableExTableIndex: Type = 393;
    pub const WdfDeviceInitSetReleaseHardwareOrderOnFailureTableIndex: Type = 430;
    pub const WdfDeviceInitSetIoTypeExTableIndex: Type = 432;
}

pub type PFN_WDFCOLLECTIONCREATE = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        CollectionAttributes: PWDF_OBJECT_ATTRIBUTES,
        Collection: *mut WDFCOLLECTION,
    ) -> NTSTATUS,
>;
pub type PFN_WDFCOLLECTIONGETCOUNT =
    Option<unsafe extern "C" fn(DriverGlobals: PWDF_DRIVER_GLOBALS, Collection: WDFCOLLECTION) -> ULONG>;
pub type PFN_WDFCOLLECTIONADD = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        Collection: WDFCOLLECTION,
        Object: WDFOBJECT,
    ) -> NTSTATUS,
>;
pub type PFN_WDFCOLLECTIONREMOVE = Option<
    unsafe extern "C" fn(DriverGlobals: PWDF_DRIVER_GLOBALS, Collection: WDFCOLLECTION, Item: WDFOBJECT),
>;
pub type PFN_WDFCOLLECTIONGETFIRSTITEM =
    Option<unsafe extern "C" fn(DriverGlobals: PWDF_DRIVER_GLOBALS, Collection: WDFCOLLECTION) -> WDFOBJECT>;
pub type PFN_WDFCONTROLDEVICEINITALLOCATE = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        Driver: WDFDRIVER,
        SDDLString: *const UNICODE_STRING,
    ) -> PWDFDEVICE_INIT,
>;
pub type PFN_WDFCONTROLFINISHINITIALIZING =
    Option<unsafe extern "C" fn(DriverGlobals: PWDF_DRIVER_GLOBALS, Device: WDFDEVICE)>;
pub type PFN_WDFDEVICEWDMGETDEVICEOBJECT =
    Option<unsafe extern "C" fn(DriverGlobals: PWDF_DRIVER_GLOBALS, Device: WDFDEVICE) -> PDEVICE_OBJECT>;
pub type PFN_WDFDEVICEWDMGETATTACHEDDEVICE =
    Option<unsafe extern "C" fn(DriverGlobals: PWDF_DRIVER_GLOBALS, Device: WDFDEVICE) -> PDEVICE_OBJECT>;
pub type PFN_WDFDEVICEWDMGETPHYSICALDEVICE =
    Option<unsafe extern "C" fn(DriverGlobals: PWDF_DRIVER_GLOBALS, Device: WDFDEVICE) -> PDEVICE_OBJECT>;
pub type PFN_WDFDEVICEGETDRIVER =
    Option<unsafe extern "C" fn(DriverGlobals: PWDF_DRIVER_GLOBALS, Device: WDFDEVICE) -> WDFDRIVER>;
pub type PFN_WDFDEVICEASSIGNMOFRESOURCENAME = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        Device: WDFDEVICE,
        MofResourceName: PCUNICODE_STRING,
    ) -> NTSTATUS,
>;
pub type PFN_WDFDEVICEGETIOTARGET =
    Option<unsafe extern "C" fn(DriverGlobals: PWDF_DRIVER_GLOBALS, Device: WDFDEVICE) -> WDFIOTARGET>;
pub type PFN_WDFDEVICEGETDEVICEPNPSTATE = Option<
    unsafe extern "C" fn(DriverGlobals: PWDF_DRIVER_GLOBALS, Device: WDFDEVICE) -> WDF_DEVICE_PNP_STATE,
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
pub type PFN_WDFDEVICEINITFREE =
    Option<unsafe extern "C" fn(DriverGlobals: PWDF_DRIVER_GLOBALS, DeviceInit: PWDFDEVICE_INIT)>;
pub type PFN_WDFDEVICEINITSETPNPPOWEREVENTCALLBACKS = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        DeviceInit: PWDFDEVICE_INIT,
        PnpPowerEventCallbacks: PWDF_PNPPOWER_EVENT_CALLBACKS,
    ),
>;
pub type PFN_WDFDEVICEINITSETPOWERPOLICYEVENTCALLBACKS = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        DeviceInit: PWDFDEVICE_INIT,
        PowerPolicyEventCallbacks: PWDF_POWER_POLICY_EVENT_CALLBACKS,
    ),
>;
pub type PFN_WDFDEVICEINITSETIOTYPE = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        DeviceInit: PWDFDEVICE_INIT,
        IoType: WDF_DEVICE_IO_TYPE,
    ),
>;
pub type PFN_WDFDEVICEINITSETEXCLUSIVE = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        DeviceInit: PWDFDEVICE_INIT,
        IsExclusive: BOOLEAN,
    ),
>;
pub type PFN_WDFDEVICEINITSETPOWERNOTPAGEABLE =
    Option<unsafe extern "C" fn(DriverGlobals: PWDF_DRIVER_GLOBALS, DeviceInit: PWDFDEVICE_INIT)>;
pub type PFN_WDFDEVICEINITSETPOWERPAGEABLE =
    Option<unsafe extern "C" fn(DriverGlobals: PWDF_DRIVER_GLOBALS, DeviceInit: PWDFDEVICE_INIT)>;
pub type PFN_WDFDEVICEINITSETDEVICETYPE = Option<
    unsafe extern "C" fn(DriverGlobals: PWDF_DRIVER_GLOBALS, DeviceInit: PWDFDEVICE_INIT, DeviceType: ULONG),
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
pub type PFN_WDFDEVICEINITSETDEVICECLASS = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        DeviceInit: PWDFDEVICE_INIT,
        DeviceClassGuid: *const GUID,
    ),
>;
pub type PFN_WDFDEVICEINITSETCHARACTERISTICS = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        DeviceInit: PWDFDEVICE_INIT,
        DeviceCharacteristics: ULONG,
        OrInValues: BOOLEAN,
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
pub type PFN_WDFDEVICEINITSETREQUESTATTRIBUTES = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        DeviceInit: PWDFDEVICE_INIT,
        RequestAttributes: PWDF_OBJECT_ATTRIBUTES,
    ),
>;
pub type PFN_WDFDEVICEINITSETIOINCALLERCONTEXTCALLBACK = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        DeviceInit: PWDFDEVICE_INIT,
        EvtIoInCallerContext: PFN_WDF_IO_IN_CALLER_CONTEXT,
    ),
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
pub type PFN_WDFDEVICESETDEVICEINTERFACESTATE = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        Device: WDFDEVICE,
        InterfaceClassGUID: *const GUID,
        ReferenceString: PCUNICODE_STRING,
        IsInterfaceEnabled: BOOLEAN,
    ),
>;
pub type PFN_WDFDEVICECREATESYMBOLICLINK = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        Device: WDFDEVICE,
        SymbolicLinkName: PCUNICODE_STRING,
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
pub type PFN_WDFDEVICESETPNPCAPABILITIES = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        Device: WDFDEVICE,
        PnpCapabilities: PWDF_DEVICE_PNP_CAPABILITIES,
    ),
>;
pub type PFN_WDFDEVICESETFAILED = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        Device: WDFDEVICE,
        FailedAction: WDF_DEVICE_FAILED_ACTION,
    ),
>;
pub type PFN_WDFDEVICESTOPIDLENOTRACK = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        Device: WDFDEVICE,
        WaitForD0: BOOLEAN,
    ) -> NTSTATUS,
>;
pub type PFN_WDFDEVICERESUMEIDLENOTRACK =
    Option<unsafe extern "C" fn(DriverGlobals: PWDF_DRIVER_GLOBALS, Device: WDFDEVICE)>;
pub type PFN_WDFDEVICEENQUEUEREQUEST = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        Device: WDFDEVICE,
        Request: WDFREQUEST,
    ) -> NTSTATUS,
>;
pub type PFN_WDFDEVICEGETDEFAULTQUEUE =
    Option<unsafe extern "C" fn(DriverGlobals: PWDF_DRIVER_GLOBALS, Device: WDFDEVICE) -> WDFQUEUE>;
pub type PFN_WDFDEVICECONFIGUREREQUESTDISPATCHING = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        Device: WDFDEVICE,
        Queue: WDFQUEUE,
        RequestType: WDF_REQUEST_TYPE,
    ) -> NTSTATUS,
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
pub type PFN_WDFDPCCANCEL =
    Option<unsafe extern "C" fn(DriverGlobals: PWDF_DRIVER_GLOBALS, Dpc: WDFDPC, Wait: BOOLEAN) -> BOOLEAN>;
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
pub type PFN_WDFDRIVERWDMGETDRIVEROBJECT =
    Option<unsafe extern "C" fn(DriverGlobals: PWDF_DRIVER_GLOBALS, Driver: WDFDRIVER) -> PDRIVER_OBJECT>;
pub type PFN_WDFDRIVEROPENPARAMETERSREGISTRYKEY = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        Driver: WDFDRIVER,
        DesiredAccess: ACCESS_MASK,
        KeyAttributes: PWDF_OBJECT_ATTRIBUTES,
        Key: *mut WDFKEY,
    ) -> NTSTATUS,
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
pub type PFN_WDFFILEOBJECTGETDEVICE =
    Option<unsafe extern "C" fn(DriverGlobals: PWDF_DRIVER_GLOBALS, FileObject: WDFFILEOBJECT) -> WDFDEVICE>;
pub type PFN_WDFFILEOBJECTWDMGETFILEOBJECT = Option<
    unsafe extern "C" fn(DriverGlobals: PWDF_DRIVER_GLOBALS, FileObject: WDFFILEOBJECT) -> PFILE_OBJECT,
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
pub type PFN_WDFIOQUEUEGETSTATE = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        Queue: WDFQUEUE,
        QueueRequests: PULONG,
        DriverRequests: PULONG,
    ) -> WDF_IO_QUEUE_STATE,
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
pub type PFN_WDFIOQUEUEGETDEVICE =
    Option<unsafe extern "C" fn(DriverGlobals: PWDF_DRIVER_GLOBALS, Queue: WDFQUEUE) -> WDFDEVICE>;
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
pub type PFN_WDFIOQUEUERETRIEVEFOUNDREQUEST = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        Queue: WDFQUEUE,
        FoundRequest: WDFREQUEST,
        OutRequest: *mut WDFREQUEST,
    ) -> NTSTATUS,
>;
pub type PFN_WDFIOQUEUEDRAINSYNCHRONOUSLY =
    Option<unsafe extern "C" fn(DriverGlobals: PWDF_DRIVER_GLOBALS, Queue: WDFQUEUE)>;
pub type PFN_WDFIOQUEUEDRAIN = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        Queue: WDFQUEUE,
        DrainComplete: PFN_WDF_IO_QUEUE_STATE,
        Context: WDFCONTEXT,
    ),
>;
pub type PFN_WDFIOQUEUEPURGESYNCHRONOUSLY =
    Option<unsafe extern "C" fn(DriverGlobals: PWDF_DRIVER_GLOBALS, Queue: WDFQUEUE)>;
pub type PFN_WDFIOQUEUEPURGE = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        Queue: WDFQUEUE,
        PurgeComplete: PFN_WDF_IO_QUEUE_STATE,
        Context: WDFCONTEXT,
    ),
>;
pub type PFN_WDFIOQUEUEREADYNOTIFY = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        Queue: WDFQUEUE,
        QueueReady: PFN_WDF_IO_QUEUE_STATE,
        Context: WDFCONTEXT,
    ) -> NTSTATUS,
>;
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
pub type PFN_WDFIOTARGETCLOSE =
    Option<unsafe extern "C" fn(DriverGlobals: PWDF_DRIVER_GLOBALS, IoTarget: WDFIOTARGET)>;
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
pub type PFN_WDFIOTARGETWDMGETTARGETDEVICEOBJECT =
    Option<unsafe extern "C" fn(DriverGlobals: PWDF_DRIVER_GLOBALS, IoTarget: WDFIOTARGET) -> PDEVICE_OBJECT>;
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
pub type PFN_WDFMEMORYCREATEFROMLOOKASIDE = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        Lookaside: WDFLOOKASIDE,
        Memory: *mut WDFMEMORY,
    ) -> NTSTATUS,
>;
pub type PFN_WDFOBJECTGETTYPEDCONTEXTWORKER = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        Handle: WDFOBJECT,
        TypeInfo: PCWDF_OBJECT_CONTEXT_TYPE_INFO,
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
pub type PFN_WDFOBJECTCONTEXTGETOBJECT =
    Option<unsafe extern "C" fn(DriverGlobals: PWDF_DRIVER_GLOBALS, ContextPointer: PVOID) -> WDFOBJECT>;
pub type PFN_WDFOBJECTREFERENCEACTUAL = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        Handle: WDFOBJECT,
        Tag: PVOID,
        Line: LONG,
        File: PCCH,
    ),
>;
pub type PFN_WDFOBJECTDEREFERENCEACTUAL = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        Handle: WDFOBJECT,
        Tag: PVOID,
        Line: LONG,
        File: PCCH,
    ),
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
pub type PFN_WDFOBJECTQUERY = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        Object: WDFOBJECT,
        Guid: *const GUID,
        QueryBufferLength: ULONG,
        QueryBuffer: PVOID,
    ) -> NTSTATUS,
>;
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
pub type PFN_WDFREGISTRYCLOSE = Option<unsafe extern "C" fn(DriverGlobals: PWDF_DRIVER_GLOBALS, Key: WDFKEY)>;
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
pub type PFN_WDFREGISTRYQUERYUNICODESTRING = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        Key: WDFKEY,
        ValueName: PCUNICODE_STRING,
        ValueByteLength: PUSHORT,
        Value: PUNICODE_STRING,
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
pub type PFN_WDFREGISTRYASSIGNULONG = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        Key: WDFKEY,
        ValueName: PCUNICODE_STRING,
        Value: ULONG,
    ) -> NTSTATUS,
>;
pub type PFN_WDFREQUESTGETSTATUS =
    Option<unsafe extern "C" fn(DriverGlobals: PWDF_DRIVER_GLOBALS, Request: WDFREQUEST) -> NTSTATUS>;
pub type PFN_WDFREQUESTMARKCANCELABLE = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        Request: WDFREQUEST,
        EvtRequestCancel: PFN_WDF_REQUEST_CANCEL,
    ),
>;
pub type PFN_WDFREQUESTUNMARKCANCELABLE =
    Option<unsafe extern "C" fn(DriverGlobals: PWDF_DRIVER_GLOBALS, Request: WDFREQUEST) -> NTSTATUS>;
pub type PFN_WDFREQUESTISCANCELED =
    Option<unsafe extern "C" fn(DriverGlobals: PWDF_DRIVER_GLOBALS, Request: WDFREQUEST) -> BOOLEAN>;
pub type PFN_WDFREQUESTISFROM32BITPROCESS =
    Option<unsafe extern "C" fn(DriverGlobals: PWDF_DRIVER_GLOBALS, Request: WDFREQUEST) -> BOOLEAN>;
pub type PFN_WDFREQUESTCOMPLETE =
    Option<unsafe extern "C" fn(DriverGlobals: PWDF_DRIVER_GLOBALS, Request: WDFREQUEST, Status: NTSTATUS)>;
pub type PFN_WDFREQUESTCOMPLETEWITHPRIORITYBOOST = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        Request: WDFREQUEST,
        Status: NTSTATUS,
        PriorityBoost: CCHAR,
    ),
>;
pub type PFN_WDFREQUESTCOMPLETEWITHINFORMATION = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        Request: WDFREQUEST,
        Status: NTSTATUS,
        Information: ULONG_PTR,
    ),
>;
pub type PFN_WDFREQUESTGETPARAMETERS = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        Request: WDFREQUEST,
        Parameters: PWDF_REQUEST_PARAMETERS,
    ),
>;
pub type PFN_WDFREQUESTRETRIEVEINPUTMEMORY = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        Request: WDFREQUEST,
        Memory: *mut WDFMEMORY,
    ) -> NTSTATUS,
>;
pub type PFN_WDFREQUESTRETRIEVEOUTPUTMEMORY = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        Request: WDFREQUEST,
        Memory: *mut WDFMEMORY,
    ) -> NTSTATUS,
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
pub type PFN_WDFREQUESTRETRIEVEOUTPUTBUFFER = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        Request: WDFREQUEST,
        MinimumRequiredSize: usize,
        Buffer: *mut PVOID,
        Length: *mut usize,
    ) -> NTSTATUS,
>;
pub type PFN_WDFREQUESTRETRIEVEINPUTWDMMDL = Option<
    unsafe extern "C" fn(DriverGlobals: PWDF_DRIVER_GLOBALS, Request: WDFREQUEST, Mdl: *mut PMDL) -> NTSTATUS,
>;
pub type PFN_WDFREQUESTRETRIEVEOUTPUTWDMMDL = Option<
    unsafe extern "C" fn(DriverGlobals: PWDF_DRIVER_GLOBALS, Request: WDFREQUEST, Mdl: *mut PMDL) -> NTSTATUS,
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
    unsafe extern "C" fn(DriverGlobals: PWDF_DRIVER_GLOBALS, Request: WDFREQUEST, Information: ULONG_PTR),
>;
pub type PFN_WDFREQUESTGETINFORMATION =
    Option<unsafe extern "C" fn(DriverGlobals: PWDF_DRIVER_GLOBALS, Request: WDFREQUEST) -> ULONG_PTR>;
pub type PFN_WDFREQUESTGETFILEOBJECT =
    Option<unsafe extern "C" fn(DriverGlobals: PWDF_DRIVER_GLOBALS, Request: WDFREQUEST) -> WDFFILEOBJECT>;
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
pub type PFN_WDFREQUESTGETREQUESTORMODE =
    Option<unsafe extern "C" fn(DriverGlobals: PWDF_DRIVER_GLOBALS, Request: WDFREQUEST) -> KPROCESSOR_MODE>;
pub type PFN_WDFREQUESTFORWARDTOIOQUEUE = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        Request: WDFREQUEST,
        DestinationQueue: WDFQUEUE,
    ) -> NTSTATUS,
>;
pub type PFN_WDFREQUESTGETIOQUEUE =
    Option<unsafe extern "C" fn(DriverGlobals: PWDF_DRIVER_GLOBALS, Request: WDFREQUEST) -> WDFQUEUE>;
pub type PFN_WDFREQUESTREQUEUE =
    Option<unsafe extern "C" fn(DriverGlobals: PWDF_DRIVER_GLOBALS, Request: WDFREQUEST) -> NTSTATUS>;
pub type PFN_WDFREQUESTSTOPACKNOWLEDGE =
    Option<unsafe extern "C" fn(DriverGlobals: PWDF_DRIVER_GLOBALS, Request: WDFREQUEST, Requeue: BOOLEAN)>;
pub type PFN_WDFREQUESTWDMGETIRP =
    Option<unsafe extern "C" fn(DriverGlobals: PWDF_DRIVER_GLOBALS, Request: WDFREQUEST) -> PIRP>;
pub type PFN_WDFCMRESOURCELISTGETCOUNT =
    Option<unsafe extern "C" fn(DriverGlobals: PWDF_DRIVER_GLOBALS, List: WDFCMRESLIST) -> ULONG>;
pub type PFN_WDFCMRESOURCELISTGETDESCRIPTOR = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        List: WDFCMRESLIST,
        Index: ULONG,
    ) -> PCM_PARTIAL_RESOURCE_DESCRIPTOR,
>;
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
pub type PFN_WDFWAITLOCKCREATE = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        LockAttributes: PWDF_OBJECT_ATTRIBUTES,
        Lock: *mut WDFWAITLOCK,
    ) -> NTSTATUS,
>;
pub type PFN_WDFWAITLOCKACQUIRE = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        Lock: WDFWAITLOCK,
        Timeout: PLONGLONG,
    ) -> NTSTATUS,
>;
pub type PFN_WDFWAITLOCKRELEASE =
    Option<unsafe extern "C" fn(DriverGlobals: PWDF_DRIVER_GLOBALS, Lock: WDFWAITLOCK)>;
pub type PFN_WDFSPINLOCKCREATE = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        SpinLockAttributes: PWDF_OBJECT_ATTRIBUTES,
        SpinLock: *mut WDFSPINLOCK,
    ) -> NTSTATUS,
>;
pub type PFN_WDFSPINLOCKACQUIRE =
    Option<unsafe extern "C" fn(DriverGlobals: PWDF_DRIVER_GLOBALS, SpinLock: WDFSPINLOCK)>;
pub type PFN_WDFSPINLOCKRELEASE =
    Option<unsafe extern "C" fn(DriverGlobals: PWDF_DRIVER_GLOBALS, SpinLock: WDFSPINLOCK)>;
pub type PFN_WDFTIMERCREATE = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        Config: PWDF_TIMER_CONFIG,
        Attributes: PWDF_OBJECT_ATTRIBUTES,
        Timer: *mut WDFTIMER,
    ) -> NTSTATUS,
>;
pub type PFN_WDFTIMERSTART = Option<
    unsafe extern "C" fn(DriverGlobals: PWDF_DRIVER_GLOBALS, Timer: WDFTIMER, DueTime: LONGLONG) -> BOOLEAN,
>;
pub type PFN_WDFTIMERSTOP = Option<
    unsafe extern "C" fn(DriverGlobals: PWDF_DRIVER_GLOBALS, Timer: WDFTIMER, Wait: BOOLEAN) -> BOOLEAN,
>;
pub type PFN_WDFTIMERGETPARENTOBJECT =
    Option<unsafe extern "C" fn(DriverGlobals: PWDF_DRIVER_GLOBALS, Timer: WDFTIMER) -> WDFOBJECT>;
pub type PFN_WDFVERIFIERDBGBREAKPOINT = Option<unsafe extern "C" fn(DriverGlobals: PWDF_DRIVER_GLOBALS)>;
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
pub type PFN_WDFWORKITEMGETPARENTOBJECT =
    Option<unsafe extern "C" fn(DriverGlobals: PWDF_DRIVER_GLOBALS, WorkItem: WDFWORKITEM) -> WDFOBJECT>;
pub type PFN_WDFWORKITEMFLUSH =
    Option<unsafe extern "C" fn(DriverGlobals: PWDF_DRIVER_GLOBALS, WorkItem: WDFWORKITEM)>;
pub type PFN_WDFREQUESTMARKCANCELABLEEX = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        Request: WDFREQUEST,
        EvtRequestCancel: PFN_WDF_REQUEST_CANCEL,
    ) -> NTSTATUS,
>;
pub type PFN_WDFDEVICEINITSETRELEASEHARDWAREORDERONFAILURE = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        DeviceInit: PWDFDEVICE_INIT,
        ReleaseHardwareOrderOnFailure: WDF_RELEASE_HARDWARE_ORDER_ON_FAILURE,
    ),
>;
pub type PFN_WDFDEVICEINITSETIOTYPEEX = Option<
    unsafe extern "C" fn(
        DriverGlobals: PWDF_DRIVER_GLOBALS,
        DeviceInit: PWDFDEVICE_INIT,
        IoTypeConfig: PWDF_IO_TYPE_CONFIG,
    ),
>;

unsafe extern "C" {
    #[link_name = "WdfFunctions_01033"]
    pub static WdfFunctions: *const WDFFUNC;
    pub static WdfDriverGlobals: PWDF_DRIVER_GLOBALS;
}

#[doc(hidden)]
pub mod __private {
    /// How many functions the table has.
    #[must_use]
    pub const fn get_wdf_function_count() -> usize {
        WDF_FUNCTION_NAMES.len()
    }

    /// The name of every function, by its index.
    pub const WDF_FUNCTION_NAMES: [&str; 459] = [
        "WdfChildListCreate",
        "WdfChildListGetDevice",
        "WdfChildListRetrievePdo",
        "WdfChildListRetrieveAddressDescription",
        "WdfChildListBeginScan",
        "WdfChildListEndScan",
        "WdfChildListBeginIteration",
        "WdfChildListRetrieveNextDevice",
        "WdfChildListEndIteration",
        "WdfChildListAddOrUpdateChildDescriptionAsPresent",
        "WdfChildListUpdateChildDescriptionAsMissing",
        "WdfChildListUpdateAllChildDescriptionsAsPresent",
        "WdfChildListRequestChildEject",
        "WdfCollectionCreate",
        "WdfCollectionGetCount",
        "WdfCollectionAdd",
        "WdfCollectionRemove",
        "WdfCollectionRemoveItem",
        "WdfCollectionGetItem",
        "WdfCollectionGetFirstItem",
        "WdfCollectionGetLastItem",
        "WdfCommonBufferCreate",
        "WdfCommonBufferGetAlignedVirtualAddress",
        "WdfCommonBufferGetAlignedLogicalAddress",
        "WdfCommonBufferGetLength",
        "WdfControlDeviceInitAllocate",
        "WdfControlDeviceInitSetShutdownNotification",
        "WdfControlFinishInitializing",
        "WdfDeviceGetDeviceState",
        "WdfDeviceSetDeviceState",
        "WdfWdmDeviceGetWdfDeviceHandle",
        "WdfDeviceWdmGetDeviceObject",
        "WdfDeviceWdmGetAttachedDevice",
        "WdfDeviceWdmGetPhysicalDevice",
        "WdfDeviceWdmDispatchPreprocessedIrp",
        "WdfDeviceAddDependentUsageDeviceObject",
        "WdfDeviceAddRemovalRelationsPhysicalDevice",
        "WdfDeviceRemoveRemovalRelationsPhysicalDevice",
        "WdfDeviceClearRemovalRelationsDevices",
        "WdfDeviceGetDriver",
        "WdfDeviceRetrieveDeviceName",
        "WdfDeviceAssignMofResourceName",
        "WdfDeviceGetIoTarget",
        "WdfDeviceGetDevicePnpState",
        "WdfDeviceGetDevicePowerState",
        "WdfDeviceGetDevicePowerPolicyState",
        "WdfDeviceAssignS0IdleSettings",
        "WdfDeviceAssignSxWakeSettings",
        "WdfDeviceOpenRegistryKey",
        "WdfDeviceSetSpecialFileSupport",
        "WdfDeviceSetCharacteristics",
        "WdfDeviceGetCharacteristics",
        "WdfDeviceGetAlignmentRequirement",
        "WdfDeviceSetAlignmentRequirement",
        "WdfDeviceInitFree",
        "WdfDeviceInitSetPnpPowerEventCallbacks",
        "WdfDeviceInitSetPowerPolicyEventCallbacks",
        "WdfDeviceInitSetPowerPolicyOwnership",
        "WdfDeviceInitRegisterPnpStateChangeCallback",
        "WdfDeviceInitRegisterPowerStateChangeCallback",
        "WdfDeviceInitRegisterPowerPolicyStateChangeCallback",
        "WdfDeviceInitSetIoType",
        "WdfDeviceInitSetExclusive",
        "WdfDeviceInitSetPowerNotPageable",
        "WdfDeviceInitSetPowerPageable",
        "WdfDeviceInitSetPowerInrush",
        "WdfDeviceInitSetDeviceType",
        "WdfDeviceInitAssignName",
        "WdfDeviceInitAssignSDDLString",
        "WdfDeviceInitSetDeviceClass",
        "WdfDeviceInitSetCharacteristics",
        "WdfDeviceInitSetFileObjectConfig",
        "WdfDeviceInitSetRequestAttributes",
        "WdfDeviceInitAssignWdmIrpPreprocessCallback",
        "WdfDeviceInitSetIoInCallerContextCallback",
        "WdfDeviceCreate",
        "WdfDeviceSetStaticStopRemove",
        "WdfDeviceCreateDeviceInterface",
        "WdfDeviceSetDeviceInterfaceState",
        "WdfDeviceRetrieveDeviceInterfaceString",
        "WdfDeviceCreateSymbolicLink",
        "WdfDeviceQueryProperty",
        "WdfDeviceAllocAndQueryProperty",
        "WdfDeviceSetPnpCapabilities",
        "WdfDeviceSetPowerCapabilities",
        "WdfDeviceSetBusInformationForChildren",
        "WdfDeviceIndicateWakeStatus",
        "WdfDeviceSetFailed",
        "WdfDeviceStopIdleNoTrack",
        "WdfDeviceResumeIdleNoTrack",
        "WdfDeviceGetFileObject",
        "WdfDeviceEnqueueRequest",
        "WdfDeviceGetDefaultQueue",
        "WdfDeviceConfigureRequestDispatching",
        "WdfDmaEnablerCreate",
        "WdfDmaEnablerGetMaximumLength",
        "WdfDmaEnablerGetMaximumScatterGatherElements",
        "WdfDmaEnablerSetMaximumScatterGatherElements",
        "WdfDmaTransactionCreate",
        "WdfDmaTransactionInitialize",
        "WdfDmaTransactionInitializeUsingRequest",
        "WdfDmaTransactionExecute",
        "WdfDmaTransactionRelease",
        "WdfDmaTransactionDmaCompleted",
        "WdfDmaTransactionDmaCompletedWithLength",
        "WdfDmaTransactionDmaCompletedFinal",
        "WdfDmaTransactionGetBytesTransferred",
        "WdfDmaTransactionSetMaximumLength",
        "WdfDmaTransactionGetRequest",
        "WdfDmaTransactionGetCurrentDmaTransferLength",
        "WdfDmaTransactionGetDevice",
        "WdfDpcCreate",
        "WdfDpcEnqueue",
        "WdfDpcCancel",
        "WdfDpcGetParentObject",
        "WdfDpcWdmGetDpc",
        "WdfDriverCreate",
        "WdfDriverGetRegistryPath",
        "WdfDriverWdmGetDriverObject",
        "WdfDriverOpenParametersRegistryKey",
        "WdfWdmDriverGetWdfDriverHandle",
        "WdfDriverRegisterTraceInfo",
        "WdfDriverRetrieveVersionString",
        "WdfDriverIsVersionAvailable",
        "WdfFdoInitWdmGetPhysicalDevice",
        "WdfFdoInitOpenRegistryKey",
        "WdfFdoInitQueryProperty",
        "WdfFdoInitAllocAndQueryProperty",
        "WdfFdoInitSetEventCallbacks",
        "WdfFdoInitSetFilter",
        "WdfFdoInitSetDefaultChildListConfig",
        "WdfFdoQueryForInterface",
        "WdfFdoGetDefaultChildList",
        "WdfFdoAddStaticChild",
        "WdfFdoLockStaticChildListForIteration",
        "WdfFdoRetrieveNextStaticChild",
        "WdfFdoUnlockStaticChildListFromIteration",
        "WdfFileObjectGetFileName",
        "WdfFileObjectGetFlags",
        "WdfFileObjectGetDevice",
        "WdfFileObjectWdmGetFileObject",
        "WdfInterruptCreate",
        "WdfInterruptQueueDpcForIsr",
        "WdfInterruptSynchronize",
        "WdfInterruptAcquireLock",
        "WdfInterruptReleaseLock",
        "WdfInterruptEnable",
        "WdfInterruptDisable",
        "WdfInterruptWdmGetInterrupt",
        "WdfInterruptGetInfo",
        "WdfInterruptSetPolicy",
        "WdfInterruptGetDevice",
        "WdfIoQueueCreate",
        "WdfIoQueueGetState",
        "WdfIoQueueStart",
        "WdfIoQueueStop",
        "WdfIoQueueStopSynchronously",
        "WdfIoQueueGetDevice",
        "WdfIoQueueRetrieveNextRequest",
        "WdfIoQueueRetrieveRequestByFileObject",
        "WdfIoQueueFindRequest",
        "WdfIoQueueRetrieveFoundRequest",
        "WdfIoQueueDrainSynchronously",
        "WdfIoQueueDrain",
        "WdfIoQueuePurgeSynchronously",
        "WdfIoQueuePurge",
        "WdfIoQueueReadyNotify",
        "WdfIoTargetCreate",
        "WdfIoTargetOpen",
        "WdfIoTargetCloseForQueryRemove",
        "WdfIoTargetClose",
        "WdfIoTargetStart",
        "WdfIoTargetStop",
        "WdfIoTargetGetState",
        "WdfIoTargetGetDevice",
        "WdfIoTargetQueryTargetProperty",
        "WdfIoTargetAllocAndQueryTargetProperty",
        "WdfIoTargetQueryForInterface",
        "WdfIoTargetWdmGetTargetDeviceObject",
        "WdfIoTargetWdmGetTargetPhysicalDevice",
        "WdfIoTargetWdmGetTargetFileObject",
        "WdfIoTargetWdmGetTargetFileHandle",
        "WdfIoTargetSendReadSynchronously",
        "WdfIoTargetFormatRequestForRead",
        "WdfIoTargetSendWriteSynchronously",
        "WdfIoTargetFormatRequestForWrite",
        "WdfIoTargetSendIoctlSynchronously",
        "WdfIoTargetFormatRequestForIoctl",
        "WdfIoTargetSendInternalIoctlSynchronously",
        "WdfIoTargetFormatRequestForInternalIoctl",
        "WdfIoTargetSendInternalIoctlOthersSynchronously",
        "WdfIoTargetFormatRequestForInternalIoctlOthers",
        "WdfMemoryCreate",
        "WdfMemoryCreatePreallocated",
        "WdfMemoryGetBuffer",
        "WdfMemoryAssignBuffer",
        "WdfMemoryCopyToBuffer",
        "WdfMemoryCopyFromBuffer",
        "WdfLookasideListCreate",
        "WdfMemoryCreateFromLookaside",
        "WdfDeviceMiniportCreate",
        "WdfDriverMiniportUnload",
        "WdfObjectGetTypedContextWorker",
        "WdfObjectAllocateContext",
        "WdfObjectContextGetObject",
        "WdfObjectReferenceActual",
        "WdfObjectDereferenceActual",
        "WdfObjectCreate",
        "WdfObjectDelete",
        "WdfObjectQuery",
        "WdfPdoInitAllocate",
        "WdfPdoInitSetEventCallbacks",
        "WdfPdoInitAssignDeviceID",
        "WdfPdoInitAssignInstanceID",
        "WdfPdoInitAddHardwareID",
        "WdfPdoInitAddCompatibleID",
        "WdfPdoInitAddDeviceText",
        "WdfPdoInitSetDefaultLocale",
        "WdfPdoInitAssignRawDevice",
        "WdfPdoMarkMissing",
        "WdfPdoRequestEject",
        "WdfPdoGetParent",
        "WdfPdoRetrieveIdentificationDescription",
        "WdfPdoRetrieveAddressDescription",
        "WdfPdoUpdateAddressDescription",
        "WdfPdoAddEjectionRelationsPhysicalDevice",
        "WdfPdoRemoveEjectionRelationsPhysicalDevice",
        "WdfPdoClearEjectionRelationsDevices",
        "WdfDeviceAddQueryInterface",
        "WdfRegistryOpenKey",
        "WdfRegistryCreateKey",
        "WdfRegistryClose",
        "WdfRegistryWdmGetHandle",
        "WdfRegistryRemoveKey",
        "WdfRegistryRemoveValue",
        "WdfRegistryQueryValue",
        "WdfRegistryQueryMemory",
        "WdfRegistryQueryMultiString",
        "WdfRegistryQueryUnicodeString",
        "WdfRegistryQueryString",
        "WdfRegistryQueryULong",
        "WdfRegistryAssignValue",
        "WdfRegistryAssignMemory",
        "WdfRegistryAssignMultiString",
        "WdfRegistryAssignUnicodeString",
        "WdfRegistryAssignString",
        "WdfRegistryAssignULong",
        "WdfRequestCreate",
        "WdfRequestCreateFromIrp",
        "WdfRequestReuse",
        "WdfRequestChangeTarget",
        "WdfRequestFormatRequestUsingCurrentType",
        "WdfRequestWdmFormatUsingStackLocation",
        "WdfRequestSend",
        "WdfRequestGetStatus",
        "WdfRequestMarkCancelable",
        "WdfRequestUnmarkCancelable",
        "WdfRequestIsCanceled",
        "WdfRequestCancelSentRequest",
        "WdfRequestIsFrom32BitProcess",
        "WdfRequestSetCompletionRoutine",
        "WdfRequestGetCompletionParams",
        "WdfRequestAllocateTimer",
        "WdfRequestComplete",
        "WdfRequestCompleteWithPriorityBoost",
        "WdfRequestCompleteWithInformation",
        "WdfRequestGetParameters",
        "WdfRequestRetrieveInputMemory",
        "WdfRequestRetrieveOutputMemory",
        "WdfRequestRetrieveInputBuffer",
        "WdfRequestRetrieveOutputBuffer",
        "WdfRequestRetrieveInputWdmMdl",
        "WdfRequestRetrieveOutputWdmMdl",
        "WdfRequestRetrieveUnsafeUserInputBuffer",
        "WdfRequestRetrieveUnsafeUserOutputBuffer",
        "WdfRequestSetInformation",
        "WdfRequestGetInformation",
        "WdfRequestGetFileObject",
        "WdfRequestProbeAndLockUserBufferForRead",
        "WdfRequestProbeAndLockUserBufferForWrite",
        "WdfRequestGetRequestorMode",
        "WdfRequestForwardToIoQueue",
        "WdfRequestGetIoQueue",
        "WdfRequestRequeue",
        "WdfRequestStopAcknowledge",
        "WdfRequestWdmGetIrp",
        "WdfIoResourceRequirementsListSetSlotNumber",
        "WdfIoResourceRequirementsListSetInterfaceType",
        "WdfIoResourceRequirementsListAppendIoResList",
        "WdfIoResourceRequirementsListInsertIoResList",
        "WdfIoResourceRequirementsListGetCount",
        "WdfIoResourceRequirementsListGetIoResList",
        "WdfIoResourceRequirementsListRemove",
        "WdfIoResourceRequirementsListRemoveByIoResList",
        "WdfIoResourceListCreate",
        "WdfIoResourceListAppendDescriptor",
        "WdfIoResourceListInsertDescriptor",
        "WdfIoResourceListUpdateDescriptor",
        "WdfIoResourceListGetCount",
        "WdfIoResourceListGetDescriptor",
        "WdfIoResourceListRemove",
        "WdfIoResourceListRemoveByDescriptor",
        "WdfCmResourceListAppendDescriptor",
        "WdfCmResourceListInsertDescriptor",
        "WdfCmResourceListGetCount",
        "WdfCmResourceListGetDescriptor",
        "WdfCmResourceListRemove",
        "WdfCmResourceListRemoveByDescriptor",
        "WdfStringCreate",
        "WdfStringGetUnicodeString",
        "WdfObjectAcquireLock",
        "WdfObjectReleaseLock",
        "WdfWaitLockCreate",
        "WdfWaitLockAcquire",
        "WdfWaitLockRelease",
        "WdfSpinLockCreate",
        "WdfSpinLockAcquire",
        "WdfSpinLockRelease",
        "WdfTimerCreate",
        "WdfTimerStart",
        "WdfTimerStop",
        "WdfTimerGetParentObject",
        "WdfUsbTargetDeviceCreate",
        "WdfUsbTargetDeviceRetrieveInformation",
        "WdfUsbTargetDeviceGetDeviceDescriptor",
        "WdfUsbTargetDeviceRetrieveConfigDescriptor",
        "WdfUsbTargetDeviceQueryString",
        "WdfUsbTargetDeviceAllocAndQueryString",
        "WdfUsbTargetDeviceFormatRequestForString",
        "WdfUsbTargetDeviceGetNumInterfaces",
        "WdfUsbTargetDeviceSelectConfig",
        "WdfUsbTargetDeviceWdmGetConfigurationHandle",
        "WdfUsbTargetDeviceRetrieveCurrentFrameNumber",
        "WdfUsbTargetDeviceSendControlTransferSynchronously",
        "WdfUsbTargetDeviceFormatRequestForControlTransfer",
        "WdfUsbTargetDeviceIsConnectedSynchronous",
        "WdfUsbTargetDeviceResetPortSynchronously",
        "WdfUsbTargetDeviceCyclePortSynchronously",
        "WdfUsbTargetDeviceFormatRequestForCyclePort",
        "WdfUsbTargetDeviceSendUrbSynchronously",
        "WdfUsbTargetDeviceFormatRequestForUrb",
        "WdfUsbTargetPipeGetInformation",
        "WdfUsbTargetPipeIsInEndpoint",
        "WdfUsbTargetPipeIsOutEndpoint",
        "WdfUsbTargetPipeGetType",
        "WdfUsbTargetPipeSetNoMaximumPacketSizeCheck",
        "WdfUsbTargetPipeWriteSynchronously",
        "WdfUsbTargetPipeFormatRequestForWrite",
        "WdfUsbTargetPipeReadSynchronously",
        "WdfUsbTargetPipeFormatRequestForRead",
        "WdfUsbTargetPipeConfigContinuousReader",
        "WdfUsbTargetPipeAbortSynchronously",
        "WdfUsbTargetPipeFormatRequestForAbort",
        "WdfUsbTargetPipeResetSynchronously",
        "WdfUsbTargetPipeFormatRequestForReset",
        "WdfUsbTargetPipeSendUrbSynchronously",
        "WdfUsbTargetPipeFormatRequestForUrb",
        "WdfUsbInterfaceGetInterfaceNumber",
        "WdfUsbInterfaceGetNumEndpoints",
        "WdfUsbInterfaceGetDescriptor",
        "WdfUsbInterfaceSelectSetting",
        "WdfUsbInterfaceGetEndpointInformation",
        "WdfUsbTargetDeviceGetInterface",
        "WdfUsbInterfaceGetConfiguredSettingIndex",
        "WdfUsbInterfaceGetNumConfiguredPipes",
        "WdfUsbInterfaceGetConfiguredPipe",
        "WdfUsbTargetPipeWdmGetPipeHandle",
        "WdfVerifierDbgBreakPoint",
        "WdfVerifierKeBugCheck",
        "WdfWmiProviderCreate",
        "WdfWmiProviderGetDevice",
        "WdfWmiProviderIsEnabled",
        "WdfWmiProviderGetTracingHandle",
        "WdfWmiInstanceCreate",
        "WdfWmiInstanceRegister",
        "WdfWmiInstanceDeregister",
        "WdfWmiInstanceGetDevice",
        "WdfWmiInstanceGetProvider",
        "WdfWmiInstanceFireEvent",
        "WdfWorkItemCreate",
        "WdfWorkItemEnqueue",
        "WdfWorkItemGetParentObject",
        "WdfWorkItemFlush",
        "WdfCommonBufferCreateWithConfig",
        "WdfDmaEnablerGetFragmentLength",
        "WdfDmaEnablerWdmGetDmaAdapter",
        "WdfUsbInterfaceGetNumSettings",
        "WdfDeviceRemoveDependentUsageDeviceObject",
        "WdfDeviceGetSystemPowerAction",
        "WdfInterruptSetExtendedPolicy",
        "WdfIoQueueAssignForwardProgressPolicy",
        "WdfPdoInitAssignContainerID",
        "WdfPdoInitAllowForwardingRequestToParent",
        "WdfRequestMarkCancelableEx",
        "WdfRequestIsReserved",
        "WdfRequestForwardToParentDeviceIoQueue",
        "WdfCxDeviceInitAllocate",
        "WdfCxDeviceInitAssignWdmIrpPreprocessCallback",
        "WdfCxDeviceInitSetIoInCallerContextCallback",
        "WdfCxDeviceInitSetRequestAttributes",
        "WdfCxDeviceInitSetFileObjectConfig",
        "WdfDeviceWdmDispatchIrp",
        "WdfDeviceWdmDispatchIrpToIoQueue",
        "WdfDeviceInitSetRemoveLockOptions",
        "WdfDeviceConfigureWdmIrpDispatchCallback",
        "WdfDmaEnablerConfigureSystemProfile",
        "WdfDmaTransactionInitializeUsingOffset",
        "WdfDmaTransactionGetTransferInfo",
        "WdfDmaTransactionSetChannelConfigurationCallback",
        "WdfDmaTransactionSetTransferCompleteCallback",
        "WdfDmaTransactionSetImmediateExecution",
        "WdfDmaTransactionAllocateResources",
        "WdfDmaTransactionSetDeviceAddressOffset",
        "WdfDmaTransactionFreeResources",
        "WdfDmaTransactionCancel",
        "WdfDmaTransactionWdmGetTransferContext",
        "WdfInterruptQueueWorkItemForIsr",
        "WdfInterruptTryToAcquireLock",
        "WdfIoQueueStopAndPurge",
        "WdfIoQueueStopAndPurgeSynchronously",
        "WdfIoTargetPurge",
        "WdfUsbTargetDeviceCreateWithParameters",
        "WdfUsbTargetDeviceQueryUsbCapability",
        "WdfUsbTargetDeviceCreateUrb",
        "WdfUsbTargetDeviceCreateIsochUrb",
        "WdfDeviceWdmAssignPowerFrameworkSettings",
        "WdfDmaTransactionStopSystemTransfer",
        "WdfCxVerifierKeBugCheck",
        "WdfInterruptReportActive",
        "WdfInterruptReportInactive",
        "WdfDeviceInitSetReleaseHardwareOrderOnFailure",
        "WdfGetTriageInfo",
        "WdfDeviceInitSetIoTypeEx",
        "WdfDeviceQueryPropertyEx",
        "WdfDeviceAllocAndQueryPropertyEx",
        "WdfDeviceAssignProperty",
        "WdfFdoInitQueryPropertyEx",
        "WdfFdoInitAllocAndQueryPropertyEx",
        "WdfDeviceStopIdleActual",
        "WdfDeviceResumeIdleActual",
        "WdfDeviceGetSelfIoTarget",
        "WdfDeviceInitAllowSelfIoTarget",
        "WdfIoTargetSelfAssignDefaultIoQueue",
        "WdfDeviceOpenDevicemapKey",
        "WdfDmaTransactionSetSingleTransferRequirement",
        "WdfCxDeviceInitSetPnpPowerEventCallbacks",
        "WdfFileObjectGetInitiatorProcessId",
        "WdfRequestGetRequestorProcessId",
        "WdfDeviceRetrieveCompanionTarget",
        "WdfCompanionTargetSendTaskSynchronously",
        "WdfCompanionTargetWdmGetCompanionProcess",
        "WdfDriverOpenPersistentStateRegistryKey",
        "WdfDriverErrorReportApiMissing",
        "WdfPdoInitRemovePowerDependencyOnParent",
        "WdfCxDeviceInitAllocateContext",
        "WdfCxDeviceInitGetTypedContextWorker",
        "WdfCxDeviceInitSetPowerPolicyEventCallbacks",
        "WdfDeviceSetDeviceInterfaceStateEx",
        "WdfFunctionTableNumEntries",
    ];
}

/// The functions themselves, as `call_unsafe_wdf_function_binding!` calls them.
#[doc(hidden)]
pub mod __inline {
    #[allow(
        clippy::wildcard_imports,
        reason = "the generated functions rely on every type being in scope"
    )]
    use super::{_WDFFUNCENUM::*, *};

    macro_rules! wdf_function {
        ($name:ident, $pointer:ident, $index:ident, ($($arg:ident: $type:ty),*) $(-> $ret:ty)?) => {
            /// # Safety
            ///
            /// As the framework's documentation of the function says.
            #[inline(always)]
            #[allow(clippy::inline_always, reason = "as the real macro expands")]
            #[allow(clippy::too_many_arguments, reason = "the framework's own parameters")]
            pub unsafe fn $name($($arg: $type),*) $(-> $ret)? {
                // SAFETY: `WdfFunctions` points to the framework's table, which has an entry of this type at this index for
                // as long as the driver is loaded; the caller answers for the arguments.
                unsafe {
                    let entry = WdfFunctions.offset($index as isize);
                    let function = entry.cast::<$pointer>().read();
                    function.unwrap_unchecked()(WdfDriverGlobals, $($arg),*)
                }
            }
        };
    }

    wdf_function!(WdfCollectionCreate, PFN_WDFCOLLECTIONCREATE, WdfCollectionCreateTableIndex, (CollectionAttributes: PWDF_OBJECT_ATTRIBUTES, Collection: *mut WDFCOLLECTION) -> NTSTATUS);
    wdf_function!(WdfCollectionGetCount, PFN_WDFCOLLECTIONGETCOUNT, WdfCollectionGetCountTableIndex, (Collection: WDFCOLLECTION) -> ULONG);
    wdf_function!(WdfCollectionAdd, PFN_WDFCOLLECTIONADD, WdfCollectionAddTableIndex, (Collection: WDFCOLLECTION, Object: WDFOBJECT) -> NTSTATUS);
    wdf_function!(WdfCollectionRemove, PFN_WDFCOLLECTIONREMOVE, WdfCollectionRemoveTableIndex, (Collection: WDFCOLLECTION, Item: WDFOBJECT));
    wdf_function!(WdfCollectionGetFirstItem, PFN_WDFCOLLECTIONGETFIRSTITEM, WdfCollectionGetFirstItemTableIndex, (Collection: WDFCOLLECTION) -> WDFOBJECT);
    wdf_function!(WdfControlDeviceInitAllocate, PFN_WDFCONTROLDEVICEINITALLOCATE, WdfControlDeviceInitAllocateTableIndex, (Driver: WDFDRIVER, SDDLString: *const UNICODE_STRING) -> PWDFDEVICE_INIT);
    wdf_function!(WdfControlFinishInitializing, PFN_WDFCONTROLFINISHINITIALIZING, WdfControlFinishInitializingTableIndex, (Device: WDFDEVICE));
    wdf_function!(WdfDeviceWdmGetDeviceObject, PFN_WDFDEVICEWDMGETDEVICEOBJECT, WdfDeviceWdmGetDeviceObjectTableIndex, (Device: WDFDEVICE) -> PDEVICE_OBJECT);
    wdf_function!(WdfDeviceWdmGetAttachedDevice, PFN_WDFDEVICEWDMGETATTACHEDDEVICE, WdfDeviceWdmGetAttachedDeviceTableIndex, (Device: WDFDEVICE) -> PDEVICE_OBJECT);
    wdf_function!(WdfDeviceWdmGetPhysicalDevice, PFN_WDFDEVICEWDMGETPHYSICALDEVICE, WdfDeviceWdmGetPhysicalDeviceTableIndex, (Device: WDFDEVICE) -> PDEVICE_OBJECT);
    wdf_function!(WdfDeviceGetDriver, PFN_WDFDEVICEGETDRIVER, WdfDeviceGetDriverTableIndex, (Device: WDFDEVICE) -> WDFDRIVER);
    wdf_function!(WdfDeviceAssignMofResourceName, PFN_WDFDEVICEASSIGNMOFRESOURCENAME, WdfDeviceAssignMofResourceNameTableIndex, (Device: WDFDEVICE, MofResourceName: PCUNICODE_STRING) -> NTSTATUS);
    wdf_function!(WdfDeviceGetIoTarget, PFN_WDFDEVICEGETIOTARGET, WdfDeviceGetIoTargetTableIndex, (Device: WDFDEVICE) -> WDFIOTARGET);
    wdf_function!(WdfDeviceGetDevicePnpState, PFN_WDFDEVICEGETDEVICEPNPSTATE, WdfDeviceGetDevicePnpStateTableIndex, (Device: WDFDEVICE) -> WDF_DEVICE_PNP_STATE);
    wdf_function!(WdfDeviceOpenRegistryKey, PFN_WDFDEVICEOPENREGISTRYKEY, WdfDeviceOpenRegistryKeyTableIndex, (Device: WDFDEVICE, DeviceInstanceKeyType: ULONG, DesiredAccess: ACCESS_MASK, KeyAttributes: PWDF_OBJECT_ATTRIBUTES, Key: *mut WDFKEY) -> NTSTATUS);
    wdf_function!(WdfDeviceInitFree, PFN_WDFDEVICEINITFREE, WdfDeviceInitFreeTableIndex, (DeviceInit: PWDFDEVICE_INIT));
    wdf_function!(WdfDeviceInitSetPnpPowerEventCallbacks, PFN_WDFDEVICEINITSETPNPPOWEREVENTCALLBACKS, WdfDeviceInitSetPnpPowerEventCallbacksTableIndex, (DeviceInit: PWDFDEVICE_INIT, PnpPowerEventCallbacks: PWDF_PNPPOWER_EVENT_CALLBACKS));
    wdf_function!(WdfDeviceInitSetPowerPolicyEventCallbacks, PFN_WDFDEVICEINITSETPOWERPOLICYEVENTCALLBACKS, WdfDeviceInitSetPowerPolicyEventCallbacksTableIndex, (DeviceInit: PWDFDEVICE_INIT, PowerPolicyEventCallbacks: PWDF_POWER_POLICY_EVENT_CALLBACKS));
    wdf_function!(WdfDeviceInitSetIoType, PFN_WDFDEVICEINITSETIOTYPE, WdfDeviceInitSetIoTypeTableIndex, (DeviceInit: PWDFDEVICE_INIT, IoType: WDF_DEVICE_IO_TYPE));
    wdf_function!(WdfDeviceInitSetExclusive, PFN_WDFDEVICEINITSETEXCLUSIVE, WdfDeviceInitSetExclusiveTableIndex, (DeviceInit: PWDFDEVICE_INIT, IsExclusive: BOOLEAN));
    wdf_function!(WdfDeviceInitSetPowerNotPageable, PFN_WDFDEVICEINITSETPOWERNOTPAGEABLE, WdfDeviceInitSetPowerNotPageableTableIndex, (DeviceInit: PWDFDEVICE_INIT));
    wdf_function!(WdfDeviceInitSetPowerPageable, PFN_WDFDEVICEINITSETPOWERPAGEABLE, WdfDeviceInitSetPowerPageableTableIndex, (DeviceInit: PWDFDEVICE_INIT));
    wdf_function!(WdfDeviceInitSetDeviceType, PFN_WDFDEVICEINITSETDEVICETYPE, WdfDeviceInitSetDeviceTypeTableIndex, (DeviceInit: PWDFDEVICE_INIT, DeviceType: ULONG));
    wdf_function!(WdfDeviceInitAssignName, PFN_WDFDEVICEINITASSIGNNAME, WdfDeviceInitAssignNameTableIndex, (DeviceInit: PWDFDEVICE_INIT, DeviceName: PCUNICODE_STRING) -> NTSTATUS);
    wdf_function!(WdfDeviceInitAssignSDDLString, PFN_WDFDEVICEINITASSIGNSDDLSTRING, WdfDeviceInitAssignSDDLStringTableIndex, (DeviceInit: PWDFDEVICE_INIT, SDDLString: PCUNICODE_STRING) -> NTSTATUS);
    wdf_function!(WdfDeviceInitSetDeviceClass, PFN_WDFDEVICEINITSETDEVICECLASS, WdfDeviceInitSetDeviceClassTableIndex, (DeviceInit: PWDFDEVICE_INIT, DeviceClassGuid: *const GUID));
    wdf_function!(WdfDeviceInitSetCharacteristics, PFN_WDFDEVICEINITSETCHARACTERISTICS, WdfDeviceInitSetCharacteristicsTableIndex, (DeviceInit: PWDFDEVICE_INIT, DeviceCharacteristics: ULONG, OrInValues: BOOLEAN));
    wdf_function!(WdfDeviceInitSetFileObjectConfig, PFN_WDFDEVICEINITSETFILEOBJECTCONFIG, WdfDeviceInitSetFileObjectConfigTableIndex, (DeviceInit: PWDFDEVICE_INIT, FileObjectConfig: PWDF_FILEOBJECT_CONFIG, FileObjectAttributes: PWDF_OBJECT_ATTRIBUTES));
    wdf_function!(WdfDeviceInitSetRequestAttributes, PFN_WDFDEVICEINITSETREQUESTATTRIBUTES, WdfDeviceInitSetRequestAttributesTableIndex, (DeviceInit: PWDFDEVICE_INIT, RequestAttributes: PWDF_OBJECT_ATTRIBUTES));
    wdf_function!(WdfDeviceInitSetIoInCallerContextCallback, PFN_WDFDEVICEINITSETIOINCALLERCONTEXTCALLBACK, WdfDeviceInitSetIoInCallerContextCallbackTableIndex, (DeviceInit: PWDFDEVICE_INIT, EvtIoInCallerContext: PFN_WDF_IO_IN_CALLER_CONTEXT));
    wdf_function!(WdfDeviceCreate, PFN_WDFDEVICECREATE, WdfDeviceCreateTableIndex, (DeviceInit: *mut PWDFDEVICE_INIT, DeviceAttributes: PWDF_OBJECT_ATTRIBUTES, Device: *mut WDFDEVICE) -> NTSTATUS);
    wdf_function!(WdfDeviceCreateDeviceInterface, PFN_WDFDEVICECREATEDEVICEINTERFACE, WdfDeviceCreateDeviceInterfaceTableIndex, (Device: WDFDEVICE, InterfaceClassGUID: *const GUID, ReferenceString: PCUNICODE_STRING) -> NTSTATUS);
    wdf_function!(WdfDeviceSetDeviceInterfaceState, PFN_WDFDEVICESETDEVICEINTERFACESTATE, WdfDeviceSetDeviceInterfaceStateTableIndex, (Device: WDFDEVICE, InterfaceClassGUID: *const GUID, ReferenceString: PCUNICODE_STRING, IsInterfaceEnabled: BOOLEAN));
    wdf_function!(WdfDeviceCreateSymbolicLink, PFN_WDFDEVICECREATESYMBOLICLINK, WdfDeviceCreateSymbolicLinkTableIndex, (Device: WDFDEVICE, SymbolicLinkName: PCUNICODE_STRING) -> NTSTATUS);
    wdf_function!(WdfDeviceQueryProperty, PFN_WDFDEVICEQUERYPROPERTY, WdfDeviceQueryPropertyTableIndex, (Device: WDFDEVICE, DeviceProperty: DEVICE_REGISTRY_PROPERTY::Type, BufferLength: ULONG, PropertyBuffer: PVOID, ResultLength: PULONG) -> NTSTATUS);
    wdf_function!(WdfDeviceAllocAndQueryProperty, PFN_WDFDEVICEALLOCANDQUERYPROPERTY, WdfDeviceAllocAndQueryPropertyTableIndex, (Device: WDFDEVICE, DeviceProperty: DEVICE_REGISTRY_PROPERTY::Type, PoolType: POOL_TYPE, PropertyMemoryAttributes: PWDF_OBJECT_ATTRIBUTES, PropertyMemory: *mut WDFMEMORY) -> NTSTATUS);
    wdf_function!(WdfDeviceSetPnpCapabilities, PFN_WDFDEVICESETPNPCAPABILITIES, WdfDeviceSetPnpCapabilitiesTableIndex, (Device: WDFDEVICE, PnpCapabilities: PWDF_DEVICE_PNP_CAPABILITIES));
    wdf_function!(WdfDeviceSetFailed, PFN_WDFDEVICESETFAILED, WdfDeviceSetFailedTableIndex, (Device: WDFDEVICE, FailedAction: WDF_DEVICE_FAILED_ACTION));
    wdf_function!(WdfDeviceStopIdleNoTrack, PFN_WDFDEVICESTOPIDLENOTRACK, WdfDeviceStopIdleNoTrackTableIndex, (Device: WDFDEVICE, WaitForD0: BOOLEAN) -> NTSTATUS);
    wdf_function!(WdfDeviceResumeIdleNoTrack, PFN_WDFDEVICERESUMEIDLENOTRACK, WdfDeviceResumeIdleNoTrackTableIndex, (Device: WDFDEVICE));
    wdf_function!(WdfDeviceEnqueueRequest, PFN_WDFDEVICEENQUEUEREQUEST, WdfDeviceEnqueueRequestTableIndex, (Device: WDFDEVICE, Request: WDFREQUEST) -> NTSTATUS);
    wdf_function!(WdfDeviceGetDefaultQueue, PFN_WDFDEVICEGETDEFAULTQUEUE, WdfDeviceGetDefaultQueueTableIndex, (Device: WDFDEVICE) -> WDFQUEUE);
    wdf_function!(WdfDeviceConfigureRequestDispatching, PFN_WDFDEVICECONFIGUREREQUESTDISPATCHING, WdfDeviceConfigureRequestDispatchingTableIndex, (Device: WDFDEVICE, Queue: WDFQUEUE, RequestType: WDF_REQUEST_TYPE) -> NTSTATUS);
    wdf_function!(WdfDpcCreate, PFN_WDFDPCCREATE, WdfDpcCreateTableIndex, (Config: PWDF_DPC_CONFIG, Attributes: PWDF_OBJECT_ATTRIBUTES, Dpc: *mut WDFDPC) -> NTSTATUS);
    wdf_function!(WdfDpcEnqueue, PFN_WDFDPCENQUEUE, WdfDpcEnqueueTableIndex, (Dpc: WDFDPC) -> BOOLEAN);
    wdf_function!(WdfDpcCancel, PFN_WDFDPCCANCEL, WdfDpcCancelTableIndex, (Dpc: WDFDPC, Wait: BOOLEAN) -> BOOLEAN);
    wdf_function!(WdfDpcGetParentObject, PFN_WDFDPCGETPARENTOBJECT, WdfDpcGetParentObjectTableIndex, (Dpc: WDFDPC) -> WDFOBJECT);
    wdf_function!(WdfDriverCreate, PFN_WDFDRIVERCREATE, WdfDriverCreateTableIndex, (DriverObject: PDRIVER_OBJECT, RegistryPath: PCUNICODE_STRING, DriverAttributes: PWDF_OBJECT_ATTRIBUTES, DriverConfig: PWDF_DRIVER_CONFIG, Driver: *mut WDFDRIVER) -> NTSTATUS);
    wdf_function!(WdfDriverGetRegistryPath, PFN_WDFDRIVERGETREGISTRYPATH, WdfDriverGetRegistryPathTableIndex, (Driver: WDFDRIVER) -> PWSTR);
    wdf_function!(WdfDriverWdmGetDriverObject, PFN_WDFDRIVERWDMGETDRIVEROBJECT, WdfDriverWdmGetDriverObjectTableIndex, (Driver: WDFDRIVER) -> PDRIVER_OBJECT);
    wdf_function!(WdfDriverOpenParametersRegistryKey, PFN_WDFDRIVEROPENPARAMETERSREGISTRYKEY, WdfDriverOpenParametersRegistryKeyTableIndex, (Driver: WDFDRIVER, DesiredAccess: ACCESS_MASK, KeyAttributes: PWDF_OBJECT_ATTRIBUTES, Key: *mut WDFKEY) -> NTSTATUS);
    wdf_function!(WdfFdoQueryForInterface, PFN_WDFFDOQUERYFORINTERFACE, WdfFdoQueryForInterfaceTableIndex, (Fdo: WDFDEVICE, InterfaceType: LPCGUID, Interface: PINTERFACE, Size: USHORT, Version: USHORT, InterfaceSpecificData: PVOID) -> NTSTATUS);
    wdf_function!(WdfFileObjectGetDevice, PFN_WDFFILEOBJECTGETDEVICE, WdfFileObjectGetDeviceTableIndex, (FileObject: WDFFILEOBJECT) -> WDFDEVICE);
    wdf_function!(WdfFileObjectWdmGetFileObject, PFN_WDFFILEOBJECTWDMGETFILEOBJECT, WdfFileObjectWdmGetFileObjectTableIndex, (FileObject: WDFFILEOBJECT) -> PFILE_OBJECT);
    wdf_function!(WdfIoQueueCreate, PFN_WDFIOQUEUECREATE, WdfIoQueueCreateTableIndex, (Device: WDFDEVICE, Config: PWDF_IO_QUEUE_CONFIG, QueueAttributes: PWDF_OBJECT_ATTRIBUTES, Queue: *mut WDFQUEUE) -> NTSTATUS);
    wdf_function!(WdfIoQueueGetState, PFN_WDFIOQUEUEGETSTATE, WdfIoQueueGetStateTableIndex, (Queue: WDFQUEUE, QueueRequests: PULONG, DriverRequests: PULONG) -> WDF_IO_QUEUE_STATE);
    wdf_function!(WdfIoQueueStart, PFN_WDFIOQUEUESTART, WdfIoQueueStartTableIndex, (Queue: WDFQUEUE));
    wdf_function!(WdfIoQueueStop, PFN_WDFIOQUEUESTOP, WdfIoQueueStopTableIndex, (Queue: WDFQUEUE, StopComplete: PFN_WDF_IO_QUEUE_STATE, Context: WDFCONTEXT));
    wdf_function!(WdfIoQueueStopSynchronously, PFN_WDFIOQUEUESTOPSYNCHRONOUSLY, WdfIoQueueStopSynchronouslyTableIndex, (Queue: WDFQUEUE));
    wdf_function!(WdfIoQueueGetDevice, PFN_WDFIOQUEUEGETDEVICE, WdfIoQueueGetDeviceTableIndex, (Queue: WDFQUEUE) -> WDFDEVICE);
    wdf_function!(WdfIoQueueRetrieveNextRequest, PFN_WDFIOQUEUERETRIEVENEXTREQUEST, WdfIoQueueRetrieveNextRequestTableIndex, (Queue: WDFQUEUE, OutRequest: *mut WDFREQUEST) -> NTSTATUS);
    wdf_function!(WdfIoQueueRetrieveRequestByFileObject, PFN_WDFIOQUEUERETRIEVEREQUESTBYFILEOBJECT, WdfIoQueueRetrieveRequestByFileObjectTableIndex, (Queue: WDFQUEUE, FileObject: WDFFILEOBJECT, OutRequest: *mut WDFREQUEST) -> NTSTATUS);
    wdf_function!(WdfIoQueueFindRequest, PFN_WDFIOQUEUEFINDREQUEST, WdfIoQueueFindRequestTableIndex, (Queue: WDFQUEUE, FoundRequest: WDFREQUEST, FileObject: WDFFILEOBJECT, Parameters: PWDF_REQUEST_PARAMETERS, OutRequest: *mut WDFREQUEST) -> NTSTATUS);
    wdf_function!(WdfIoQueueRetrieveFoundRequest, PFN_WDFIOQUEUERETRIEVEFOUNDREQUEST, WdfIoQueueRetrieveFoundRequestTableIndex, (Queue: WDFQUEUE, FoundRequest: WDFREQUEST, OutRequest: *mut WDFREQUEST) -> NTSTATUS);
    wdf_function!(WdfIoQueueDrainSynchronously, PFN_WDFIOQUEUEDRAINSYNCHRONOUSLY, WdfIoQueueDrainSynchronouslyTableIndex, (Queue: WDFQUEUE));
    wdf_function!(WdfIoQueueDrain, PFN_WDFIOQUEUEDRAIN, WdfIoQueueDrainTableIndex, (Queue: WDFQUEUE, DrainComplete: PFN_WDF_IO_QUEUE_STATE, Context: WDFCONTEXT));
    wdf_function!(WdfIoQueuePurgeSynchronously, PFN_WDFIOQUEUEPURGESYNCHRONOUSLY, WdfIoQueuePurgeSynchronouslyTableIndex, (Queue: WDFQUEUE));
    wdf_function!(WdfIoQueuePurge, PFN_WDFIOQUEUEPURGE, WdfIoQueuePurgeTableIndex, (Queue: WDFQUEUE, PurgeComplete: PFN_WDF_IO_QUEUE_STATE, Context: WDFCONTEXT));
    wdf_function!(WdfIoQueueReadyNotify, PFN_WDFIOQUEUEREADYNOTIFY, WdfIoQueueReadyNotifyTableIndex, (Queue: WDFQUEUE, QueueReady: PFN_WDF_IO_QUEUE_STATE, Context: WDFCONTEXT) -> NTSTATUS);
    wdf_function!(WdfIoTargetCreate, PFN_WDFIOTARGETCREATE, WdfIoTargetCreateTableIndex, (Device: WDFDEVICE, IoTargetAttributes: PWDF_OBJECT_ATTRIBUTES, IoTarget: *mut WDFIOTARGET) -> NTSTATUS);
    wdf_function!(WdfIoTargetOpen, PFN_WDFIOTARGETOPEN, WdfIoTargetOpenTableIndex, (IoTarget: WDFIOTARGET, OpenParams: PWDF_IO_TARGET_OPEN_PARAMS) -> NTSTATUS);
    wdf_function!(WdfIoTargetClose, PFN_WDFIOTARGETCLOSE, WdfIoTargetCloseTableIndex, (IoTarget: WDFIOTARGET));
    wdf_function!(WdfIoTargetQueryForInterface, PFN_WDFIOTARGETQUERYFORINTERFACE, WdfIoTargetQueryForInterfaceTableIndex, (IoTarget: WDFIOTARGET, InterfaceType: LPCGUID, Interface: PINTERFACE, Size: USHORT, Version: USHORT, InterfaceSpecificData: PVOID) -> NTSTATUS);
    wdf_function!(WdfIoTargetWdmGetTargetDeviceObject, PFN_WDFIOTARGETWDMGETTARGETDEVICEOBJECT, WdfIoTargetWdmGetTargetDeviceObjectTableIndex, (IoTarget: WDFIOTARGET) -> PDEVICE_OBJECT);
    wdf_function!(WdfMemoryCreate, PFN_WDFMEMORYCREATE, WdfMemoryCreateTableIndex, (Attributes: PWDF_OBJECT_ATTRIBUTES, PoolType: POOL_TYPE, PoolTag: ULONG, BufferSize: usize, Memory: *mut WDFMEMORY, Buffer: *mut PVOID) -> NTSTATUS);
    wdf_function!(WdfMemoryCreatePreallocated, PFN_WDFMEMORYCREATEPREALLOCATED, WdfMemoryCreatePreallocatedTableIndex, (Attributes: PWDF_OBJECT_ATTRIBUTES, Buffer: PVOID, BufferSize: usize, Memory: *mut WDFMEMORY) -> NTSTATUS);
    wdf_function!(WdfMemoryGetBuffer, PFN_WDFMEMORYGETBUFFER, WdfMemoryGetBufferTableIndex, (Memory: WDFMEMORY, BufferSize: *mut usize) -> PVOID);
    wdf_function!(WdfLookasideListCreate, PFN_WDFLOOKASIDELISTCREATE, WdfLookasideListCreateTableIndex, (LookasideAttributes: PWDF_OBJECT_ATTRIBUTES, BufferSize: usize, PoolType: POOL_TYPE, MemoryAttributes: PWDF_OBJECT_ATTRIBUTES, PoolTag: ULONG, Lookaside: *mut WDFLOOKASIDE) -> NTSTATUS);
    wdf_function!(WdfMemoryCreateFromLookaside, PFN_WDFMEMORYCREATEFROMLOOKASIDE, WdfMemoryCreateFromLookasideTableIndex, (Lookaside: WDFLOOKASIDE, Memory: *mut WDFMEMORY) -> NTSTATUS);
    wdf_function!(WdfObjectGetTypedContextWorker, PFN_WDFOBJECTGETTYPEDCONTEXTWORKER, WdfObjectGetTypedContextWorkerTableIndex, (Handle: WDFOBJECT, TypeInfo: PCWDF_OBJECT_CONTEXT_TYPE_INFO) -> PVOID);
    wdf_function!(WdfObjectAllocateContext, PFN_WDFOBJECTALLOCATECONTEXT, WdfObjectAllocateContextTableIndex, (Handle: WDFOBJECT, ContextAttributes: PWDF_OBJECT_ATTRIBUTES, Context: *mut PVOID) -> NTSTATUS);
    wdf_function!(WdfObjectContextGetObject, PFN_WDFOBJECTCONTEXTGETOBJECT, WdfObjectContextGetObjectTableIndex, (ContextPointer: PVOID) -> WDFOBJECT);
    wdf_function!(WdfObjectReferenceActual, PFN_WDFOBJECTREFERENCEACTUAL, WdfObjectReferenceActualTableIndex, (Handle: WDFOBJECT, Tag: PVOID, Line: LONG, File: PCCH));
    wdf_function!(WdfObjectDereferenceActual, PFN_WDFOBJECTDEREFERENCEACTUAL, WdfObjectDereferenceActualTableIndex, (Handle: WDFOBJECT, Tag: PVOID, Line: LONG, File: PCCH));
    wdf_function!(WdfObjectCreate, PFN_WDFOBJECTCREATE, WdfObjectCreateTableIndex, (Attributes: PWDF_OBJECT_ATTRIBUTES, Object: *mut WDFOBJECT) -> NTSTATUS);
    wdf_function!(WdfObjectDelete, PFN_WDFOBJECTDELETE, WdfObjectDeleteTableIndex, (Object: WDFOBJECT));
    wdf_function!(WdfObjectQuery, PFN_WDFOBJECTQUERY, WdfObjectQueryTableIndex, (Object: WDFOBJECT, Guid: *const GUID, QueryBufferLength: ULONG, QueryBuffer: PVOID) -> NTSTATUS);
    wdf_function!(WdfRegistryOpenKey, PFN_WDFREGISTRYOPENKEY, WdfRegistryOpenKeyTableIndex, (ParentKey: WDFKEY, KeyName: PCUNICODE_STRING, DesiredAccess: ACCESS_MASK, KeyAttributes: PWDF_OBJECT_ATTRIBUTES, Key: *mut WDFKEY) -> NTSTATUS);
    wdf_function!(WdfRegistryClose, PFN_WDFREGISTRYCLOSE, WdfRegistryCloseTableIndex, (Key: WDFKEY));
    wdf_function!(WdfRegistryQueryMemory, PFN_WDFREGISTRYQUERYMEMORY, WdfRegistryQueryMemoryTableIndex, (Key: WDFKEY, ValueName: PCUNICODE_STRING, PoolType: POOL_TYPE, MemoryAttributes: PWDF_OBJECT_ATTRIBUTES, Memory: *mut WDFMEMORY, ValueType: PULONG) -> NTSTATUS);
    wdf_function!(WdfRegistryQueryUnicodeString, PFN_WDFREGISTRYQUERYUNICODESTRING, WdfRegistryQueryUnicodeStringTableIndex, (Key: WDFKEY, ValueName: PCUNICODE_STRING, ValueByteLength: PUSHORT, Value: PUNICODE_STRING) -> NTSTATUS);
    wdf_function!(WdfRegistryQueryString, PFN_WDFREGISTRYQUERYSTRING, WdfRegistryQueryStringTableIndex, (Key: WDFKEY, ValueName: PCUNICODE_STRING, String: WDFSTRING) -> NTSTATUS);
    wdf_function!(WdfRegistryQueryULong, PFN_WDFREGISTRYQUERYULONG, WdfRegistryQueryULongTableIndex, (Key: WDFKEY, ValueName: PCUNICODE_STRING, Value: PULONG) -> NTSTATUS);
    wdf_function!(WdfRegistryAssignULong, PFN_WDFREGISTRYASSIGNULONG, WdfRegistryAssignULongTableIndex, (Key: WDFKEY, ValueName: PCUNICODE_STRING, Value: ULONG) -> NTSTATUS);
    wdf_function!(WdfRequestGetStatus, PFN_WDFREQUESTGETSTATUS, WdfRequestGetStatusTableIndex, (Request: WDFREQUEST) -> NTSTATUS);
    wdf_function!(WdfRequestMarkCancelable, PFN_WDFREQUESTMARKCANCELABLE, WdfRequestMarkCancelableTableIndex, (Request: WDFREQUEST, EvtRequestCancel: PFN_WDF_REQUEST_CANCEL));
    wdf_function!(WdfRequestUnmarkCancelable, PFN_WDFREQUESTUNMARKCANCELABLE, WdfRequestUnmarkCancelableTableIndex, (Request: WDFREQUEST) -> NTSTATUS);
    wdf_function!(WdfRequestIsCanceled, PFN_WDFREQUESTISCANCELED, WdfRequestIsCanceledTableIndex, (Request: WDFREQUEST) -> BOOLEAN);
    wdf_function!(WdfRequestIsFrom32BitProcess, PFN_WDFREQUESTISFROM32BITPROCESS, WdfRequestIsFrom32BitProcessTableIndex, (Request: WDFREQUEST) -> BOOLEAN);
    wdf_function!(WdfRequestComplete, PFN_WDFREQUESTCOMPLETE, WdfRequestCompleteTableIndex, (Request: WDFREQUEST, Status: NTSTATUS));
    wdf_function!(WdfRequestCompleteWithPriorityBoost, PFN_WDFREQUESTCOMPLETEWITHPRIORITYBOOST, WdfRequestCompleteWithPriorityBoostTableIndex, (Request: WDFREQUEST, Status: NTSTATUS, PriorityBoost: CCHAR));
    wdf_function!(WdfRequestCompleteWithInformation, PFN_WDFREQUESTCOMPLETEWITHINFORMATION, WdfRequestCompleteWithInformationTableIndex, (Request: WDFREQUEST, Status: NTSTATUS, Information: ULONG_PTR));
    wdf_function!(WdfRequestGetParameters, PFN_WDFREQUESTGETPARAMETERS, WdfRequestGetParametersTableIndex, (Request: WDFREQUEST, Parameters: PWDF_REQUEST_PARAMETERS));
    wdf_function!(WdfRequestRetrieveInputMemory, PFN_WDFREQUESTRETRIEVEINPUTMEMORY, WdfRequestRetrieveInputMemoryTableIndex, (Request: WDFREQUEST, Memory: *mut WDFMEMORY) -> NTSTATUS);
    wdf_function!(WdfRequestRetrieveOutputMemory, PFN_WDFREQUESTRETRIEVEOUTPUTMEMORY, WdfRequestRetrieveOutputMemoryTableIndex, (Request: WDFREQUEST, Memory: *mut WDFMEMORY) -> NTSTATUS);
    wdf_function!(WdfRequestRetrieveInputBuffer, PFN_WDFREQUESTRETRIEVEINPUTBUFFER, WdfRequestRetrieveInputBufferTableIndex, (Request: WDFREQUEST, MinimumRequiredLength: usize, Buffer: *mut PVOID, Length: *mut usize) -> NTSTATUS);
    wdf_function!(WdfRequestRetrieveOutputBuffer, PFN_WDFREQUESTRETRIEVEOUTPUTBUFFER, WdfRequestRetrieveOutputBufferTableIndex, (Request: WDFREQUEST, MinimumRequiredSize: usize, Buffer: *mut PVOID, Length: *mut usize) -> NTSTATUS);
    wdf_function!(WdfRequestRetrieveInputWdmMdl, PFN_WDFREQUESTRETRIEVEINPUTWDMMDL, WdfRequestRetrieveInputWdmMdlTableIndex, (Request: WDFREQUEST, Mdl: *mut PMDL) -> NTSTATUS);
    wdf_function!(WdfRequestRetrieveOutputWdmMdl, PFN_WDFREQUESTRETRIEVEOUTPUTWDMMDL, WdfRequestRetrieveOutputWdmMdlTableIndex, (Request: WDFREQUEST, Mdl: *mut PMDL) -> NTSTATUS);
    wdf_function!(WdfRequestRetrieveUnsafeUserInputBuffer, PFN_WDFREQUESTRETRIEVEUNSAFEUSERINPUTBUFFER, WdfRequestRetrieveUnsafeUserInputBufferTableIndex, (Request: WDFREQUEST, MinimumRequiredLength: usize, InputBuffer: *mut PVOID, Length: *mut usize) -> NTSTATUS);
    wdf_function!(WdfRequestRetrieveUnsafeUserOutputBuffer, PFN_WDFREQUESTRETRIEVEUNSAFEUSEROUTPUTBUFFER, WdfRequestRetrieveUnsafeUserOutputBufferTableIndex, (Request: WDFREQUEST, MinimumRequiredLength: usize, OutputBuffer: *mut PVOID, Length: *mut usize) -> NTSTATUS);
    wdf_function!(WdfRequestSetInformation, PFN_WDFREQUESTSETINFORMATION, WdfRequestSetInformationTableIndex, (Request: WDFREQUEST, Information: ULONG_PTR));
    wdf_function!(WdfRequestGetInformation, PFN_WDFREQUESTGETINFORMATION, WdfRequestGetInformationTableIndex, (Request: WDFREQUEST) -> ULONG_PTR);
    wdf_function!(WdfRequestGetFileObject, PFN_WDFREQUESTGETFILEOBJECT, WdfRequestGetFileObjectTableIndex, (Request: WDFREQUEST) -> WDFFILEOBJECT);
    wdf_function!(WdfRequestProbeAndLockUserBufferForRead, PFN_WDFREQUESTPROBEANDLOCKUSERBUFFERFORREAD, WdfRequestProbeAndLockUserBufferForReadTableIndex, (Request: WDFREQUEST, Buffer: PVOID, Length: usize, MemoryObject: *mut WDFMEMORY) -> NTSTATUS);
    wdf_function!(WdfRequestProbeAndLockUserBufferForWrite, PFN_WDFREQUESTPROBEANDLOCKUSERBUFFERFORWRITE, WdfRequestProbeAndLockUserBufferForWriteTableIndex, (Request: WDFREQUEST, Buffer: PVOID, Length: usize, MemoryObject: *mut WDFMEMORY) -> NTSTATUS);
    wdf_function!(WdfRequestGetRequestorMode, PFN_WDFREQUESTGETREQUESTORMODE, WdfRequestGetRequestorModeTableIndex, (Request: WDFREQUEST) -> KPROCESSOR_MODE);
    wdf_function!(WdfRequestForwardToIoQueue, PFN_WDFREQUESTFORWARDTOIOQUEUE, WdfRequestForwardToIoQueueTableIndex, (Request: WDFREQUEST, DestinationQueue: WDFQUEUE) -> NTSTATUS);
    wdf_function!(WdfRequestGetIoQueue, PFN_WDFREQUESTGETIOQUEUE, WdfRequestGetIoQueueTableIndex, (Request: WDFREQUEST) -> WDFQUEUE);
    wdf_function!(WdfRequestRequeue, PFN_WDFREQUESTREQUEUE, WdfRequestRequeueTableIndex, (Request: WDFREQUEST) -> NTSTATUS);
    wdf_function!(WdfRequestStopAcknowledge, PFN_WDFREQUESTSTOPACKNOWLEDGE, WdfRequestStopAcknowledgeTableIndex, (Request: WDFREQUEST, Requeue: BOOLEAN));
    wdf_function!(WdfRequestWdmGetIrp, PFN_WDFREQUESTWDMGETIRP, WdfRequestWdmGetIrpTableIndex, (Request: WDFREQUEST) -> PIRP);
    wdf_function!(WdfCmResourceListGetCount, PFN_WDFCMRESOURCELISTGETCOUNT, WdfCmResourceListGetCountTableIndex, (List: WDFCMRESLIST) -> ULONG);
    wdf_function!(WdfCmResourceListGetDescriptor, PFN_WDFCMRESOURCELISTGETDESCRIPTOR, WdfCmResourceListGetDescriptorTableIndex, (List: WDFCMRESLIST, Index: ULONG) -> PCM_PARTIAL_RESOURCE_DESCRIPTOR);
    wdf_function!(WdfStringCreate, PFN_WDFSTRINGCREATE, WdfStringCreateTableIndex, (UnicodeString: PCUNICODE_STRING, StringAttributes: PWDF_OBJECT_ATTRIBUTES, String: *mut WDFSTRING) -> NTSTATUS);
    wdf_function!(WdfStringGetUnicodeString, PFN_WDFSTRINGGETUNICODESTRING, WdfStringGetUnicodeStringTableIndex, (String: WDFSTRING, UnicodeString: PUNICODE_STRING));
    wdf_function!(WdfWaitLockCreate, PFN_WDFWAITLOCKCREATE, WdfWaitLockCreateTableIndex, (LockAttributes: PWDF_OBJECT_ATTRIBUTES, Lock: *mut WDFWAITLOCK) -> NTSTATUS);
    wdf_function!(WdfWaitLockAcquire, PFN_WDFWAITLOCKACQUIRE, WdfWaitLockAcquireTableIndex, (Lock: WDFWAITLOCK, Timeout: PLONGLONG) -> NTSTATUS);
    wdf_function!(WdfWaitLockRelease, PFN_WDFWAITLOCKRELEASE, WdfWaitLockReleaseTableIndex, (Lock: WDFWAITLOCK));
    wdf_function!(WdfSpinLockCreate, PFN_WDFSPINLOCKCREATE, WdfSpinLockCreateTableIndex, (SpinLockAttributes: PWDF_OBJECT_ATTRIBUTES, SpinLock: *mut WDFSPINLOCK) -> NTSTATUS);
    wdf_function!(WdfSpinLockAcquire, PFN_WDFSPINLOCKACQUIRE, WdfSpinLockAcquireTableIndex, (SpinLock: WDFSPINLOCK));
    wdf_function!(WdfSpinLockRelease, PFN_WDFSPINLOCKRELEASE, WdfSpinLockReleaseTableIndex, (SpinLock: WDFSPINLOCK));
    wdf_function!(WdfTimerCreate, PFN_WDFTIMERCREATE, WdfTimerCreateTableIndex, (Config: PWDF_TIMER_CONFIG, Attributes: PWDF_OBJECT_ATTRIBUTES, Timer: *mut WDFTIMER) -> NTSTATUS);
    wdf_function!(WdfTimerStart, PFN_WDFTIMERSTART, WdfTimerStartTableIndex, (Timer: WDFTIMER, DueTime: LONGLONG) -> BOOLEAN);
    wdf_function!(WdfTimerStop, PFN_WDFTIMERSTOP, WdfTimerStopTableIndex, (Timer: WDFTIMER, Wait: BOOLEAN) -> BOOLEAN);
    wdf_function!(WdfTimerGetParentObject, PFN_WDFTIMERGETPARENTOBJECT, WdfTimerGetParentObjectTableIndex, (Timer: WDFTIMER) -> WDFOBJECT);
    wdf_function!(
        WdfVerifierDbgBreakPoint,
        PFN_WDFVERIFIERDBGBREAKPOINT,
        WdfVerifierDbgBreakPointTableIndex,
        ()
    );
    wdf_function!(WdfVerifierKeBugCheck, PFN_WDFVERIFIERKEBUGCHECK, WdfVerifierKeBugCheckTableIndex, (BugCheckCode: ULONG, BugCheckParameter1: ULONG_PTR, BugCheckParameter2: ULONG_PTR, BugCheckParameter3: ULONG_PTR, BugCheckParameter4: ULONG_PTR));
    wdf_function!(WdfWorkItemCreate, PFN_WDFWORKITEMCREATE, WdfWorkItemCreateTableIndex, (Config: PWDF_WORKITEM_CONFIG, Attributes: PWDF_OBJECT_ATTRIBUTES, WorkItem: *mut WDFWORKITEM) -> NTSTATUS);
    wdf_function!(WdfWorkItemEnqueue, PFN_WDFWORKITEMENQUEUE, WdfWorkItemEnqueueTableIndex, (WorkItem: WDFWORKITEM));
    wdf_function!(WdfWorkItemGetParentObject, PFN_WDFWORKITEMGETPARENTOBJECT, WdfWorkItemGetParentObjectTableIndex, (WorkItem: WDFWORKITEM) -> WDFOBJECT);
    wdf_function!(WdfWorkItemFlush, PFN_WDFWORKITEMFLUSH, WdfWorkItemFlushTableIndex, (WorkItem: WDFWORKITEM));
    wdf_function!(WdfRequestMarkCancelableEx, PFN_WDFREQUESTMARKCANCELABLEEX, WdfRequestMarkCancelableExTableIndex, (Request: WDFREQUEST, EvtRequestCancel: PFN_WDF_REQUEST_CANCEL) -> NTSTATUS);
    wdf_function!(WdfDeviceInitSetReleaseHardwareOrderOnFailure, PFN_WDFDEVICEINITSETRELEASEHARDWAREORDERONFAILURE, WdfDeviceInitSetReleaseHardwareOrderOnFailureTableIndex, (DeviceInit: PWDFDEVICE_INIT, ReleaseHardwareOrderOnFailure: WDF_RELEASE_HARDWARE_ORDER_ON_FAILURE));
    wdf_function!(WdfDeviceInitSetIoTypeEx, PFN_WDFDEVICEINITSETIOTYPEEX, WdfDeviceInitSetIoTypeExTableIndex, (DeviceInit: PWDFDEVICE_INIT, IoTypeConfig: PWDF_IO_TYPE_CONFIG));
}
