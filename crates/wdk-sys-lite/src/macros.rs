//! Macros.

/// Calls a function of the framework's by name: `call_unsafe_wdf_function_binding!(WdfRequestComplete, request, status)`.
#[macro_export]
macro_rules! call_unsafe_wdf_function_binding {
    ($function:ident $(, $argument:expr)* $(,)?) => {
        $crate::wdf::__inline::$function($($argument),*)
    };
}

/// Asserts in debug builds that the IRQL allows pageable code.
#[macro_export]
macro_rules! PAGED_CODE {
    () => {
        debug_assert!(unsafe { $crate::ntddk::KeGetCurrentIrql() } <= $crate::APC_LEVEL as u8);
    };
}
