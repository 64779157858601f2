//! The framework's objects: handles, the tree of parents and children, typed contexts, references
//! and deletion.
//!
//! A handle is a number that no memory lies behind, so that using it as a pointer faults; it is
//! never used again in the same machine. Deletion follows KMDF:
//!
//! ```text
//!   delete: leave the parent -> dispose -> drop the creator's reference
//!   dispose: the children first, in the order of their creation (each one as here), then Body::dispose, then EvtCleanup
//!   last reference gone: EvtDestroy, the contexts' memory, Body::destroyed; the handle is dead from here on
//! ```
//!
//! Objects whose cleanup must run at `PASSIVE_LEVEL` and are deleted above it are disposed by a
//! system thread.

use std::any::Any;
use std::cell::{Cell, OnceCell, RefCell};
use std::collections::BTreeMap;
use std::ptr::NonNull;
use std::rc::{Rc, Weak};

use wdk_sys_lite::{
    _WDF_EXECUTION_LEVEL, _WDF_SYNCHRONIZATION_SCOPE, NTSTATUS, PCWDF_OBJECT_CONTEXT_TYPE_INFO,
    PFN_WDF_OBJECT_CONTEXT_CLEANUP, PFN_WDF_OBJECT_CONTEXT_DESTROY, PVOID, PWDF_OBJECT_ATTRIBUTES,
    STATUS_DELETE_PENDING, STATUS_INFO_LENGTH_MISMATCH, STATUS_INSUFFICIENT_RESOURCES,
    STATUS_SUCCESS, WDF_OBJECT_ATTRIBUTES, WDF_OBJECT_CONTEXT_TYPE_INFO, WDFOBJECT,
};

use crate::bugcheck::{StopCode, bug_check};
use crate::call_driver;
use crate::export::PASSIVE_LEVEL;
use crate::kernel::{DriverId, Leak, kernel};
use crate::sched::{ContextKind, Key};

use super::lock::CallbackLock;
use super::{status, store, violation};

/// What an object is; the framework's handle types.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[allow(
    missing_docs,
    reason = "each is the handle type of its name: `Driver` is WDFDRIVER, and so on"
)]
pub enum Kind {
    Driver,
    Device,
    Queue,
    Request,
    FileObject,
    IoTarget,
    Memory,
    Lookaside,
    SpinLock,
    WaitLock,
    Timer,
    Dpc,
    WorkItem,
    Key,
    String,
    Collection,
    ResourceList,
    /// `WdfObjectCreate`'s general object.
    General,
}

/// Whether the attributes of a kind of object name a parent.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ParentRule {
    Forbidden,
    Optional,
    Required,
}

impl Kind {
    /// The type's name, as drivers write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Driver => "WDFDRIVER",
            Self::Device => "WDFDEVICE",
            Self::Queue => "WDFQUEUE",
            Self::Request => "WDFREQUEST",
            Self::FileObject => "WDFFILEOBJECT",
            Self::IoTarget => "WDFIOTARGET",
            Self::Memory => "WDFMEMORY",
            Self::Lookaside => "WDFLOOKASIDE",
            Self::SpinLock => "WDFSPINLOCK",
            Self::WaitLock => "WDFWAITLOCK",
            Self::Timer => "WDFTIMER",
            Self::Dpc => "WDFDPC",
            Self::WorkItem => "WDFWORKITEM",
            Self::Key => "WDFKEY",
            Self::String => "WDFSTRING",
            Self::Collection => "WDFCOLLECTION",
            Self::ResourceList => "WDFCMRESLIST",
            Self::General => "WDFOBJECT",
        }
    }

    /// The framework's number of the type, which a violation gives as its third parameter
    /// (`fxtypes.h`).
    fn number(self) -> u64 {
        match self {
            Self::General => 0x1000,
            Self::Driver => 0x1001,
            Self::Device => 0x1002,
            Self::Queue => 0x1003,
            Self::Key => 0x1006,
            Self::String => 0x1007,
            Self::Request => 0x1008,
            Self::Lookaside => 0x1009,
            Self::Memory => 0x100A,
            Self::Collection => 0x100E,
            Self::Dpc => 0x1015,
            Self::FileObject => 0x1018,
            Self::WaitLock => 0x1023,
            Self::SpinLock => 0x1024,
            Self::WorkItem => 0x1025,
            Self::Timer => 0x1028,
            Self::ResourceList => 0x1036,
            Self::IoTarget => 0x1200,
        }
    }

    fn parent_rule(self) -> ParentRule {
        match self {
            Self::Driver | Self::Device | Self::Request | Self::FileObject => ParentRule::Forbidden,
            Self::Timer | Self::Dpc | Self::WorkItem => ParentRule::Required,
            _ => ParentRule::Optional,
        }
    }

    fn may_set_execution_level(self) -> bool {
        matches!(
            self,
            Self::Driver
                | Self::Device
                | Self::Queue
                | Self::FileObject
                | Self::General
                | Self::Timer
        )
    }

    fn may_set_synchronization_scope(self) -> bool {
        matches!(
            self,
            Self::Driver | Self::Device | Self::Queue | Self::FileObject
        )
    }

    /// Whether the framework itself needs `PASSIVE_LEVEL` to dispose of such an object.
    fn disposes_at_passive(self) -> bool {
        matches!(
            self,
            Self::Driver
                | Self::Device
                | Self::Queue
                | Self::IoTarget
                | Self::Timer
                | Self::Dpc
                | Self::WorkItem
                | Self::Key
                | Self::String
                | Self::WaitLock
        )
    }

    /// Whether a driver may give such an object to `WdfObjectDelete`.
    fn may_be_deleted(self) -> bool {
        !matches!(
            self,
            Self::Driver | Self::Device | Self::FileObject | Self::Request | Self::ResourceList
        )
    }
}

