//! Registry keys: the framework's key objects, and the small registry behind them.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use wdk_sys_lite::{
    ACCESS_MASK, GENERIC_ALL, GENERIC_READ, GENERIC_WRITE, KEY_QUERY_VALUE, KEY_SET_VALUE,
    MAXIMUM_ALLOWED, NTSTATUS, PCUNICODE_STRING, POOL_TYPE, PULONG, PUNICODE_STRING, PUSHORT,
    PWDF_DRIVER_GLOBALS, PWDF_OBJECT_ATTRIBUTES, REG_DWORD, REG_SZ, STATUS_ACCESS_DENIED,
    STATUS_BUFFER_OVERFLOW, STATUS_INSUFFICIENT_RESOURCES, STATUS_INVALID_PARAMETER,
    STATUS_OBJECT_NAME_NOT_FOUND, STATUS_OBJECT_TYPE_MISMATCH, STATUS_SUCCESS, ULONG, USHORT,
    WDFDRIVER, WDFKEY, WDFMEMORY, WDFSTRING,
};

use crate::driver;
use crate::kernel::kernel;
use crate::nt_export;

use super::collection::Text;
use super::object::{self, Attributes, Body, Kind, Object};
use super::table::wdf_functions;
use super::{caller, require, text_of};

/// A value: its type and its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    /// `REG_DWORD`, `REG_SZ` and so on.
    pub kind: u32,
    /// The data.
    pub data: Vec<u8>,
}

impl Value {
    /// A value of type `REG_DWORD`.
    #[must_use]
    pub fn dword(value: u32) -> Self {
        Self {
            kind: REG_DWORD,
            data: value.to_le_bytes().to_vec(),
        }
    }

    /// A value of type `REG_SZ`.
    #[must_use]
    pub fn string(text: &str) -> Self {
        Self {
            kind: REG_SZ,
            data: text
                .encode_utf16()
                .chain(std::iter::once(0))
                .flat_map(u16::to_le_bytes)
                .collect(),
        }
    }

    fn as_dword(&self) -> Option<u32> {
        let bytes = self.data.as_slice().try_into().ok()?;
        (self.kind == REG_DWORD).then(|| u32::from_le_bytes(bytes))
    }

    fn as_text(&self) -> Option<String> {
        if self.kind != REG_SZ {
            return None;
        }
        let units: Vec<u16> = self
            .data
            .chunks_exact(2)
            .map(|pair| u16::from_le_bytes([pair[0], pair[1]]))
            .take_while(|unit| *unit != 0)
            .collect();
        Some(String::from_utf16_lossy(&units))
    }
}

/// The registry: values by key and name, neither of which distinguishes case.
#[derive(Default)]
pub struct Registry(RefCell<BTreeMap<String, BTreeMap<String, Value>>>);

impl Registry {
    /// Creates a key, unless it is there.
    pub fn create_key(&self, path: &str) {
        self.0.borrow_mut().entry(path.to_lowercase()).or_default();
    }

    /// Whether a key exists.
    #[must_use]
    pub fn has_key(&self, path: &str) -> bool {
        self.0.borrow().contains_key(&path.to_lowercase())
    }

    /// Sets a value, and creates its key.
    pub fn set(&self, path: &str, name: &str, value: Value) {
        self.0
            .borrow_mut()
            .entry(path.to_lowercase())
            .or_default()
            .insert(name.to_lowercase(), value);
    }

    /// A value.
    #[must_use]
    pub fn get(&self, path: &str, name: &str) -> Option<Value> {
        self.0
            .borrow()
            .get(&path.to_lowercase())?
            .get(&name.to_lowercase())
            .cloned()
    }
}

struct RegistryKey {
    path: String,
    access: Cell<ACCESS_MASK>,
}

impl Body for RegistryKey {}

impl RegistryKey {
    fn may(&self, right: ACCESS_MASK, generic: ACCESS_MASK) -> Result<(), NTSTATUS> {
        if self.access.get() & (right | generic | GENERIC_ALL | MAXIMUM_ALLOWED) == 0 {
            return Err(STATUS_ACCESS_DENIED);
        }
        Ok(())
    }

