//! Collections of objects, and strings.

use std::cell::RefCell;
use std::rc::Rc;

use wdk_sys_lite::{
    NTSTATUS, PCUNICODE_STRING, PUNICODE_STRING, PWDF_DRIVER_GLOBALS, PWDF_OBJECT_ATTRIBUTES,
    STATUS_INSUFFICIENT_RESOURCES, STATUS_SUCCESS, STATUS_UNSUCCESSFUL, ULONG, WDFCOLLECTION,
    WDFOBJECT, WDFSTRING,
};

use crate::driver::CountedString;
use crate::kernel::kernel;
use crate::nt_export;

use super::object::{self, Attributes, Body, Kind, Object};
use super::table::wdf_functions;
use super::{caller, require, text_of, verifier_break};

/// A collection holds a reference on each of its objects.
#[derive(Default)]
struct Collection(RefCell<Vec<Rc<Object>>>);

impl Body for Collection {
    fn destroyed(&self, _object: &Object) {
        for item in self.0.take() {
            object::dereference(&item);
        }
    }
}

/// A string object's text.
#[derive(Default)]
pub(crate) struct Text(RefCell<Option<CountedString>>);

impl Text {
    pub(crate) fn set(&self, text: &str) {
        *self.0.borrow_mut() = Some(CountedString::new(text));
    }
}

impl Body for Text {}

nt_export! { table
    /// Makes an empty collection.
    irql(<= DISPATCH_LEVEL) fn WdfCollectionCreate(
        _globals: PWDF_DRIVER_GLOBALS,
        attributes: PWDF_OBJECT_ATTRIBUTES,
        collection: *mut WDFCOLLECTION,
    ) -> NTSTATUS {
        require("WdfCollectionCreate", "Collection", collection.is_null());
        // SAFETY: not null; the caller gets null unless the object is made.
        unsafe { collection.write(std::ptr::null_mut()) };
        let (driver, parent) = caller();
        // SAFETY: null or attributes that the driver vouches for by calling.
        let created = unsafe { Attributes::read(Kind::Collection, attributes) }.and_then(|attributes| {
            if kernel().should_fail() {
                return Err(STATUS_INSUFFICIENT_RESOURCES);
            }
            object::create(Kind::Collection, driver, &attributes, parent.as_ref(), Rc::new(Collection::default()))
        });
        match created {
            Ok(object) => {
                // SAFETY: not null, and the driver vouches that it may be written.
                unsafe { collection.write(object.handle()) };
                STATUS_SUCCESS
            }
            Err(status) => status,
        }
    }

    /// How many objects it holds.
    irql(<= DISPATCH_LEVEL) fn WdfCollectionGetCount(_globals: PWDF_DRIVER_GLOBALS, collection: WDFCOLLECTION) -> ULONG {
        let collection = object::of(collection, Kind::Collection).body::<Collection>();
        ULONG::try_from(collection.0.borrow().len()).unwrap_or(ULONG::MAX)
    }

    /// Adds an object at the end.
    irql(<= DISPATCH_LEVEL) fn WdfCollectionAdd(
        _globals: PWDF_DRIVER_GLOBALS,
        collection: WDFCOLLECTION,
        item: WDFOBJECT,
    ) -> NTSTATUS {
        let collection = object::of(collection, Kind::Collection).body::<Collection>();
        let item = object::any(item);
        if kernel().should_fail() {
            return STATUS_UNSUCCESSFUL;
        }
        object::reference(&item);
        collection.0.borrow_mut().push(item);
        STATUS_SUCCESS
    }

    /// Takes an object out.
    irql(<= DISPATCH_LEVEL) fn WdfCollectionRemove(
        _globals: PWDF_DRIVER_GLOBALS,
        collection: WDFCOLLECTION,
        item: WDFOBJECT,
    ) {
        let collection = object::of(collection, Kind::Collection).body::<Collection>();
        let item = object::any(item);
        let index = collection.0.borrow().iter().position(|held| Rc::ptr_eq(held, &item));
        match index {
            Some(index) => {
                collection.0.borrow_mut().remove(index);
                object::dereference(&item);
            }
            None => verifier_break("WdfCollectionRemove: the object is not in the collection"),
        }
    }

    /// The first object; null if it is empty.
    irql(<= DISPATCH_LEVEL) fn WdfCollectionGetFirstItem(
        _globals: PWDF_DRIVER_GLOBALS,
        collection: WDFCOLLECTION,
    ) -> WDFOBJECT {
        let collection = object::of(collection, Kind::Collection).body::<Collection>();
        collection.0.borrow().first().map_or(std::ptr::null_mut(), |item| item.handle())
    }

    /// Makes a string object, empty or with a copy of a string.
    irql(== PASSIVE_LEVEL) fn WdfStringCreate(
        _globals: PWDF_DRIVER_GLOBALS,
        text: PCUNICODE_STRING,
        attributes: PWDF_OBJECT_ATTRIBUTES,
        string: *mut WDFSTRING,
    ) -> NTSTATUS {
        require("WdfStringCreate", "String", string.is_null());
        let (driver, parent) = caller();
        // SAFETY: null or attributes, null or a string, that the driver vouches for by calling.
        let read = unsafe { Attributes::read(Kind::String, attributes).and_then(|own| Ok((own, text_of(text)?))) };
        let created = read.and_then(|(attributes, text)| {
            if kernel().should_fail() {
                return Err(STATUS_INSUFFICIENT_RESOURCES);
            }
            let body = Text::default();
            if let Some(text) = text {
                body.set(&text);
            }
            object::create(Kind::String, driver, &attributes, parent.as_ref(), Rc::new(body))
        });
        match created {
            Ok(object) => {
                // SAFETY: not null, and the driver vouches that it may be written.
                unsafe { string.write(object.handle()) };
                STATUS_SUCCESS
            }
            Err(status) => status,
        }
    }

    /// The string of a string object; it lives as long as the object keeps it.
    irql(== PASSIVE_LEVEL) fn WdfStringGetUnicodeString(
        _globals: PWDF_DRIVER_GLOBALS,
        string: WDFSTRING,
        text: PUNICODE_STRING,
    ) {
        let string = object::of(string, Kind::String).body::<Text>();
        require("WdfStringGetUnicodeString", "UnicodeString", text.is_null());
        let header = string.0.borrow().as_ref().map(CountedString::header).unwrap_or_default();
        // SAFETY: not null, and the driver vouches that it may be written.
        unsafe { text.write(header) };
    }
}

wdf_functions! {
    WdfCollectionCreateTableIndex: PFN_WDFCOLLECTIONCREATE = WdfCollectionCreate;
    WdfCollectionGetCountTableIndex: PFN_WDFCOLLECTIONGETCOUNT = WdfCollectionGetCount;
    WdfCollectionAddTableIndex: PFN_WDFCOLLECTIONADD = WdfCollectionAdd;
    WdfCollectionRemoveTableIndex: PFN_WDFCOLLECTIONREMOVE = WdfCollectionRemove;
    WdfCollectionGetFirstItemTableIndex: PFN_WDFCOLLECTIONGETFIRSTITEM = WdfCollectionGetFirstItem;
    WdfStringCreateTableIndex: PFN_WDFSTRINGCREATE = WdfStringCreate;
    WdfStringGetUnicodeStringTableIndex: PFN_WDFSTRINGGETUNICODESTRING = WdfStringGetUnicodeString;
}