/// What stands behind an object of a certain kind.
pub trait Body: Any {
    /// The object is being disposed of: its children are, its `EvtCleanupCallback` has not run yet.
    /// At `PASSIVE_LEVEL` for the kinds that the framework disposes of there.
    fn dispose(&self, object: &Rc<Object>) {
        let _ = object;
    }

    /// The last reference is gone and `EvtDestroyCallback` has run.
    fn destroyed(&self, object: &Object) {
        let _ = object;
    }
}

/// An object without anything of its own.
pub struct Nothing;

impl Body for Nothing {}

/// A driver's typed context, as its attributes describe it.
#[derive(Clone, Copy)]
struct ContextType {
    info: PCWDF_OBJECT_CONTEXT_TYPE_INFO,
    size: usize,
}

/// `WDF_OBJECT_ATTRIBUTES`, read and checked.
#[derive(Clone, Default)]
pub struct Attributes {
    cleanup: PFN_WDF_OBJECT_CONTEXT_CLEANUP,
    destroy: PFN_WDF_OBJECT_CONTEXT_DESTROY,
    execution_level: Option<_WDF_EXECUTION_LEVEL::Type>,
    synchronization_scope: Option<_WDF_SYNCHRONIZATION_SCOPE::Type>,
    parent: Option<Rc<Object>>,
    context: Option<ContextType>,
}

impl Attributes {
    /// Reads the attributes that a driver gave for an object of a kind, with KMDF's checks and
    /// statuses. A null pointer stands for the defaults, where the kind needs no parent.
    ///
    /// # Errors
    ///
    /// `STATUS_INFO_LENGTH_MISMATCH` for a wrong `Size`, `STATUS_WDF_*` for what does not fit the
    /// kind.
    ///
    /// # Safety
    ///
    /// The pointer is null or points to a readable `WDF_OBJECT_ATTRIBUTES` whose context type lives
    /// as long as the driver.
    pub unsafe fn read(kind: Kind, attributes: PWDF_OBJECT_ATTRIBUTES) -> Result<Self, NTSTATUS> {
        // SAFETY: null or readable, says the caller.
        let Some(raw) = (unsafe { attributes.as_ref() }) else {
            return if kind.parent_rule() == ParentRule::Required {
                Err(status::WDF_PARENT_NOT_SPECIFIED)
            } else {
                Ok(Self::default())
            };
        };
        if raw.Size as usize != size_of::<WDF_OBJECT_ATTRIBUTES>() {
            return Err(STATUS_INFO_LENGTH_MISMATCH);
        }
        // SAFETY: null or a context type of the driver's, says the caller.
        let context = unsafe { Self::read_context(raw) }?;
        let parent = match kind.parent_rule() {
            ParentRule::Forbidden if !raw.ParentObject.is_null() => {
                return Err(status::WDF_PARENT_ASSIGNMENT_NOT_ALLOWED);
            }
            ParentRule::Required if raw.ParentObject.is_null() => {
                return Err(status::WDF_PARENT_NOT_SPECIFIED);
            }
            _ if raw.ParentObject.is_null() => None,
            _ => Some(any(raw.ParentObject)),
        };
        let level = raw.ExecutionLevel;
        if !(_WDF_EXECUTION_LEVEL::WdfExecutionLevelInheritFromParent
            ..=_WDF_EXECUTION_LEVEL::WdfExecutionLevelDispatch)
            .contains(&level)
        {
            return Err(status::WDF_OBJECT_ATTRIBUTES_INVALID);
        }
        let scope = raw.SynchronizationScope;
        if !(_WDF_SYNCHRONIZATION_SCOPE::WdfSynchronizationScopeInheritFromParent
            ..=_WDF_SYNCHRONIZATION_SCOPE::WdfSynchronizationScopeNone)
            .contains(&scope)
        {
            return Err(status::WDF_OBJECT_ATTRIBUTES_INVALID);
        }
        let inherits_scope =
            scope == _WDF_SYNCHRONIZATION_SCOPE::WdfSynchronizationScopeInheritFromParent;
        if !kind.may_set_synchronization_scope()
            && !inherits_scope
            && scope != _WDF_SYNCHRONIZATION_SCOPE::WdfSynchronizationScopeNone
        {
            return Err(status::WDF_SYNCHRONIZATION_SCOPE_INVALID);
        }
        let inherits_level = level == _WDF_EXECUTION_LEVEL::WdfExecutionLevelInheritFromParent;
        if !kind.may_set_execution_level() && !inherits_level {
            return Err(status::WDF_EXECUTION_LEVEL_INVALID);
        }
        Ok(Self {
            cleanup: raw.EvtCleanupCallback,
            destroy: raw.EvtDestroyCallback,
            execution_level: (!inherits_level).then_some(level),
            synchronization_scope: (!inherits_scope).then_some(scope),
            parent,
            context,
        })
    }