    fn value(&self, name: &str) -> Result<Value, NTSTATUS> {
        self.may(KEY_QUERY_VALUE, GENERIC_READ)?;
        kernel()
            .wdf
            .registry
            .get(&self.path, name)
            .ok_or(STATUS_OBJECT_NAME_NOT_FOUND)
    }
}

/// Opens a key as a framework object.
pub(crate) fn open(
    parent: &Rc<Object>,
    attributes: &Attributes,
    path: &str,
    access: ACCESS_MASK,
    create: bool,
) -> Result<Rc<Object>, NTSTATUS> {
    if kernel().should_fail() {
        return Err(STATUS_INSUFFICIENT_RESOURCES);
    }
    let registry = &kernel().wdf.registry;
    if create {
        registry.create_key(path);
    }
    if !registry.has_key(path) {
        return Err(STATUS_OBJECT_NAME_NOT_FOUND);
    }
    let key = RegistryKey {
        path: path.to_owned(),
        access: Cell::new(access),
    };
    object::create(
        Kind::Key,
        parent.driver,
        attributes,
        Some(parent),
        Rc::new(key),
    )
}

/// The path of a driver's `Parameters` key.
#[must_use]
pub fn parameters_path(driver: &str) -> String {
    format!(r"\Registry\Machine\System\CurrentControlSet\Services\{driver}\Parameters")
}

/// Writes a handle out.
///
/// # Safety
///
/// `place` may be written.
unsafe fn give(
    created: Result<Rc<Object>, NTSTATUS>,
    place: *mut wdk_sys_lite::WDFOBJECT,
) -> NTSTATUS {
    match created {
        Ok(object) => {
            // SAFETY: says the caller.
            unsafe { place.write(object.handle()) };
            STATUS_SUCCESS
        }
        Err(status) => status,
    }
}

/// A key's value by a name of the driver's.
///
/// # Safety
///
/// `name` is null or a readable string.
unsafe fn query(function: &str, key: WDFKEY, name: PCUNICODE_STRING) -> Result<Value, NTSTATUS> {
    let key = object::of(key, Kind::Key).body::<RegistryKey>();
    require(function, "ValueName", name.is_null());
    // SAFETY: says the caller.
    let name = unsafe { text_of(name) }?.unwrap_or_default();
    if kernel().should_fail() {
        return Err(STATUS_INSUFFICIENT_RESOURCES);
    }
    key.value(&name)
}

