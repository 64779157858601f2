//! Calls into the framework through its function table, as `call_unsafe_wdf_function_binding!`
//! makes them.
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

/// Makes the function through which each framework function is called, from its name, its index and
/// type, and its parameters after the first. A result must be used, as with the real crate.
macro_rules! wdf_calls {
    ($(
        $name:ident[$index:ident as $pointer:ident]($($parameter:ident: $type:ty),* $(,)?) $(-> $result:ty)?;
    )+) => {
        $(
            #[doc = concat!("Calls `", stringify!($name), "`.")]
            ///
            /// # Safety
            ///
            /// The framework's documentation of the function says what a call must keep to.
            $(
                #[doc = concat!("\n\nReturns `", stringify!($result), "`.")]
                #[must_use]
            )?
            #[inline]
            pub unsafe fn $name($($parameter: $type),*) $(-> $result)? {
                // SAFETY: the framework fills the whole table before it calls the driver's
                // `DriverEntry`, never changes it, and puts at each index the function whose type
                // is named after that index. The rules for the arguments are kept by the caller.
                unsafe {
                    let entry: WDFFUNC = *crate::WdfFunctions.add(crate::_WDFFUNCENUM::$index as usize);
                    let function = core::mem::transmute::<WDFFUNC, $pointer>(entry).unwrap_unchecked();
                    function(crate::WdfDriverGlobals, $($parameter),*)
                }
            }
        )+
        wdf_names! { ($) $($name)+ }
    };
}

/// Makes the macro that knows the names of the framework's functions declared here, and says of any
/// other what is missing. `$dollar` is `$`, for the macro that is made.
macro_rules! wdf_names {
    (($dollar:tt) $($name:ident)+) => {
        #[doc(hidden)]
        #[macro_export]
        macro_rules! __call_wdf_function {
            $(
                ($name $dollar(, $dollar argument:expr)*) => {
                    $crate::wdf::__private::call::$name($dollar($dollar argument),*)
                };
            )+
            ($dollar missing:ident $dollar(, $dollar argument:expr)*) => {
                ::core::compile_error!(::core::concat!(
                    "`wdk-sys-lite` does not declare the framework function `",
                    ::core::stringify!($dollar missing),
                    "`: it stands in for `wdk-sys`, which has all of KMDF 1.33, and declares what its users needed so \
                    far. Check the name; if the framework has it, add a row for it to `wdf_calls!` in \
                    `crates/wdk-sys-lite/src/wdf.rs`, its `PFN_` type to `src/types.rs` there, and its facts to \
                    `tests/data/wdk-sys.json`; and whoever fills the framework's table (the simulated kernel: \
                    `ntsim`) needs a function behind it."
                ))
            };
        }
    };
}

/// Calls a framework function by its name, with all its arguments but the first (the driver's
/// globals).
///
/// # Safety
///
/// The call is unsafe, and its rules are those that the framework documents for the function; only
/// types are checked.
///
/// # Examples
///
/// ```no_run
/// use wdk_sys_lite as wdk_sys;
/// use wdk_sys::{STATUS_CANCELLED, WDFREQUEST, call_unsafe_wdf_function_binding};
///
/// /// Takes a request back from its cancel routine, and says whether the routine had not run yet.
/// unsafe fn take_back(request: WDFREQUEST) -> bool {
///     // SAFETY: the caller's request is one that was marked cancelable.
///     let status = unsafe { call_unsafe_wdf_function_binding!(WdfRequestUnmarkCancelable, request) };
///     status != STATUS_CANCELLED
/// }
/// ```
///
/// A function that this stand-in for `wdk-sys` does not declare is a compile error, which says
/// where it is added.
///
/// A result must be used:
///
/// ```compile_fail
/// #![deny(unused_must_use)]
/// use wdk_sys_lite as wdk_sys;
/// use wdk_sys::{WDFREQUEST, call_unsafe_wdf_function_binding};
///
/// unsafe fn take_back(request: WDFREQUEST) {
///     // SAFETY: the caller's request is one that was marked cancelable.
///     unsafe { call_unsafe_wdf_function_binding!(WdfRequestUnmarkCancelable, request) };
/// }
/// ```
#[macro_export]
macro_rules! call_unsafe_wdf_function_binding {
    ($function:ident $(, $argument:expr)* $(,)?) => {
        $crate::__call_wdf_function!($function $(, $argument)*)
    };
}

/// What the calling macro and a framework need, and drivers do not name.
#[doc(hidden)]
pub mod __private {
    /// The number of entries in the framework's function table.
    #[inline]
    #[must_use]
    pub const fn get_wdf_function_count() -> usize {
        WDF_FUNCTION_NAMES.len()
    }

    /// The name of each framework function, at its index in the table.
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