    unsafe fn read_context(raw: &WDF_OBJECT_ATTRIBUTES) -> Result<Option<ContextType>, NTSTATUS> {
        // SAFETY: null or a context type that lives as long as the driver, says the caller of
        // `read`.
        let Some(info) = (unsafe { raw.ContextTypeInfo.as_ref() }) else {
            return if raw.ContextSizeOverride == 0 {
                Ok(None)
            } else {
                Err(status::WDF_OBJECT_ATTRIBUTES_INVALID)
            };
        };
        if info.Size as usize != size_of::<WDF_OBJECT_CONTEXT_TYPE_INFO>() {
            return Err(STATUS_INFO_LENGTH_MISMATCH);
        }
        if info.ContextSize > 0 && info.ContextName.is_null() {
            return Err(status::WDF_OBJECT_ATTRIBUTES_INVALID);
        }
        let size = match raw.ContextSizeOverride {
            0 => info.ContextSize,
            larger if larger >= info.ContextSize => larger,
            _ => return Err(status::WDF_OBJECT_ATTRIBUTES_INVALID),
        };
        Ok(Some(ContextType {
            info: raw.ContextTypeInfo,
            size,
        }))
    }

    /// The parent that the attributes name.
    #[must_use]
    pub fn parent(&self) -> Option<&Rc<Object>> {
        self.parent.as_ref()
    }

    /// The execution level that they set, if they set one.
    #[must_use]
    pub fn own_execution_level(&self) -> Option<_WDF_EXECUTION_LEVEL::Type> {
        self.execution_level
    }

    /// The execution level that they give, or the one to inherit.
    #[must_use]
    pub fn execution_level_or(
        &self,
        inherited: _WDF_EXECUTION_LEVEL::Type,
    ) -> _WDF_EXECUTION_LEVEL::Type {
        self.execution_level.unwrap_or(inherited)
    }

    /// Whether they describe a typed context.
    #[must_use]
    pub fn has_context(&self) -> bool {
        self.context.is_some()
    }

    /// The same attributes without their parent: for objects whose parent the framework chooses.
    #[must_use]
    pub fn without_parent(mut self) -> Self {
        self.parent = None;
        self
    }
}

struct Context {
    info: PCWDF_OBJECT_CONTEXT_TYPE_INFO,
    /// None for a context of no bytes and for callbacks without a context.
    memory: Option<NonNull<u8>>,
    cleanup: PFN_WDF_OBJECT_CONTEXT_CLEANUP,
    destroy: PFN_WDF_OBJECT_CONTEXT_DESTROY,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Created,
    /// Its cleanup waits for a thread at `PASSIVE_LEVEL`.
    Deferred,
    Disposing,
    Disposed,
    /// Deleted; references keep it.
    Deleted,
    /// `EvtDestroyCallback` runs.
    Destroying,
}