nt_export! { table
    /// Opens the driver's `Parameters` key.
    irql(== PASSIVE_LEVEL) fn WdfDriverOpenParametersRegistryKey(
        _globals: PWDF_DRIVER_GLOBALS,
        driver: WDFDRIVER,
        access: ACCESS_MASK,
        attributes: PWDF_OBJECT_ATTRIBUTES,
        key: *mut WDFKEY,
    ) -> NTSTATUS {
        let object = object::of(driver, Kind::Driver);
        require("WdfDriverOpenParametersRegistryKey", "Key", key.is_null());
        let path = parameters_path(&driver::name_of(object.driver));
        // SAFETY: null or attributes that the driver vouches for by calling.
        let opened = unsafe { Attributes::read(Kind::Key, attributes) }
            .and_then(|attributes| open(&object, &attributes, &path, access, false));
        // SAFETY: not null, and the driver vouches that it may be written.
        unsafe { give(opened, key) }
    }

    /// Opens a key by its full path, or below another key.
    irql(== PASSIVE_LEVEL) fn WdfRegistryOpenKey(
        _globals: PWDF_DRIVER_GLOBALS,
        parent: WDFKEY,
        name: PCUNICODE_STRING,
        access: ACCESS_MASK,
        attributes: PWDF_OBJECT_ATTRIBUTES,
        key: *mut WDFKEY,
    ) -> NTSTATUS {
        require("WdfRegistryOpenKey", "KeyName", name.is_null());
        require("WdfRegistryOpenKey", "Key", key.is_null());
        let above = (!parent.is_null()).then(|| object::of(parent, Kind::Key).body::<RegistryKey>());
        let (_, driver) = caller();
        let Some(driver) = driver else {
            return STATUS_INVALID_PARAMETER;
        };
        // SAFETY: attributes or null, and a string, that the driver vouches for by calling.
        let read = unsafe {
            Attributes::read(Kind::Key, attributes).and_then(|own| Ok((own, text_of(name)?.unwrap_or_default())))
        };
        let opened = read.and_then(|(attributes, name)| {
            let path = above.map_or_else(|| name.clone(), |above| format!(r"{}\{name}", above.path));
            open(&driver, &attributes, &path, access, false)
        });
        // SAFETY: not null, and the driver vouches that it may be written.
        unsafe { give(opened, key) }
    }

    /// Closes a key; its handle is gone.
    irql(== PASSIVE_LEVEL) fn WdfRegistryClose(_globals: PWDF_DRIVER_GLOBALS, key: WDFKEY) {
        object::delete_for_driver(&object::of(key, Kind::Key));
    }

    /// A number.
    irql(== PASSIVE_LEVEL) fn WdfRegistryQueryULong(
        _globals: PWDF_DRIVER_GLOBALS,
        key: WDFKEY,
        name: PCUNICODE_STRING,
        value: PULONG,
    ) -> NTSTATUS {
        require("WdfRegistryQueryULong", "Value", value.is_null());
        // SAFETY: null or a string that the driver vouches for by calling.
        let found = unsafe { query("WdfRegistryQueryULong", key, name) }
            .and_then(|found| found.as_dword().ok_or(STATUS_OBJECT_TYPE_MISMATCH));
        match found {
            Ok(number) => {
                // SAFETY: not null, and the driver vouches that it may be written.
                unsafe { value.write(number) };
                STATUS_SUCCESS
            }
            Err(status) => status,
        }
    }

    /// A string, copied into the driver's buffer.
    irql(== PASSIVE_LEVEL) fn WdfRegistryQueryUnicodeString(
        _globals: PWDF_DRIVER_GLOBALS,
        key: WDFKEY,
        name: PCUNICODE_STRING,
        length: PUSHORT,
        value: PUNICODE_STRING,
    ) -> NTSTATUS {
        // SAFETY: null or a string that the driver vouches for by calling.
        let found = unsafe { query("WdfRegistryQueryUnicodeString", key, name) }
            .and_then(|found| found.as_text().ok_or(STATUS_OBJECT_TYPE_MISMATCH));
        let text: Vec<u16> = match found {
            Ok(text) => text.encode_utf16().collect(),
            Err(status) => return status,
        };
        let bytes = USHORT::try_from(text.len() * 2).unwrap_or(USHORT::MAX);
        if !length.is_null() {
            // SAFETY: not null, and the driver vouches that it may be written.
            unsafe { length.write(bytes) };
        }
        // SAFETY: null or a string with a buffer of `MaximumLength` bytes that the driver vouches
        // for by calling.
        let Some(value) = (unsafe { value.as_mut() }) else {
            return STATUS_SUCCESS;
        };
        if usize::from(value.MaximumLength) < text.len() * 2 {
            return STATUS_BUFFER_OVERFLOW;
        }
        // SAFETY: `MaximumLength` writable bytes, of which as many as the text has are written.
        unsafe { value.Buffer.copy_from_nonoverlapping(text.as_ptr(), text.len()) };
        value.Length = bytes;
        STATUS_SUCCESS
    }

    /// A string, into a string object.
    irql(== PASSIVE_LEVEL) fn WdfRegistryQueryString(
        _globals: PWDF_DRIVER_GLOBALS,
        key: WDFKEY,
        name: PCUNICODE_STRING,
        string: WDFSTRING,
    ) -> NTSTATUS {
        let string = object::of(string, Kind::String).body::<Text>();
        // SAFETY: null or a string that the driver vouches for by calling.
        let found = unsafe { query("WdfRegistryQueryString", key, name) }
            .and_then(|found| found.as_text().ok_or(STATUS_OBJECT_TYPE_MISMATCH));
        match found {
            Ok(text) => {
                string.set(&text);
                STATUS_SUCCESS
            }
            Err(status) => status,
        }
    }

    /// Any value, into a new memory object.
    irql(== PASSIVE_LEVEL) fn WdfRegistryQueryMemory(
        _globals: PWDF_DRIVER_GLOBALS,
        key: WDFKEY,
        name: PCUNICODE_STRING,
        _pool_type: POOL_TYPE,
        attributes: PWDF_OBJECT_ATTRIBUTES,
        memory: *mut WDFMEMORY,
        kind: PULONG,
    ) -> NTSTATUS {
        require("WdfRegistryQueryMemory", "Memory", memory.is_null());
        let (_, driver) = caller();
        let Some(driver) = driver else {
            return STATUS_INVALID_PARAMETER;
        };
        // SAFETY: null or attributes, null or a string, that the driver vouches for by calling.
        let read = unsafe {
            Attributes::read(Kind::Memory, attributes)
                .and_then(|own| Ok((own, query("WdfRegistryQueryMemory", key, name)?)))
        };
        let created = read.and_then(|(attributes, value)| {
            let created = super::memory::create_with(&driver, &attributes, &value.data)?;
            if !kind.is_null() {
                // SAFETY: not null, and the driver vouches that it may be written.
                unsafe { kind.write(value.kind) };
            }
            Ok(created)
        });
        // SAFETY: not null, and the driver vouches that it may be written.
        unsafe { give(created, memory) }
    }

    /// Sets a number.
    irql(== PASSIVE_LEVEL) fn WdfRegistryAssignULong(
        _globals: PWDF_DRIVER_GLOBALS,
        key: WDFKEY,
        name: PCUNICODE_STRING,
        value: ULONG,
    ) -> NTSTATUS {
        let key = object::of(key, Kind::Key).body::<RegistryKey>();
        require("WdfRegistryAssignULong", "ValueName", name.is_null());
        if kernel().should_fail() {
            return STATUS_INSUFFICIENT_RESOURCES;
        }
        // SAFETY: not null, and the driver vouches for it by calling.
        let name = match unsafe { text_of(name) } {
            Ok(name) => name.unwrap_or_default(),
            Err(status) => return status,
        };
        if let Err(status) = key.may(KEY_SET_VALUE, GENERIC_WRITE) {
            return status;
        }
        kernel().wdf.registry.set(&key.path, &name, Value::dword(value));
        STATUS_SUCCESS
    }
}

wdf_functions! {
    WdfDriverOpenParametersRegistryKeyTableIndex: PFN_WDFDRIVEROPENPARAMETERSREGISTRYKEY =
        WdfDriverOpenParametersRegistryKey;
    WdfRegistryOpenKeyTableIndex: PFN_WDFREGISTRYOPENKEY = WdfRegistryOpenKey;
    WdfRegistryCloseTableIndex: PFN_WDFREGISTRYCLOSE = WdfRegistryClose;
    WdfRegistryQueryULongTableIndex: PFN_WDFREGISTRYQUERYULONG = WdfRegistryQueryULong;
    WdfRegistryQueryUnicodeStringTableIndex: PFN_WDFREGISTRYQUERYUNICODESTRING = WdfRegistryQueryUnicodeString;
    WdfRegistryQueryStringTableIndex: PFN_WDFREGISTRYQUERYSTRING = WdfRegistryQueryString;
    WdfRegistryQueryMemoryTableIndex: PFN_WDFREGISTRYQUERYMEMORY = WdfRegistryQueryMemory;
    WdfRegistryAssignULongTableIndex: PFN_WDFREGISTRYASSIGNULONG = WdfRegistryAssignULong;
}