    /// One inlined function for each framework function: it takes the entry out of the table and
    /// calls it.
    pub mod call {
        #![allow(
            clippy::wildcard_imports,
            reason = "the signatures are written in the types module's names"
        )]

        use crate::types::*;

        wdf_calls! {
            WdfCmResourceListGetCount[WdfCmResourceListGetCountTableIndex as PFN_WDFCMRESOURCELISTGETCOUNT](
                List: WDFCMRESLIST,
            ) -> ULONG;
            WdfCmResourceListGetDescriptor[WdfCmResourceListGetDescriptorTableIndex as PFN_WDFCMRESOURCELISTGETDESCRIPTOR](
                List: WDFCMRESLIST,
                Index: ULONG,
            ) -> PCM_PARTIAL_RESOURCE_DESCRIPTOR;
            WdfCollectionAdd[WdfCollectionAddTableIndex as PFN_WDFCOLLECTIONADD](
                Collection: WDFCOLLECTION,
                Object: WDFOBJECT,
            ) -> NTSTATUS;
            WdfCollectionCreate[WdfCollectionCreateTableIndex as PFN_WDFCOLLECTIONCREATE](
                CollectionAttributes: PWDF_OBJECT_ATTRIBUTES,
                Collection: *mut WDFCOLLECTION,
            ) -> NTSTATUS;
            WdfCollectionGetCount[WdfCollectionGetCountTableIndex as PFN_WDFCOLLECTIONGETCOUNT](
                Collection: WDFCOLLECTION,
            ) -> ULONG;
            WdfCollectionGetFirstItem[WdfCollectionGetFirstItemTableIndex as PFN_WDFCOLLECTIONGETFIRSTITEM](
                Collection: WDFCOLLECTION,
            ) -> WDFOBJECT;
            WdfCollectionRemove[WdfCollectionRemoveTableIndex as PFN_WDFCOLLECTIONREMOVE](
                Collection: WDFCOLLECTION,
                Item: WDFOBJECT,
            );
            WdfControlDeviceInitAllocate[WdfControlDeviceInitAllocateTableIndex as PFN_WDFCONTROLDEVICEINITALLOCATE](
                Driver: WDFDRIVER,
                SDDLString: *const UNICODE_STRING,
            ) -> PWDFDEVICE_INIT;
            WdfControlFinishInitializing[WdfControlFinishInitializingTableIndex as PFN_WDFCONTROLFINISHINITIALIZING](
                Device: WDFDEVICE,
            );
            WdfDeviceAllocAndQueryProperty[WdfDeviceAllocAndQueryPropertyTableIndex as PFN_WDFDEVICEALLOCANDQUERYPROPERTY](
                Device: WDFDEVICE,
                DeviceProperty: DEVICE_REGISTRY_PROPERTY::Type,
                PoolType: POOL_TYPE,
                PropertyMemoryAttributes: PWDF_OBJECT_ATTRIBUTES,
                PropertyMemory: *mut WDFMEMORY,
            ) -> NTSTATUS;
            WdfDeviceAssignMofResourceName[WdfDeviceAssignMofResourceNameTableIndex as PFN_WDFDEVICEASSIGNMOFRESOURCENAME](
                Device: WDFDEVICE,
                MofResourceName: PCUNICODE_STRING,
            ) -> NTSTATUS;
            WdfDeviceConfigureRequestDispatching[WdfDeviceConfigureRequestDispatchingTableIndex as PFN_WDFDEVICECONFIGUREREQUESTDISPATCHING](
                Device: WDFDEVICE,
                Queue: WDFQUEUE,
                RequestType: WDF_REQUEST_TYPE,
            ) -> NTSTATUS;
            WdfDeviceCreate[WdfDeviceCreateTableIndex as PFN_WDFDEVICECREATE](
                DeviceInit: *mut PWDFDEVICE_INIT,
                DeviceAttributes: PWDF_OBJECT_ATTRIBUTES,
                Device: *mut WDFDEVICE,
            ) -> NTSTATUS;
            WdfDeviceCreateDeviceInterface[WdfDeviceCreateDeviceInterfaceTableIndex as PFN_WDFDEVICECREATEDEVICEINTERFACE](
                Device: WDFDEVICE,
                InterfaceClassGUID: *const GUID,
                ReferenceString: PCUNICODE_STRING,
            ) -> NTSTATUS;
            WdfDeviceCreateSymbolicLink[WdfDeviceCreateSymbolicLinkTableIndex as PFN_WDFDEVICECREATESYMBOLICLINK](
                Device: WDFDEVICE,
                SymbolicLinkName: PCUNICODE_STRING,
            ) -> NTSTATUS;
            WdfDeviceEnqueueRequest[WdfDeviceEnqueueRequestTableIndex as PFN_WDFDEVICEENQUEUEREQUEST](
                Device: WDFDEVICE,
                Request: WDFREQUEST,
            ) -> NTSTATUS;
            WdfDeviceGetDefaultQueue[WdfDeviceGetDefaultQueueTableIndex as PFN_WDFDEVICEGETDEFAULTQUEUE](
                Device: WDFDEVICE,
            ) -> WDFQUEUE;
            WdfDeviceGetDevicePnpState[WdfDeviceGetDevicePnpStateTableIndex as PFN_WDFDEVICEGETDEVICEPNPSTATE](
                Device: WDFDEVICE,
            ) -> WDF_DEVICE_PNP_STATE;
            WdfDeviceGetDriver[WdfDeviceGetDriverTableIndex as PFN_WDFDEVICEGETDRIVER](
                Device: WDFDEVICE,
            ) -> WDFDRIVER;
            WdfDeviceGetIoTarget[WdfDeviceGetIoTargetTableIndex as PFN_WDFDEVICEGETIOTARGET](
                Device: WDFDEVICE,
            ) -> WDFIOTARGET;
            WdfDeviceInitAssignName[WdfDeviceInitAssignNameTableIndex as PFN_WDFDEVICEINITASSIGNNAME](
                DeviceInit: PWDFDEVICE_INIT,
                DeviceName: PCUNICODE_STRING,
            ) -> NTSTATUS;
            WdfDeviceInitAssignSDDLString[WdfDeviceInitAssignSDDLStringTableIndex as PFN_WDFDEVICEINITASSIGNSDDLSTRING](
                DeviceInit: PWDFDEVICE_INIT,
                SDDLString: PCUNICODE_STRING,
            ) -> NTSTATUS;
            WdfDeviceInitFree[WdfDeviceInitFreeTableIndex as PFN_WDFDEVICEINITFREE](
                DeviceInit: PWDFDEVICE_INIT,
            );
            WdfDeviceInitSetCharacteristics[WdfDeviceInitSetCharacteristicsTableIndex as PFN_WDFDEVICEINITSETCHARACTERISTICS](
                DeviceInit: PWDFDEVICE_INIT,
                DeviceCharacteristics: ULONG,
                OrInValues: BOOLEAN,
            );
            WdfDeviceInitSetDeviceClass[WdfDeviceInitSetDeviceClassTableIndex as PFN_WDFDEVICEINITSETDEVICECLASS](
                DeviceInit: PWDFDEVICE_INIT,
                DeviceClassGuid: *const GUID,
            );
            WdfDeviceInitSetDeviceType[WdfDeviceInitSetDeviceTypeTableIndex as PFN_WDFDEVICEINITSETDEVICETYPE](
                DeviceInit: PWDFDEVICE_INIT,
                DeviceType: ULONG,
            );
            WdfDeviceInitSetExclusive[WdfDeviceInitSetExclusiveTableIndex as PFN_WDFDEVICEINITSETEXCLUSIVE](
                DeviceInit: PWDFDEVICE_INIT,
                IsExclusive: BOOLEAN,
            );
            WdfDeviceInitSetFileObjectConfig[WdfDeviceInitSetFileObjectConfigTableIndex as PFN_WDFDEVICEINITSETFILEOBJECTCONFIG](
                DeviceInit: PWDFDEVICE_INIT,
                FileObjectConfig: PWDF_FILEOBJECT_CONFIG,
                FileObjectAttributes: PWDF_OBJECT_ATTRIBUTES,
            );
            WdfDeviceInitSetIoInCallerContextCallback[WdfDeviceInitSetIoInCallerContextCallbackTableIndex as PFN_WDFDEVICEINITSETIOINCALLERCONTEXTCALLBACK](
                DeviceInit: PWDFDEVICE_INIT,
                EvtIoInCallerContext: PFN_WDF_IO_IN_CALLER_CONTEXT,
            );
            WdfDeviceInitSetIoType[WdfDeviceInitSetIoTypeTableIndex as PFN_WDFDEVICEINITSETIOTYPE](
                DeviceInit: PWDFDEVICE_INIT,
                IoType: WDF_DEVICE_IO_TYPE,
            );
            WdfDeviceInitSetIoTypeEx[WdfDeviceInitSetIoTypeExTableIndex as PFN_WDFDEVICEINITSETIOTYPEEX](
                DeviceInit: PWDFDEVICE_INIT,
                IoTypeConfig: PWDF_IO_TYPE_CONFIG,
            );
            WdfDeviceInitSetPnpPowerEventCallbacks[WdfDeviceInitSetPnpPowerEventCallbacksTableIndex as PFN_WDFDEVICEINITSETPNPPOWEREVENTCALLBACKS](
                DeviceInit: PWDFDEVICE_INIT,
                PnpPowerEventCallbacks: PWDF_PNPPOWER_EVENT_CALLBACKS,
            );
            WdfDeviceInitSetPowerNotPageable[WdfDeviceInitSetPowerNotPageableTableIndex as PFN_WDFDEVICEINITSETPOWERNOTPAGEABLE](
                DeviceInit: PWDFDEVICE_INIT,
            );
            WdfDeviceInitSetPowerPageable[WdfDeviceInitSetPowerPageableTableIndex as PFN_WDFDEVICEINITSETPOWERPAGEABLE](
                DeviceInit: PWDFDEVICE_INIT,
            );
            WdfDeviceInitSetPowerPolicyEventCallbacks[WdfDeviceInitSetPowerPolicyEventCallbacksTableIndex as PFN_WDFDEVICEINITSETPOWERPOLICYEVENTCALLBACKS](
                DeviceInit: PWDFDEVICE_INIT,
                PowerPolicyEventCallbacks: PWDF_POWER_POLICY_EVENT_CALLBACKS,
            );
            WdfDeviceInitSetReleaseHardwareOrderOnFailure[WdfDeviceInitSetReleaseHardwareOrderOnFailureTableIndex as PFN_WDFDEVICEINITSETRELEASEHARDWAREORDERONFAILURE](
                DeviceInit: PWDFDEVICE_INIT,
                ReleaseHardwareOrderOnFailure: WDF_RELEASE_HARDWARE_ORDER_ON_FAILURE,
            );
            WdfDeviceInitSetRequestAttributes[WdfDeviceInitSetRequestAttributesTableIndex as PFN_WDFDEVICEINITSETREQUESTATTRIBUTES](
                DeviceInit: PWDFDEVICE_INIT,
                RequestAttributes: PWDF_OBJECT_ATTRIBUTES,
            );
            WdfDeviceOpenRegistryKey[WdfDeviceOpenRegistryKeyTableIndex as PFN_WDFDEVICEOPENREGISTRYKEY](
                Device: WDFDEVICE,
                DeviceInstanceKeyType: ULONG,
                DesiredAccess: ACCESS_MASK,
                KeyAttributes: PWDF_OBJECT_ATTRIBUTES,
                Key: *mut WDFKEY,
            ) -> NTSTATUS;
            WdfDeviceQueryProperty[WdfDeviceQueryPropertyTableIndex as PFN_WDFDEVICEQUERYPROPERTY](
                Device: WDFDEVICE,
                DeviceProperty: DEVICE_REGISTRY_PROPERTY::Type,
                BufferLength: ULONG,
                PropertyBuffer: PVOID,
                ResultLength: PULONG,
            ) -> NTSTATUS;
            WdfDeviceResumeIdleNoTrack[WdfDeviceResumeIdleNoTrackTableIndex as PFN_WDFDEVICERESUMEIDLENOTRACK](
                Device: WDFDEVICE,
            );
            WdfDeviceSetDeviceInterfaceState[WdfDeviceSetDeviceInterfaceStateTableIndex as PFN_WDFDEVICESETDEVICEINTERFACESTATE](
                Device: WDFDEVICE,
                InterfaceClassGUID: *const GUID,
                ReferenceString: PCUNICODE_STRING,
                IsInterfaceEnabled: BOOLEAN,
            );
            WdfDeviceSetDeviceInterfaceStateEx[WdfDeviceSetDeviceInterfaceStateExTableIndex as PFN_WDFDEVICESETDEVICEINTERFACESTATEEX](
                Device: WDFDEVICE,
                InterfaceClassGUID: *const GUID,
                ReferenceString: PCUNICODE_STRING,
                IsInterfaceEnabled: BOOLEAN,
            );
            WdfDeviceSetFailed[WdfDeviceSetFailedTableIndex as PFN_WDFDEVICESETFAILED](
                Device: WDFDEVICE,
                FailedAction: WDF_DEVICE_FAILED_ACTION,
            );
            WdfDeviceSetPnpCapabilities[WdfDeviceSetPnpCapabilitiesTableIndex as PFN_WDFDEVICESETPNPCAPABILITIES](
                Device: WDFDEVICE,
                PnpCapabilities: PWDF_DEVICE_PNP_CAPABILITIES,
            );
            WdfDeviceStopIdleNoTrack[WdfDeviceStopIdleNoTrackTableIndex as PFN_WDFDEVICESTOPIDLENOTRACK](
                Device: WDFDEVICE,
                WaitForD0: BOOLEAN,
            ) -> NTSTATUS;
            WdfDeviceWdmGetAttachedDevice[WdfDeviceWdmGetAttachedDeviceTableIndex as PFN_WDFDEVICEWDMGETATTACHEDDEVICE](
                Device: WDFDEVICE,
            ) -> PDEVICE_OBJECT;
            WdfDeviceWdmGetDeviceObject[WdfDeviceWdmGetDeviceObjectTableIndex as PFN_WDFDEVICEWDMGETDEVICEOBJECT](
                Device: WDFDEVICE,
            ) -> PDEVICE_OBJECT;
            WdfDeviceWdmGetPhysicalDevice[WdfDeviceWdmGetPhysicalDeviceTableIndex as PFN_WDFDEVICEWDMGETPHYSICALDEVICE](
                Device: WDFDEVICE,
            ) -> PDEVICE_OBJECT;
            WdfDpcCancel[WdfDpcCancelTableIndex as PFN_WDFDPCCANCEL](Dpc: WDFDPC, Wait: BOOLEAN) -> BOOLEAN;
            WdfDpcCreate[WdfDpcCreateTableIndex as PFN_WDFDPCCREATE](
                Config: PWDF_DPC_CONFIG,
                Attributes: PWDF_OBJECT_ATTRIBUTES,
                Dpc: *mut WDFDPC,
            ) -> NTSTATUS;
            WdfDpcEnqueue[WdfDpcEnqueueTableIndex as PFN_WDFDPCENQUEUE](Dpc: WDFDPC) -> BOOLEAN;
            WdfDpcGetParentObject[WdfDpcGetParentObjectTableIndex as PFN_WDFDPCGETPARENTOBJECT](
                Dpc: WDFDPC,
            ) -> WDFOBJECT;
            WdfDriverCreate[WdfDriverCreateTableIndex as PFN_WDFDRIVERCREATE](
                DriverObject: PDRIVER_OBJECT,
                RegistryPath: PCUNICODE_STRING,
                DriverAttributes: PWDF_OBJECT_ATTRIBUTES,
                DriverConfig: PWDF_DRIVER_CONFIG,
                Driver: *mut WDFDRIVER,
            ) -> NTSTATUS;
            WdfDriverGetRegistryPath[WdfDriverGetRegistryPathTableIndex as PFN_WDFDRIVERGETREGISTRYPATH](
                Driver: WDFDRIVER,
            ) -> PWSTR;
            WdfDriverOpenParametersRegistryKey[WdfDriverOpenParametersRegistryKeyTableIndex as PFN_WDFDRIVEROPENPARAMETERSREGISTRYKEY](
                Driver: WDFDRIVER,
                DesiredAccess: ACCESS_MASK,
                KeyAttributes: PWDF_OBJECT_ATTRIBUTES,
                Key: *mut WDFKEY,
            ) -> NTSTATUS;
            WdfDriverWdmGetDriverObject[WdfDriverWdmGetDriverObjectTableIndex as PFN_WDFDRIVERWDMGETDRIVEROBJECT](
                Driver: WDFDRIVER,
            ) -> PDRIVER_OBJECT;
            WdfFdoQueryForInterface[WdfFdoQueryForInterfaceTableIndex as PFN_WDFFDOQUERYFORINTERFACE](
                Fdo: WDFDEVICE,
                InterfaceType: LPCGUID,
                Interface: PINTERFACE,
                Size: USHORT,
                Version: USHORT,
                InterfaceSpecificData: PVOID,
            ) -> NTSTATUS;
            WdfFileObjectGetDevice[WdfFileObjectGetDeviceTableIndex as PFN_WDFFILEOBJECTGETDEVICE](
                FileObject: WDFFILEOBJECT,
            ) -> WDFDEVICE;
            WdfFileObjectWdmGetFileObject[WdfFileObjectWdmGetFileObjectTableIndex as PFN_WDFFILEOBJECTWDMGETFILEOBJECT](
                FileObject: WDFFILEOBJECT,
            ) -> PFILE_OBJECT;
            WdfIoQueueCreate[WdfIoQueueCreateTableIndex as PFN_WDFIOQUEUECREATE](
                Device: WDFDEVICE,
                Config: PWDF_IO_QUEUE_CONFIG,
                QueueAttributes: PWDF_OBJECT_ATTRIBUTES,
                Queue: *mut WDFQUEUE,
            ) -> NTSTATUS;
            WdfIoQueueDrain[WdfIoQueueDrainTableIndex as PFN_WDFIOQUEUEDRAIN](
                Queue: WDFQUEUE,
                DrainComplete: PFN_WDF_IO_QUEUE_STATE,
                Context: WDFCONTEXT,
            );
            WdfIoQueueDrainSynchronously[WdfIoQueueDrainSynchronouslyTableIndex as PFN_WDFIOQUEUEDRAINSYNCHRONOUSLY](
                Queue: WDFQUEUE,
            );
            WdfIoQueueFindRequest[WdfIoQueueFindRequestTableIndex as PFN_WDFIOQUEUEFINDREQUEST](
                Queue: WDFQUEUE,
                FoundRequest: WDFREQUEST,
                FileObject: WDFFILEOBJECT,
                Parameters: PWDF_REQUEST_PARAMETERS,
                OutRequest: *mut WDFREQUEST,
            ) -> NTSTATUS;
            WdfIoQueueGetDevice[WdfIoQueueGetDeviceTableIndex as PFN_WDFIOQUEUEGETDEVICE](
                Queue: WDFQUEUE,
            ) -> WDFDEVICE;
            WdfIoQueueGetState[WdfIoQueueGetStateTableIndex as PFN_WDFIOQUEUEGETSTATE](
                Queue: WDFQUEUE,
                QueueRequests: PULONG,
                DriverRequests: PULONG,
            ) -> WDF_IO_QUEUE_STATE;
            WdfIoQueuePurge[WdfIoQueuePurgeTableIndex as PFN_WDFIOQUEUEPURGE](
                Queue: WDFQUEUE,
                PurgeComplete: PFN_WDF_IO_QUEUE_STATE,
                Context: WDFCONTEXT,
            );
            WdfIoQueuePurgeSynchronously[WdfIoQueuePurgeSynchronouslyTableIndex as PFN_WDFIOQUEUEPURGESYNCHRONOUSLY](
                Queue: WDFQUEUE,
            );
            WdfIoQueueReadyNotify[WdfIoQueueReadyNotifyTableIndex as PFN_WDFIOQUEUEREADYNOTIFY](
                Queue: WDFQUEUE,
                QueueReady: PFN_WDF_IO_QUEUE_STATE,
                Context: WDFCONTEXT,
            ) -> NTSTATUS;
            WdfIoQueueRetrieveFoundRequest[WdfIoQueueRetrieveFoundRequestTableIndex as PFN_WDFIOQUEUERETRIEVEFOUNDREQUEST](
                Queue: WDFQUEUE,
                FoundRequest: WDFREQUEST,
                OutRequest: *mut WDFREQUEST,
            ) -> NTSTATUS;
            WdfIoQueueRetrieveNextRequest[WdfIoQueueRetrieveNextRequestTableIndex as PFN_WDFIOQUEUERETRIEVENEXTREQUEST](
                Queue: WDFQUEUE,
                OutRequest: *mut WDFREQUEST,
            ) -> NTSTATUS;
            WdfIoQueueRetrieveRequestByFileObject[WdfIoQueueRetrieveRequestByFileObjectTableIndex as PFN_WDFIOQUEUERETRIEVEREQUESTBYFILEOBJECT](
                Queue: WDFQUEUE,
                FileObject: WDFFILEOBJECT,
                OutRequest: *mut WDFREQUEST,
            ) -> NTSTATUS;
            WdfIoQueueStart[WdfIoQueueStartTableIndex as PFN_WDFIOQUEUESTART](Queue: WDFQUEUE);
            WdfIoQueueStop[WdfIoQueueStopTableIndex as PFN_WDFIOQUEUESTOP](
                Queue: WDFQUEUE,
                StopComplete: PFN_WDF_IO_QUEUE_STATE,
                Context: WDFCONTEXT,
            );
            WdfIoQueueStopSynchronously[WdfIoQueueStopSynchronouslyTableIndex as PFN_WDFIOQUEUESTOPSYNCHRONOUSLY](
                Queue: WDFQUEUE,
            );
            WdfIoTargetClose[WdfIoTargetCloseTableIndex as PFN_WDFIOTARGETCLOSE](IoTarget: WDFIOTARGET);
            WdfIoTargetCreate[WdfIoTargetCreateTableIndex as PFN_WDFIOTARGETCREATE](
                Device: WDFDEVICE,
                IoTargetAttributes: PWDF_OBJECT_ATTRIBUTES,
                IoTarget: *mut WDFIOTARGET,
            ) -> NTSTATUS;
            WdfIoTargetOpen[WdfIoTargetOpenTableIndex as PFN_WDFIOTARGETOPEN](
                IoTarget: WDFIOTARGET,
                OpenParams: PWDF_IO_TARGET_OPEN_PARAMS,
            ) -> NTSTATUS;
            WdfIoTargetQueryForInterface[WdfIoTargetQueryForInterfaceTableIndex as PFN_WDFIOTARGETQUERYFORINTERFACE](
                IoTarget: WDFIOTARGET,
                InterfaceType: LPCGUID,
                Interface: PINTERFACE,
                Size: USHORT,
                Version: USHORT,
                InterfaceSpecificData: PVOID,
            ) -> NTSTATUS;
            WdfIoTargetWdmGetTargetDeviceObject[WdfIoTargetWdmGetTargetDeviceObjectTableIndex as PFN_WDFIOTARGETWDMGETTARGETDEVICEOBJECT](
                IoTarget: WDFIOTARGET,
            ) -> PDEVICE_OBJECT;
            WdfLookasideListCreate[WdfLookasideListCreateTableIndex as PFN_WDFLOOKASIDELISTCREATE](
                LookasideAttributes: PWDF_OBJECT_ATTRIBUTES,
                BufferSize: usize,
                PoolType: POOL_TYPE,
                MemoryAttributes: PWDF_OBJECT_ATTRIBUTES,
                PoolTag: ULONG,
                Lookaside: *mut WDFLOOKASIDE,
            ) -> NTSTATUS;
            WdfMemoryCreate[WdfMemoryCreateTableIndex as PFN_WDFMEMORYCREATE](
                Attributes: PWDF_OBJECT_ATTRIBUTES,
                PoolType: POOL_TYPE,
                PoolTag: ULONG,
                BufferSize: usize,
                Memory: *mut WDFMEMORY,
                Buffer: *mut PVOID,
            ) -> NTSTATUS;
            WdfMemoryCreateFromLookaside[WdfMemoryCreateFromLookasideTableIndex as PFN_WDFMEMORYCREATEFROMLOOKASIDE](
                Lookaside: WDFLOOKASIDE,
                Memory: *mut WDFMEMORY,
            ) -> NTSTATUS;
            WdfMemoryCreatePreallocated[WdfMemoryCreatePreallocatedTableIndex as PFN_WDFMEMORYCREATEPREALLOCATED](
                Attributes: PWDF_OBJECT_ATTRIBUTES,
                Buffer: PVOID,
                BufferSize: usize,
                Memory: *mut WDFMEMORY,
            ) -> NTSTATUS;
            WdfMemoryGetBuffer[WdfMemoryGetBufferTableIndex as PFN_WDFMEMORYGETBUFFER](
                Memory: WDFMEMORY,
                BufferSize: *mut usize,
            ) -> PVOID;
            WdfObjectAllocateContext[WdfObjectAllocateContextTableIndex as PFN_WDFOBJECTALLOCATECONTEXT](
                Handle: WDFOBJECT,
                ContextAttributes: PWDF_OBJECT_ATTRIBUTES,
                Context: *mut PVOID,
            ) -> NTSTATUS;
            WdfObjectContextGetObject[WdfObjectContextGetObjectTableIndex as PFN_WDFOBJECTCONTEXTGETOBJECT](
                ContextPointer: PVOID,
            ) -> WDFOBJECT;
            WdfObjectCreate[WdfObjectCreateTableIndex as PFN_WDFOBJECTCREATE](
                Attributes: PWDF_OBJECT_ATTRIBUTES,
                Object: *mut WDFOBJECT,
            ) -> NTSTATUS;
            WdfObjectDelete[WdfObjectDeleteTableIndex as PFN_WDFOBJECTDELETE](Object: WDFOBJECT);
            WdfObjectDereferenceActual[WdfObjectDereferenceActualTableIndex as PFN_WDFOBJECTDEREFERENCEACTUAL](
                Handle: WDFOBJECT,
                Tag: PVOID,
                Line: LONG,
                File: PCCH,
            );
            WdfObjectGetTypedContextWorker[WdfObjectGetTypedContextWorkerTableIndex as PFN_WDFOBJECTGETTYPEDCONTEXTWORKER](
                Handle: WDFOBJECT,
                TypeInfo: PCWDF_OBJECT_CONTEXT_TYPE_INFO,
            ) -> PVOID;
            WdfObjectQuery[WdfObjectQueryTableIndex as PFN_WDFOBJECTQUERY](
                Object: WDFOBJECT,
                Guid: *const GUID,
                QueryBufferLength: ULONG,
                QueryBuffer: PVOID,
            ) -> NTSTATUS;
            WdfObjectReferenceActual[WdfObjectReferenceActualTableIndex as PFN_WDFOBJECTREFERENCEACTUAL](
                Handle: WDFOBJECT,
                Tag: PVOID,
                Line: LONG,
                File: PCCH,
            );
            WdfRegistryAssignULong[WdfRegistryAssignULongTableIndex as PFN_WDFREGISTRYASSIGNULONG](
                Key: WDFKEY,
                ValueName: PCUNICODE_STRING,
                Value: ULONG,
            ) -> NTSTATUS;
            WdfRegistryClose[WdfRegistryCloseTableIndex as PFN_WDFREGISTRYCLOSE](Key: WDFKEY);
            WdfRegistryOpenKey[WdfRegistryOpenKeyTableIndex as PFN_WDFREGISTRYOPENKEY](
                ParentKey: WDFKEY,
                KeyName: PCUNICODE_STRING,
                DesiredAccess: ACCESS_MASK,
                KeyAttributes: PWDF_OBJECT_ATTRIBUTES,
                Key: *mut WDFKEY,
            ) -> NTSTATUS;
            WdfRegistryQueryMemory[WdfRegistryQueryMemoryTableIndex as PFN_WDFREGISTRYQUERYMEMORY](
                Key: WDFKEY,
                ValueName: PCUNICODE_STRING,
                PoolType: POOL_TYPE,
                MemoryAttributes: PWDF_OBJECT_ATTRIBUTES,
                Memory: *mut WDFMEMORY,
                ValueType: PULONG,
            ) -> NTSTATUS;
            WdfRegistryQueryString[WdfRegistryQueryStringTableIndex as PFN_WDFREGISTRYQUERYSTRING](
                Key: WDFKEY,
                ValueName: PCUNICODE_STRING,
                String: WDFSTRING,
            ) -> NTSTATUS;
            WdfRegistryQueryULong[WdfRegistryQueryULongTableIndex as PFN_WDFREGISTRYQUERYULONG](
                Key: WDFKEY,
                ValueName: PCUNICODE_STRING,
                Value: PULONG,
            ) -> NTSTATUS;
            WdfRegistryQueryUnicodeString[WdfRegistryQueryUnicodeStringTableIndex as PFN_WDFREGISTRYQUERYUNICODESTRING](
                Key: WDFKEY,
                ValueName: PCUNICODE_STRING,
                ValueByteLength: PUSHORT,
                Value: PUNICODE_STRING,
            ) -> NTSTATUS;
            WdfRequestComplete[WdfRequestCompleteTableIndex as PFN_WDFREQUESTCOMPLETE](
                Request: WDFREQUEST,
                Status: NTSTATUS,
            );
            WdfRequestCompleteWithInformation[WdfRequestCompleteWithInformationTableIndex as PFN_WDFREQUESTCOMPLETEWITHINFORMATION](
                Request: WDFREQUEST,
                Status: NTSTATUS,
                Information: ULONG_PTR,
            );
            WdfRequestCompleteWithPriorityBoost[WdfRequestCompleteWithPriorityBoostTableIndex as PFN_WDFREQUESTCOMPLETEWITHPRIORITYBOOST](
                Request: WDFREQUEST,
                Status: NTSTATUS,
                PriorityBoost: CCHAR,
            );
            WdfRequestForwardToIoQueue[WdfRequestForwardToIoQueueTableIndex as PFN_WDFREQUESTFORWARDTOIOQUEUE](
                Request: WDFREQUEST,
                DestinationQueue: WDFQUEUE,
            ) -> NTSTATUS;
            WdfRequestGetFileObject[WdfRequestGetFileObjectTableIndex as PFN_WDFREQUESTGETFILEOBJECT](
                Request: WDFREQUEST,
            ) -> WDFFILEOBJECT;
            WdfRequestGetInformation[WdfRequestGetInformationTableIndex as PFN_WDFREQUESTGETINFORMATION](
                Request: WDFREQUEST,
            ) -> ULONG_PTR;
            WdfRequestGetIoQueue[WdfRequestGetIoQueueTableIndex as PFN_WDFREQUESTGETIOQUEUE](
                Request: WDFREQUEST,
            ) -> WDFQUEUE;
            WdfRequestGetParameters[WdfRequestGetParametersTableIndex as PFN_WDFREQUESTGETPARAMETERS](
                Request: WDFREQUEST,
                Parameters: PWDF_REQUEST_PARAMETERS,
            );
            WdfRequestGetRequestorMode[WdfRequestGetRequestorModeTableIndex as PFN_WDFREQUESTGETREQUESTORMODE](
                Request: WDFREQUEST,
            ) -> KPROCESSOR_MODE;
            WdfRequestGetStatus[WdfRequestGetStatusTableIndex as PFN_WDFREQUESTGETSTATUS](
                Request: WDFREQUEST,
            ) -> NTSTATUS;
            WdfRequestIsCanceled[WdfRequestIsCanceledTableIndex as PFN_WDFREQUESTISCANCELED](
                Request: WDFREQUEST,
            ) -> BOOLEAN;
            WdfRequestIsFrom32BitProcess[WdfRequestIsFrom32BitProcessTableIndex as PFN_WDFREQUESTISFROM32BITPROCESS](
                Request: WDFREQUEST,
            ) -> BOOLEAN;
            WdfRequestMarkCancelable[WdfRequestMarkCancelableTableIndex as PFN_WDFREQUESTMARKCANCELABLE](
                Request: WDFREQUEST,
                EvtRequestCancel: PFN_WDF_REQUEST_CANCEL,
            );
            WdfRequestMarkCancelableEx[WdfRequestMarkCancelableExTableIndex as PFN_WDFREQUESTMARKCANCELABLEEX](
                Request: WDFREQUEST,
                EvtRequestCancel: PFN_WDF_REQUEST_CANCEL,
            ) -> NTSTATUS;
            WdfRequestProbeAndLockUserBufferForRead[WdfRequestProbeAndLockUserBufferForReadTableIndex as PFN_WDFREQUESTPROBEANDLOCKUSERBUFFERFORREAD](
                Request: WDFREQUEST,
                Buffer: PVOID,
                Length: usize,
                MemoryObject: *mut WDFMEMORY,
            ) -> NTSTATUS;
            WdfRequestProbeAndLockUserBufferForWrite[WdfRequestProbeAndLockUserBufferForWriteTableIndex as PFN_WDFREQUESTPROBEANDLOCKUSERBUFFERFORWRITE](
                Request: WDFREQUEST,
                Buffer: PVOID,
                Length: usize,
                MemoryObject: *mut WDFMEMORY,
            ) -> NTSTATUS;
            WdfRequestRequeue[WdfRequestRequeueTableIndex as PFN_WDFREQUESTREQUEUE](
                Request: WDFREQUEST,
            ) -> NTSTATUS;
            WdfRequestRetrieveInputBuffer[WdfRequestRetrieveInputBufferTableIndex as PFN_WDFREQUESTRETRIEVEINPUTBUFFER](
                Request: WDFREQUEST,
                MinimumRequiredLength: usize,
                Buffer: *mut PVOID,
                Length: *mut usize,
            ) -> NTSTATUS;
            WdfRequestRetrieveInputMemory[WdfRequestRetrieveInputMemoryTableIndex as PFN_WDFREQUESTRETRIEVEINPUTMEMORY](
                Request: WDFREQUEST,
                Memory: *mut WDFMEMORY,
            ) -> NTSTATUS;
            WdfRequestRetrieveInputWdmMdl[WdfRequestRetrieveInputWdmMdlTableIndex as PFN_WDFREQUESTRETRIEVEINPUTWDMMDL](
                Request: WDFREQUEST,
                Mdl: *mut PMDL,
            ) -> NTSTATUS;
            WdfRequestRetrieveOutputBuffer[WdfRequestRetrieveOutputBufferTableIndex as PFN_WDFREQUESTRETRIEVEOUTPUTBUFFER](
                Request: WDFREQUEST,
                MinimumRequiredSize: usize,
                Buffer: *mut PVOID,
                Length: *mut usize,
            ) -> NTSTATUS;
            WdfRequestRetrieveOutputMemory[WdfRequestRetrieveOutputMemoryTableIndex as PFN_WDFREQUESTRETRIEVEOUTPUTMEMORY](
                Request: WDFREQUEST,
                Memory: *mut WDFMEMORY,
            ) -> NTSTATUS;
            WdfRequestRetrieveOutputWdmMdl[WdfRequestRetrieveOutputWdmMdlTableIndex as PFN_WDFREQUESTRETRIEVEOUTPUTWDMMDL](
                Request: WDFREQUEST,
                Mdl: *mut PMDL,
            ) -> NTSTATUS;
            WdfRequestRetrieveUnsafeUserInputBuffer[WdfRequestRetrieveUnsafeUserInputBufferTableIndex as PFN_WDFREQUESTRETRIEVEUNSAFEUSERINPUTBUFFER](
                Request: WDFREQUEST,
                MinimumRequiredLength: usize,
                InputBuffer: *mut PVOID,
                Length: *mut usize,
            ) -> NTSTATUS;
            WdfRequestRetrieveUnsafeUserOutputBuffer[WdfRequestRetrieveUnsafeUserOutputBufferTableIndex as PFN_WDFREQUESTRETRIEVEUNSAFEUSEROUTPUTBUFFER](
                Request: WDFREQUEST,
                MinimumRequiredLength: usize,
                OutputBuffer: *mut PVOID,
                Length: *mut usize,
            ) -> NTSTATUS;
            WdfRequestSetInformation[WdfRequestSetInformationTableIndex as PFN_WDFREQUESTSETINFORMATION](
                Request: WDFREQUEST,
                Information: ULONG_PTR,
            );
            WdfRequestStopAcknowledge[WdfRequestStopAcknowledgeTableIndex as PFN_WDFREQUESTSTOPACKNOWLEDGE](
                Request: WDFREQUEST,
                Requeue: BOOLEAN,
            );
            WdfRequestUnmarkCancelable[WdfRequestUnmarkCancelableTableIndex as PFN_WDFREQUESTUNMARKCANCELABLE](
                Request: WDFREQUEST,
            ) -> NTSTATUS;
            WdfRequestWdmGetIrp[WdfRequestWdmGetIrpTableIndex as PFN_WDFREQUESTWDMGETIRP](
                Request: WDFREQUEST,
            ) -> PIRP;
            WdfSpinLockAcquire[WdfSpinLockAcquireTableIndex as PFN_WDFSPINLOCKACQUIRE](SpinLock: WDFSPINLOCK);
            WdfSpinLockCreate[WdfSpinLockCreateTableIndex as PFN_WDFSPINLOCKCREATE](
                SpinLockAttributes: PWDF_OBJECT_ATTRIBUTES,
                SpinLock: *mut WDFSPINLOCK,
            ) -> NTSTATUS;
            WdfSpinLockRelease[WdfSpinLockReleaseTableIndex as PFN_WDFSPINLOCKRELEASE](SpinLock: WDFSPINLOCK);
            WdfStringCreate[WdfStringCreateTableIndex as PFN_WDFSTRINGCREATE](
                UnicodeString: PCUNICODE_STRING,
                StringAttributes: PWDF_OBJECT_ATTRIBUTES,
                String: *mut WDFSTRING,
            ) -> NTSTATUS;
            WdfStringGetUnicodeString[WdfStringGetUnicodeStringTableIndex as PFN_WDFSTRINGGETUNICODESTRING](
                String: WDFSTRING,
                UnicodeString: PUNICODE_STRING,
            );
            WdfTimerCreate[WdfTimerCreateTableIndex as PFN_WDFTIMERCREATE](
                Config: PWDF_TIMER_CONFIG,
                Attributes: PWDF_OBJECT_ATTRIBUTES,
                Timer: *mut WDFTIMER,
            ) -> NTSTATUS;
            WdfTimerGetParentObject[WdfTimerGetParentObjectTableIndex as PFN_WDFTIMERGETPARENTOBJECT](
                Timer: WDFTIMER,
            ) -> WDFOBJECT;
            WdfTimerStart[WdfTimerStartTableIndex as PFN_WDFTIMERSTART](
                Timer: WDFTIMER,
                DueTime: LONGLONG,
            ) -> BOOLEAN;
            WdfTimerStop[WdfTimerStopTableIndex as PFN_WDFTIMERSTOP](
                Timer: WDFTIMER,
                Wait: BOOLEAN,
            ) -> BOOLEAN;
            WdfVerifierDbgBreakPoint[WdfVerifierDbgBreakPointTableIndex as PFN_WDFVERIFIERDBGBREAKPOINT]();
            WdfVerifierKeBugCheck[WdfVerifierKeBugCheckTableIndex as PFN_WDFVERIFIERKEBUGCHECK](
                BugCheckCode: ULONG,
                BugCheckParameter1: ULONG_PTR,
                BugCheckParameter2: ULONG_PTR,
                BugCheckParameter3: ULONG_PTR,
                BugCheckParameter4: ULONG_PTR,
            );
            WdfWaitLockAcquire[WdfWaitLockAcquireTableIndex as PFN_WDFWAITLOCKACQUIRE](
                Lock: WDFWAITLOCK,
                Timeout: PLONGLONG,
            ) -> NTSTATUS;
            WdfWaitLockCreate[WdfWaitLockCreateTableIndex as PFN_WDFWAITLOCKCREATE](
                LockAttributes: PWDF_OBJECT_ATTRIBUTES,
                Lock: *mut WDFWAITLOCK,
            ) -> NTSTATUS;
            WdfWaitLockRelease[WdfWaitLockReleaseTableIndex as PFN_WDFWAITLOCKRELEASE](Lock: WDFWAITLOCK);
            WdfWmiInstanceCreate[WdfWmiInstanceCreateTableIndex as PFN_WDFWMIINSTANCECREATE](
                Device: WDFDEVICE,
                InstanceConfig: PWDF_WMI_INSTANCE_CONFIG,
                InstanceAttributes: PWDF_OBJECT_ATTRIBUTES,
                Instance: *mut WDFWMIINSTANCE,
            ) -> NTSTATUS;
            WdfWmiInstanceRegister[WdfWmiInstanceRegisterTableIndex as PFN_WDFWMIINSTANCEREGISTER](
                WmiInstance: WDFWMIINSTANCE,
            ) -> NTSTATUS;
            WdfWmiProviderCreate[WdfWmiProviderCreateTableIndex as PFN_WDFWMIPROVIDERCREATE](
                Device: WDFDEVICE,
                WmiProviderConfig: PWDF_WMI_PROVIDER_CONFIG,
                ProviderAttributes: PWDF_OBJECT_ATTRIBUTES,
                WmiProvider: *mut WDFWMIPROVIDER,
            ) -> NTSTATUS;
            WdfWorkItemCreate[WdfWorkItemCreateTableIndex as PFN_WDFWORKITEMCREATE](
                Config: PWDF_WORKITEM_CONFIG,
                Attributes: PWDF_OBJECT_ATTRIBUTES,
                WorkItem: *mut WDFWORKITEM,
            ) -> NTSTATUS;
            WdfWorkItemEnqueue[WdfWorkItemEnqueueTableIndex as PFN_WDFWORKITEMENQUEUE](WorkItem: WDFWORKITEM);
            WdfWorkItemFlush[WdfWorkItemFlushTableIndex as PFN_WDFWORKITEMFLUSH](WorkItem: WDFWORKITEM);
            WdfWorkItemGetParentObject[WdfWorkItemGetParentObjectTableIndex as PFN_WDFWORKITEMGETPARENTOBJECT](
                WorkItem: WDFWORKITEM,
            ) -> WDFOBJECT;
        }
    }
}