/// A framework object.
pub struct Object {
    /// What it is.
    pub kind: Kind,
    /// The driver that created it, or for which the framework did.
    pub driver: DriverId,
    number: u64,
    body: Rc<dyn Body>,
    parent: RefCell<Weak<Object>>,
    children: RefCell<Vec<Rc<Object>>>,
    contexts: RefCell<Vec<Context>>,
    state: Cell<State>,
    delete_called: Cell<bool>,
    may_be_deleted: Cell<bool>,
    passive: Cell<bool>,
    tag: Cell<u32>,
    destroy_at_passive: Cell<bool>,
    execution_level: Option<_WDF_EXECUTION_LEVEL::Type>,
    synchronization_scope: Option<_WDF_SYNCHRONIZATION_SCOPE::Type>,
    /// References of all owners; the framework's own is one, until deletion.
    references: Cell<u32>,
    lock: OnceCell<Rc<CallbackLock>>,
    /// The driver's own references, by tag.
    tags: RefCell<BTreeMap<usize, u32>>,
}

/// All objects of a machine.
pub struct Objects {
    table: RefCell<BTreeMap<u64, Rc<Object>>>,
    contexts: RefCell<BTreeMap<usize, u64>>,
    next: Cell<u64>,
    disposals: RefCell<BTreeMap<DriverId, u32>>,
    disposed: OnceCell<Key>,
}

impl Default for Objects {
    fn default() -> Self {
        Self {
            table: RefCell::default(),
            contexts: RefCell::default(),
            next: Cell::new(1),
            disposals: RefCell::default(),
            disposed: OnceCell::new(),
        }
    }
}

/// Handles lie in the upper half of the address space, where no program on the real system has
/// memory.
const HANDLE_BASE: u64 = 0xFFFF_A800_0000_0000;
const HANDLE_STEP: u64 = 16;

fn objects() -> &'static Objects {
    &kernel().wdf.objects
}

impl Object {
    /// The handle that drivers know the object by. Every handle type of the framework is a plain
    /// pointer.
    #[must_use]
    pub fn handle(&self) -> WDFOBJECT {
        std::ptr::without_provenance_mut(
            usize::try_from(HANDLE_BASE + self.number * HANDLE_STEP).unwrap_or(usize::MAX),
        )
    }

    /// What stands behind it.
    ///
    /// # Panics
    ///
    /// If the object's body is of another type, a mistake in the simulator.
    #[must_use]
    pub fn body<T: Body>(&self) -> Rc<T> {
        let body: Rc<dyn Any> = Rc::clone(&self.body) as Rc<dyn Any>;
        body.downcast()
            .expect("the kind of an object says what its body is")
    }

    /// The parent, until it or this object is deleted.
    #[must_use]
    pub fn parent(&self) -> Option<Rc<Object>> {
        self.parent.borrow().upgrade()
    }

    /// The nearest object of a kind among itself, its parent and so on.
    #[must_use]
    pub fn ancestor(self: &Rc<Self>, kind: Kind) -> Option<Rc<Object>> {
        let mut object = Rc::clone(self);
        loop {
            if object.kind == kind {
                return Some(object);
            }
            object = object.parent()?;
        }
    }

    /// The children, oldest first.
    #[must_use]
    pub fn children(&self) -> Vec<Rc<Object>> {
        self.children.borrow().clone()
    }

    /// From now on `WdfObjectDelete` is a mistake for it (default queues).
    pub fn forbid_delete(&self) {
        self.may_be_deleted.set(false);
    }

    /// From now on its cleanup and its destruction happen at `PASSIVE_LEVEL`.
    pub fn clean_up_at_passive(&self) {
        self.passive.set(true);
        self.destroy_at_passive.set(true);
    }

    /// Whether neither deletion nor its parent's has begun.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.state.get() == State::Created
    }

    /// The execution level, its own or inherited; `WdfExecutionLevelDispatch` if nobody says
    /// otherwise.
    #[must_use]
    pub fn execution_level(&self) -> _WDF_EXECUTION_LEVEL::Type {
        self.execution_level.unwrap_or_else(|| {
            self.parent()
                .map_or(_WDF_EXECUTION_LEVEL::WdfExecutionLevelDispatch, |parent| {
                    parent.execution_level()
                })
        })
    }

    /// The synchronization scope, its own or inherited; `WdfSynchronizationScopeNone` if nobody
    /// says otherwise.
    #[must_use]
    pub fn synchronization_scope(&self) -> _WDF_SYNCHRONIZATION_SCOPE::Type {
        self.synchronization_scope.unwrap_or_else(|| {
            self.parent().map_or(
                _WDF_SYNCHRONIZATION_SCOPE::WdfSynchronizationScopeNone,
                |parent| parent.synchronization_scope(),
            )
        })
    }

    /// The lock that serialises the callbacks of a device or queue whose synchronization scope asks
    /// for one.
    pub(crate) fn own_callback_lock(&self) -> Rc<CallbackLock> {
        Rc::clone(
            self.lock
                .get_or_init(|| Rc::new(CallbackLock::new(self.execution_level()))),
        )
    }

    /// From now on neither its cleanup nor its destruction is told to the driver.
    pub(crate) fn forget_callbacks(&self) {
        for context in &mut *self.contexts.borrow_mut() {
            context.cleanup = None;
            context.destroy = None;
        }
    }

    /// The pool tag of its memory, for reports.
    pub(crate) fn set_tag(&self, tag: u32) {
        self.tag.set(tag);
    }

    fn describe(&self) -> String {
        let tag = match self.tag.get() {
            0 => String::new(),
            tag => format!(" with tag {}", crate::mm::pool::tag_text(tag)),
        };
        format!("{} {:p}{tag}", self.kind.name(), self.handle())
    }

    /// Whether its disposal needs `PASSIVE_LEVEL`.
    pub(crate) fn needs_passive(&self) -> bool {
        self.passive.get()
            || self
                .children
                .borrow()
                .iter()
                .any(|child| child.needs_passive())
    }

    /// Adds a context; `STATUS_OBJECT_NAME_EXISTS` (a success code) with the old memory if it has
    /// one of this type.
    fn add_context(&self, attributes: &Attributes) -> Result<(NTSTATUS, *mut u8), NTSTATUS> {
        if self.state.get() != State::Created {
            return Err(STATUS_DELETE_PENDING);
        }
        let info = attributes
            .context
            .map_or(std::ptr::null(), |context| context.info);
        if !info.is_null() {
            let contexts = self.contexts.borrow();
            if let Some(old) = contexts
                .iter()
                .find(|context| std::ptr::eq(context.info, info))
            {
                return Ok((status::OBJECT_NAME_EXISTS, pointer(old.memory)));
            }
        }
        let size = attributes.context.map_or(0, |context| context.size);
        let memory = if size == 0 {
            None
        } else {
            let memory = store::allocate(size, false).ok_or(STATUS_INSUFFICIENT_RESOURCES)?;
            objects()
                .contexts
                .borrow_mut()
                .insert(memory.addr().get(), self.number);
            Some(memory)
        };
        self.contexts.borrow_mut().push(Context {
            info,
            memory,
            cleanup: attributes.cleanup,
            destroy: attributes.destroy,
        });
        Ok((STATUS_SUCCESS, pointer(memory)))
    }

    fn context(&self, info: PCWDF_OBJECT_CONTEXT_TYPE_INFO) -> *mut u8 {
        self.contexts
            .borrow()
            .iter()
            .find(|context| std::ptr::eq(context.info, info))
            .map_or(std::ptr::null_mut(), |context| match context.memory {
                Some(memory) => memory.as_ptr(),
                // A context type of no bytes: a pointer that is not null and must not be followed.
                None => self.handle().cast(),
            })
    }

    /// How many references the driver holds.
    pub(crate) fn driver_references(&self) -> u32 {
        self.tags.borrow().values().sum()
    }
}

fn pointer(memory: Option<NonNull<u8>>) -> *mut u8 {
    memory.map_or(std::ptr::null_mut(), NonNull::as_ptr)
}

/// Creates an object. Its parent is what the attributes name, else `default_parent`.
///
/// The caller is an exported function that has asked
/// [`should_fail`](crate::kernel::Kernel::should_fail).
///
/// # Errors
///
/// `STATUS_INSUFFICIENT_RESOURCES` without memory for the context, `STATUS_DELETE_PENDING` if the
/// parent is being deleted.
pub fn create(
    kind: Kind,
    driver: DriverId,
    attributes: &Attributes,
    default_parent: Option<&Rc<Object>>,
    body: Rc<dyn Body>,
) -> Result<Rc<Object>, NTSTATUS> {
    let objects = objects();
    let number = objects.next.get();
    let parent = attributes.parent.as_ref().or(default_parent);
    if parent.is_some_and(|parent| !parent.is_alive()) {
        return Err(STATUS_DELETE_PENDING);
    }
    let destroy_at_passive = matches!(kind, Kind::Driver | Kind::Key | Kind::WorkItem)
        || attributes.execution_level == Some(_WDF_EXECUTION_LEVEL::WdfExecutionLevelPassive);
    let passive = destroy_at_passive || kind.disposes_at_passive();
    let object = Rc::new(Object {
        kind,
        driver,
        number,
        body,
        parent: RefCell::new(parent.map_or_else(Weak::new, Rc::downgrade)),
        children: RefCell::default(),
        contexts: RefCell::default(),
        state: Cell::new(State::Created),
        delete_called: Cell::new(false),
        may_be_deleted: Cell::new(kind.may_be_deleted()),
        passive: Cell::new(passive),
        tag: Cell::new(0),
        destroy_at_passive: Cell::new(destroy_at_passive),
        execution_level: attributes.execution_level,
        synchronization_scope: attributes.synchronization_scope,
        references: Cell::new(1),
        lock: OnceCell::new(),
        tags: RefCell::default(),
    });
    object.add_context(attributes)?;
    objects.next.set(number + 1);
    objects
        .table
        .borrow_mut()
        .insert(number, Rc::clone(&object));
    if let Some(parent) = parent {
        parent.children.borrow_mut().push(Rc::clone(&object));
    }
    Ok(object)
}

fn find(handle: WDFOBJECT) -> Option<Rc<Object>> {
    let offset = (handle.addr() as u64).checked_sub(HANDLE_BASE)?;
    if offset % HANDLE_STEP != 0 {
        return None;
    }
    objects()
        .table
        .borrow()
        .get(&(offset / HANDLE_STEP))
        .cloned()
}

/// What an address that faulted is, if it is a handle: a driver has used it as a pointer.
pub(crate) fn explain(objects: &Objects, address: usize) -> Option<String> {
    let number = (address as u64).checked_sub(HANDLE_BASE)? / HANDLE_STEP;
    if number == 0 || number >= objects.next.get() {
        return None;
    }
    let kind = objects
        .table
        .try_borrow()
        .ok()?
        .get(&number)
        .map_or("deleted object", |object| object.kind.name());
    Some(format!(
        "the handle of a {kind} was used as a pointer, at {address:#x}"
    ))
}

fn invalid(handle: WDFOBJECT, wanted: Kind) -> ! {
    let number = (handle.addr() as u64).wrapping_sub(HANDLE_BASE) / HANDLE_STEP;
    let what = if handle.is_null() {
        "a null handle"
    } else if number != 0 && number < objects().next.get() {
        "the handle of an object that is gone"
    } else {
        "something that is no handle"
    };
    bug_check(
        StopCode::WDF_VIOLATION,
        [
            violation::INVALID_HANDLE,
            handle.addr() as u64,
            wanted.number(),
            0,
        ],
        format!(
            "{what}, {handle:p}, was given where a {} is expected",
            wanted.name()
        ),
    )
}

/// The object of any kind behind a handle; a handle that is none is the bug check `WDF_VIOLATION`.
#[must_use]
pub fn any(handle: WDFOBJECT) -> Rc<Object> {
    match find(handle) {
        Some(object) if object.state.get() != State::Destroying => object,
        _ => invalid(handle, Kind::General),
    }
}

/// The object of a kind behind a handle; a handle that is none, or is of another kind, is the bug
/// check `WDF_VIOLATION`.
#[must_use]
pub fn of(handle: WDFOBJECT, kind: Kind) -> Rc<Object> {
    match find(handle) {
        Some(object) if object.state.get() == State::Destroying => bug_check(
            StopCode::WDF_VIOLATION,
            [violation::INVALID_HANDLE, handle.addr() as u64, 0, 0],
            format!("{} was used while it is destroyed", object.describe()),
        ),
        Some(object) if object.kind == kind => object,
        Some(object) => bug_check(
            StopCode::WDF_VIOLATION,
            [
                violation::INVALID_HANDLE,
                handle.addr() as u64,
                kind.number(),
                0,
            ],
            format!(
                "{} was given where a {} is expected",
                object.describe(),
                kind.name()
            ),
        ),
        None => invalid(handle, kind),
    }
}

/// The memory of the context of a type, null if the object has none. The one thing that may be
/// asked of an object while its `EvtDestroyCallback` runs.
#[must_use]
pub fn context_of(handle: WDFOBJECT, info: PCWDF_OBJECT_CONTEXT_TYPE_INFO) -> *mut u8 {
    match find(handle) {
        Some(object) => object.context(info),
        None => invalid(handle, Kind::General),
    }
}

/// Adds a context to an object; `STATUS_OBJECT_NAME_EXISTS`, a success code, with the old one if it
/// has this type already.
///
/// # Errors
///
/// `STATUS_DELETE_PENDING`, `STATUS_INSUFFICIENT_RESOURCES`.
pub fn add_context(
    object: &Object,
    attributes: &Attributes,
) -> Result<(NTSTATUS, *mut u8), NTSTATUS> {
    object.add_context(attributes)
}

/// The object that a context's address belongs to.
#[must_use]
pub fn owner_of_context(context: PVOID) -> Rc<Object> {
    let number = objects().contexts.borrow().get(&context.addr()).copied();
    let object = number.and_then(|number| objects().table.borrow().get(&number).cloned());
    object.unwrap_or_else(|| {
        bug_check(
            StopCode::WDF_VIOLATION,
            [violation::INVALID_HANDLE, context.addr() as u64, 0, 0],
            format!("{context:p} is not the address of a context"),
        )
    })
}

/// Deletes an object for the framework. Deleting twice, or while the parent is deleted, does
/// nothing more.
pub fn delete(object: &Rc<Object>) {
    object.delete_called.set(true);
    match object.state.get() {
        State::Created => {
            if kernel().sched.current().irql() > PASSIVE_LEVEL && object.needs_passive() {
                object.state.set(State::Deferred);
                defer(object, |object| {
                    object.state.set(State::Created);
                    delete_now(object);
                });
            } else {
                delete_now(object);
            }
        }
        State::Disposed => {
            // Its parent is disposing; leave it now instead of with the parent.
            leave_parent(object);
            finish(object);
        }
        State::Deferred | State::Disposing | State::Deleted | State::Destroying => {}
    }
}

fn delete_now(object: &Rc<Object>) {
    leave_parent(object);
    dispose(object);
    finish(object);
}

fn leave_parent(object: &Rc<Object>) {
    if let Some(parent) = object.parent.replace(Weak::new()).upgrade() {
        parent
            .children
            .borrow_mut()
            .retain(|child| !Rc::ptr_eq(child, object));
    }
}

/// Leaves the rest of an object's end to a thread at `PASSIVE_LEVEL`, as KMDF's dispose list does.
fn defer(object: &Rc<Object>, rest: fn(&Rc<Object>)) {
    begin_work(object.driver);
    let object = Rc::clone(object);
    kernel()
        .sched
        .spawn(ContextKind::SystemThread, "KMDF disposal", move || {
            let driver = object.driver;
            rest(&object);
            end_work(driver);
        });
}

/// A system thread has something to do for a driver: the driver is not unloaded before its end.
pub(crate) fn begin_work(driver: DriverId) {
    *objects().disposals.borrow_mut().entry(driver).or_default() += 1;
}

/// It has done it.
pub(crate) fn end_work(driver: DriverId) {
    if let Some(count) = objects().disposals.borrow_mut().get_mut(&driver) {
        *count -= 1;
    }
    kernel().sched.wake(disposed_key());
}

fn disposed_key() -> Key {
    *objects().disposed.get_or_init(|| {
        kernel()
            .sched
            .new_key_for("framework objects to be disposed of at PASSIVE_LEVEL, and work items")
    })
}

/// Waits until every deferred disposal of a driver's objects, and every work item, is done. At `PASSIVE_LEVEL`.
pub fn wait_for_disposals(driver: DriverId) {
    kernel().sched.wait_until(disposed_key(), || {
        objects()
            .disposals
            .borrow()
            .get(&driver)
            .copied()
            .unwrap_or(0)
            == 0
    });
}

/// The cleanup half of deletion: children, oldest first, then the object.
pub fn dispose(object: &Rc<Object>) {
    if object.state.get() != State::Created {
        return;
    }
    object.state.set(State::Disposing);
    for child in object.children() {
        dispose(&child);
    }
    object.body.dispose(object);
    let callbacks: Vec<_> = object
        .contexts
        .borrow_mut()
        .iter_mut()
        .filter_map(|context| context.cleanup.take())
        .collect();
    for callback in callbacks {
        // SAFETY: the driver registered the callback in the object's attributes for exactly this
        // call; the object and its contexts are alive.
        unsafe {
            call_driver!(
                object.driver,
                "EvtCleanupCallback",
                callback(object.handle())
            );
        };
    }
    object.state.set(State::Disposed);
}

/// The second half of deletion: the children go, then the framework's own reference.
fn finish(object: &Rc<Object>) {
    object.state.set(State::Deleted);
    delete_children(object);
    release(object);
}

/// Deletes every child of an object that stays: a device's children at its removal.
pub fn delete_children(object: &Rc<Object>) {
    for child in std::mem::take(&mut *object.children.borrow_mut()) {
        *child.parent.borrow_mut() = Weak::new();
        child.delete_called.set(true);
        match child.state.get() {
            State::Created => {
                dispose(&child);
                finish(&child);
            }
            State::Disposed => finish(&child),
            State::Deferred | State::Disposing | State::Deleted | State::Destroying => {}
        }
    }
}

/// `WdfObjectDelete`: as [`delete`], with the rules for drivers.
pub fn delete_for_driver(object: &Rc<Object>) {
    if !object.may_be_deleted.get() {
        verifier_stop(object, "must not be deleted by the driver");
        return;
    }
    if object.delete_called.get() {
        verifier_stop(object, "was deleted twice");
        return;
    }
    delete(object);
}

/// What KMDF's verifier stops at (a breakpoint on Windows); without the verifier nothing happens.
fn verifier_stop(object: &Object, what: &str) {
    if kernel().config.verifier {
        bug_check(
            StopCode::WDF_VIOLATION,
            [violation::OBJECT_ERROR, object.handle().addr() as u64, 0, 0],
            format!("{} {what}", object.describe()),
        );
    }
}

/// `WdfObjectReference`: a reference of the driver's own, under a tag.
pub fn reference_for_driver(object: &Object, tag: usize) {
    *object.tags.borrow_mut().entry(tag).or_default() += 1;
    reference(object);
}

/// `WdfObjectDereference`. More than the driver has referenced is the end of the object too early,
/// a bug check.
pub fn dereference_for_driver(object: &Rc<Object>, tag: usize) {
    let known = {
        let mut tags = object.tags.borrow_mut();
        let known = match tags.get_mut(&tag) {
            Some(count) => {
                *count -= 1;
                if *count == 0 {
                    tags.remove(&tag);
                }
                true
            }
            None => false,
        };
        if !known && let Some(mut other) = tags.first_entry() {
            // Another tag's reference goes instead; the verifier has its say below.
            *other.get_mut() -= 1;
            if *other.get() == 0 {
                other.remove();
            }
        }
        known
    };
    if !known {
        verifier_stop(
            object,
            "was dereferenced with a tag that it was not referenced with",
        );
    }
    release(object);
}

/// Takes a reference of the framework's.
pub fn reference(object: &Object) {
    object.references.set(object.references.get() + 1);
}

/// Gives a reference of the framework's back.
pub fn dereference(object: &Rc<Object>) {
    release(object);
}

fn release(object: &Rc<Object>) {
    let left = object.references.get().saturating_sub(1);
    object.references.set(left);
    if left > 0 {
        return;
    }
    if object.state.get() != State::Deleted {
        bug_check(
            StopCode::WDF_VIOLATION,
            [violation::OBJECT_ERROR, object.handle().addr() as u64, 0, 0],
            format!(
                "{} lost its last reference without having been deleted",
                object.describe()
            ),
        );
    }
    if object.destroy_at_passive.get() && kernel().sched.current().irql() > PASSIVE_LEVEL {
        defer(object, destroy);
    } else {
        destroy(object);
    }
}

fn destroy(object: &Rc<Object>) {
    object.state.set(State::Destroying);
    let callbacks: Vec<_> = object
        .contexts
        .borrow()
        .iter()
        .filter_map(|context| context.destroy)
        .collect();
    for callback in callbacks {
        // SAFETY: the driver registered the callback in the object's attributes for exactly this
        // call; the contexts are alive until it returns.
        unsafe {
            call_driver!(
                object.driver,
                "EvtDestroyCallback",
                callback(object.handle())
            );
        };
    }
    for context in std::mem::take(&mut *object.contexts.borrow_mut()) {
        if let Some(memory) = context.memory {
            objects().contexts.borrow_mut().remove(&memory.addr().get());
            store::free(memory);
        }
    }
    object.body.destroyed(object);
    objects().table.borrow_mut().remove(&object.number);
}

/// What a driver has not given back: objects that it still references, and at unload every object
/// left.
pub fn leaks(driver: DriverId, leaks: &mut Vec<Leak>) {
    for object in objects().table.borrow().values() {
        if object.driver != driver {
            continue;
        }
        let references = object.driver_references();
        if object.state.get() == State::Deleted && references > 0 {
            leaks.push(Leak {
                kind: "object reference",
                what: format!(
                    "{}: {references} references after its deletion",
                    object.describe()
                ),
            });
        }
    }
}

/// Every object of a driver, for the checks at its unload.
#[must_use]
pub fn all_of(driver: DriverId) -> Vec<Rc<Object>> {
    objects()
        .table
        .borrow()
        .values()
        .filter(|object| object.driver == driver)
        .cloned()
        .collect()
}

/// A context type's name, for people.
///
/// # Safety
///
/// `info` may be read, and its name is null or a C string.
pub(crate) unsafe fn name_of_context(info: PCWDF_OBJECT_CONTEXT_TYPE_INFO) -> String {
    // SAFETY: says the caller.
    let name = unsafe { (*info).ContextName };
    if name.is_null() {
        return "a context without a name".to_owned();
    }
    // SAFETY: not null, and a C string, says the caller.
    unsafe { std::ffi::CStr::from_ptr(name.cast()) }
        .to_string_lossy()
        .into_owned()
}
