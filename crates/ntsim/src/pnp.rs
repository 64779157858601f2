//! Plug and play: physical device objects, the buses that own them, and which driver serves which
//! device.
//!
//! A bus (VMBus here) reports a device by [`State::report`] and takes it back by
//! [`State::surprise_remove`]. The PnP manager finds the driver, adds and starts the device and
//! removes it again, one event at a time, in a system thread of its own. What the framework makes
//! of each event is in `wdf::power`.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use wdk_sys_lite::{
    _DEVICE_OBJECT, GUID, NT_SUCCESS, NTSTATUS, PDEVICE_OBJECT, PINTERFACE, PVOID,
    STATUS_DEVICE_BUSY, STATUS_INVALID_DEVICE_STATE, STATUS_NO_SUCH_DEVICE,
    STATUS_PLUGPLAY_NO_DEVICE,
};

use crate::driver;
use crate::kernel::{DriverId, Leak, kernel};
use crate::machine::System;
use crate::sched::{ContextKind, Key};
use crate::wdf::device::{Device, PnpState};
use crate::wdf::object::Object;
use crate::wdf::power;
use crate::wdf::store;

/// What a bus driver does for a device of its own.
pub trait Bus {
    /// `IRP_MN_QUERY_INTERFACE` has come down to the physical device object.
    ///
    /// `interface` points to `size` writable bytes of the caller's. `STATUS_NOT_SUPPORTED` if the
    /// bus has no such interface.
    fn query_interface(
        &self,
        pdo: &Rc<Pdo>,
        interface_type: &GUID,
        size: u16,
        version: u16,
        interface: PINTERFACE,
        data: PVOID,
    ) -> NTSTATUS;

    /// The device's stack is gone after a removal; the bus may forget the device.
    fn removed(&self, pdo: &Rc<Pdo>);
}

/// A device that drivers open by its name in the object manager, through a remote I/O target.
pub trait NamedDevice {
    /// `IRP_MN_QUERY_INTERFACE`, as in [`Bus::query_interface`].
    fn query_interface(
        &self,
        interface_type: &GUID,
        size: u16,
        version: u16,
        interface: PINTERFACE,
        data: PVOID,
    ) -> NTSTATUS;
}

/// A physical device object.
pub struct Pdo {
    /// Unique in the machine.
    pub id: u32,
    /// The hardware id, `VMBUS\{interface type GUID}` for VMBus devices.
    pub hardware_id: String,
    /// The instance, for people.
    pub instance: String,
    /// Who owns it.
    pub bus: Rc<dyn Bus>,
    device_object: Cell<usize>,
    device: RefCell<Option<Rc<Object>>>,
    gone: Cell<bool>,
    removal_pending: Cell<bool>,
    problem: Cell<Option<NTSTATUS>>,
    restarts: Cell<u32>,
}

impl Pdo {
    /// The framework's device on top, while a driver serves the device.
    #[must_use]
    pub fn device(&self) -> Option<Rc<Object>> {
        self.device.borrow().clone()
    }

    /// Why the device does not work: what adding or starting it, or its power transition, failed
    /// with.
    #[must_use]
    pub fn problem(&self) -> Option<NTSTATUS> {
        self.problem.get()
    }

    /// Whether the device is started.
    #[must_use]
    pub fn is_started(&self) -> bool {
        self.device()
            .is_some_and(|object| object.body::<Device>().pnp_state() == PnpState::Started)
    }

    /// Its own `DEVICE_OBJECT`.
    #[must_use]
    pub fn device_object(&self) -> PDEVICE_OBJECT {
        std::ptr::with_exposed_provenance_mut(self.device_object.get())
    }

    pub(crate) fn set_device(&self, device: Option<Rc<Object>>) {
        *self.device.borrow_mut() = device;
    }
}

/// All devices that buses have reported, and what there is to do with them.
#[derive(Default)]
pub struct State {
    pdos: RefCell<BTreeMap<u32, Rc<Pdo>>>,
    next: Cell<u32>,
    /// The PDO's number by the address of each device object of its stack.
    device_objects: RefCell<BTreeMap<usize, u32>>,
    named: RefCell<BTreeMap<String, Rc<dyn NamedDevice>>>,
    actions: RefCell<VecDeque<Box<dyn FnOnce()>>>,
    working: Cell<bool>,
    changed: OnceCell<Key>,
}

impl State {
    pub(crate) fn leaks(&self, driver: DriverId, leaks: &mut Vec<Leak>) {
        for pdo in self.pdos() {
            if let Some(object) = pdo.device()
                && object.driver == driver
            {
                leaks.push(Leak {
                    kind: "device",
                    what: format!("{} is still served", pdo.instance),
                });
            }
        }
    }

    /// A bus reports a new device; the driver that serves it, if one is loaded, gets it soon.
    pub fn report(&self, hardware_id: String, instance: String, bus: Rc<dyn Bus>) -> Rc<Pdo> {
        let id = self.next.get() + 1;
        self.next.set(id);
        let pdo = Rc::new(Pdo {
            id,
            hardware_id,
            instance,
            bus,
            device_object: Cell::new(0),
            device: RefCell::default(),
            gone: Cell::new(false),
            removal_pending: Cell::new(false),
            problem: Cell::new(None),
            restarts: Cell::new(0),
        });
        if let Some(device_object) = self.create_device_object(id) {
            pdo.device_object.set(device_object.expose_provenance());
        }
        self.pdos.borrow_mut().insert(id, Rc::clone(&pdo));
        let arrived = Rc::clone(&pdo);
        self.enqueue(move || arrive(&arrived));
        pdo
    }

    /// The device has vanished from its bus. Its driver is told, and the stack goes when the last
    /// handle is closed.
    pub fn surprise_remove(&self, pdo: &Rc<Pdo>) {
        let pdo = Rc::clone(pdo);
        self.enqueue(move || surprise_remove(&pdo));
    }

    /// Every device present.
    #[must_use]
    pub fn pdos(&self) -> Vec<Rc<Pdo>> {
        self.pdos.borrow().values().cloned().collect()
    }

    /// The device with a number.
    #[must_use]
    pub fn pdo(&self, id: u32) -> Option<Rc<Pdo>> {
        self.pdos.borrow().get(&id).cloned()
    }

    /// The bus forgets a device whose stack is gone.
    pub fn forget(&self, pdo: &Pdo) {
        self.pdos.borrow_mut().remove(&pdo.id);
        self.delete_device_object(pdo.device_object());
        kernel().sched.wake(self.changed());
    }

    /// The bus's device that a `DEVICE_OBJECT` belongs to: its own, or that of a device on top of
    /// it.
    #[must_use]
    pub fn pdo_of(&self, device_object: PDEVICE_OBJECT) -> Option<Rc<Pdo>> {
        let id = *self.device_objects.borrow().get(&device_object.addr())?;
        self.pdo(id)
    }

    /// Gives a device a name in the object manager.
    pub fn name_device(&self, name: &str, device: Rc<dyn NamedDevice>) {
        self.named.borrow_mut().insert(name.to_lowercase(), device);
    }

    /// The device with a name; names do not distinguish case.
    #[must_use]
    pub fn named_device(&self, name: &str) -> Option<Rc<dyn NamedDevice>> {
        self.named.borrow().get(&name.to_lowercase()).cloned()
    }

    pub(crate) fn create_device_object(&self, pdo: u32) -> Option<PDEVICE_OBJECT> {
        let memory = store::allocate(size_of::<_DEVICE_OBJECT>(), false)?;
        let address = memory.addr().get();
        self.device_objects.borrow_mut().insert(address, pdo);
        kernel()
            .ke
            .objects
            .register(address, "device object", move || store::free(memory));
        Some(memory.as_ptr().cast())
    }

    pub(crate) fn delete_device_object(&self, device_object: PDEVICE_OBJECT) {
        let address = device_object.addr();
        if self.device_objects.borrow_mut().remove(&address).is_some() {
            kernel().ke.objects.release(address);
        }
    }

    fn changed(&self) -> Key {
        *self
            .changed
            .get_or_init(|| kernel().sched.new_key_for("the PnP manager"))
    }

    /// Gives the PnP manager something to do, after everything that it has to do already.
    pub(crate) fn enqueue(&self, action: impl FnOnce() + 'static) {
        self.actions.borrow_mut().push_back(Box::new(action));
        if self.working.replace(true) {
            return;
        }
        kernel()
            .sched
            .spawn(ContextKind::SystemThread, "PnP manager", || {
                let pnp = &kernel().pnp;
                loop {
                    let action = pnp.actions.borrow_mut().pop_front();
                    let Some(action) = action else { break };
                    action();
                    kernel().sched.wake(pnp.changed());
                }
                pnp.working.set(false);
                kernel().sched.wake(pnp.changed());
            });
    }

    /// Lets the PnP manager do something, and waits for it.
    pub(crate) fn perform<R: 'static>(&self, action: impl FnOnce() -> R + 'static) -> R {
        let slot = Rc::new(RefCell::new(None));
        let result = Rc::clone(&slot);
        self.enqueue(move || {
            let value = action();
            *slot.borrow_mut() = Some(value);
        });
        loop {
            let value = result.borrow_mut().take();
            if let Some(value) = value {
                return value;
            }
            kernel().sched.wait(self.changed(), None);
        }
    }

    /// Waits until the PnP manager has nothing to do.
    pub(crate) fn settle(&self) {
        kernel()
            .sched
            .wait_until(self.changed(), || !self.working.get());
    }
}

/// Finds a driver for a device that has none, adds the device and starts it.
pub(crate) fn arrive(pdo: &Rc<Pdo>) {
    if pdo.gone.get() || pdo.device().is_some() {
        return;
    }
    let Some(driver) = driver::for_hardware(&pdo.hardware_id) else {
        return;
    };
    let status = driver::add_device(&driver, pdo);
    let Some(object) = pdo.device().filter(|_| NT_SUCCESS(status)) else {
        pdo.problem.set(Some(if NT_SUCCESS(status) {
            STATUS_PLUGPLAY_NO_DEVICE
        } else {
            status
        }));
        return;
    };
    match power::start(&object) {
        Ok(()) => pdo.problem.set(None),
        Err(status) => {
            pdo.problem.set(Some(status));
            finish_removal(pdo);
        }
    }
}

/// The orderly removal: asks first.
fn remove(pdo: &Rc<Pdo>) -> Result<(), NTSTATUS> {
    let object = pdo.device().ok_or(STATUS_NO_SUCH_DEVICE)?;
    let device = object.body::<Device>();
    if pdo.removal_pending.get() {
        return Err(STATUS_DEVICE_BUSY);
    }
    power::query_remove(&object)?;
    if device.open_files() > 0 {
        power::cancel_remove(&object);
        return Err(STATUS_DEVICE_BUSY);
    }
    power::remove(&object);
    finish_removal(pdo);
    Ok(())
}

fn surprise_remove(pdo: &Rc<Pdo>) {
    if pdo.gone.replace(true) {
        return;
    }
    if pdo.device().is_some() {
        take_down(pdo);
    } else {
        kernel().pnp.forget(pdo);
        pdo.bus.removed(pdo);
    }
}

/// Surprise-removes the stack; the rest follows when the last handle is closed.
fn take_down(pdo: &Rc<Pdo>) {
    let Some(object) = pdo.device() else { return };
    if pdo.removal_pending.replace(true) {
        return;
    }
    power::surprise_remove(&object);
    if object.body::<Device>().open_files() == 0 {
        finish_removal(pdo);
    }
}

/// `IRP_MN_REMOVE_DEVICE`: nobody has the device open any more.
fn finish_removal(pdo: &Rc<Pdo>) {
    let Some(object) = pdo.device() else { return };
    let restart = object.body::<Device>().failed_action.get() == Some(true);
    pdo.set_device(None);
    pdo.removal_pending.set(false);
    power::removed(&object);
    drop(object);
    if pdo.gone.get() {
        kernel().pnp.forget(pdo);
    }
    pdo.bus.removed(pdo);
    if restart && !pdo.gone.get() && pdo.restarts.get() < MOST_RESTARTS {
        pdo.restarts.set(pdo.restarts.get() + 1);
        arrive(pdo);
    }
}

/// How often a device that fails with `WdfDeviceFailedAttemptRestart` is started again.
const MOST_RESTARTS: u32 = 5;

/// The last handle to a device was closed.
pub(crate) fn last_file_closed(pdo: &Rc<Pdo>) {
    if !pdo.removal_pending.get() {
        return;
    }
    let pdo = Rc::clone(pdo);
    kernel().pnp.enqueue(move || {
        let unused = pdo
            .device()
            .is_some_and(|object| object.body::<Device>().open_files() == 0);
        if pdo.removal_pending.get() && unused {
            finish_removal(&pdo);
        }
    });
}

/// A driver or the framework has declared the device failed.
pub(crate) fn device_failed(pdo: &Rc<Pdo>) {
    let pdo = Rc::clone(pdo);
    kernel().pnp.enqueue(move || take_down(&pdo));
}

/// Removes every device that a driver serves, for its unload.
pub(crate) fn remove_all_of(driver: DriverId) -> Result<(), NTSTATUS> {
    for pdo in kernel().pnp.pdos() {
        if pdo.device().is_some_and(|object| object.driver == driver) {
            remove(&pdo)?;
        }
    }
    Ok(())
}

impl System {
    /// Every device that a bus has reported and not taken back.
    #[must_use]
    pub fn devices(&self) -> Vec<Rc<Pdo>> {
        kernel().pnp.pdos()
    }

    /// Waits until the PnP manager has nothing to do.
    pub fn settle_devices(&self) {
        kernel().pnp.settle();
    }

    /// Waits until a device is started.
    ///
    /// # Errors
    ///
    /// What adding or starting it failed with; `STATUS_NO_SUCH_DEVICE` without such a device or a
    /// driver for it.
    pub fn wait_started(&self, pdo: u32) -> Result<(), NTSTATUS> {
        kernel().pnp.settle();
        let pdo = kernel().pnp.pdo(pdo).ok_or(STATUS_NO_SUCH_DEVICE)?;
        if pdo.is_started() {
            return Ok(());
        }
        Err(pdo.problem().unwrap_or(STATUS_NO_SUCH_DEVICE))
    }

    /// Removes a device in an orderly way: its driver is asked, and open handles prevent it. The
    /// bus still has the device; [`System::enable_device`] adds it again.
    ///
    /// # Errors
    ///
    /// What `EvtDeviceQueryRemove` failed with; `STATUS_DEVICE_BUSY` while it is open;
    /// `STATUS_NO_SUCH_DEVICE`.
    pub fn remove_device(&self, pdo: u32) -> Result<(), NTSTATUS> {
        self.on_device(pdo, remove)
    }

    /// Adds and starts a device that was removed in an orderly way or failed to start.
    ///
    /// # Errors
    ///
    /// As [`System::wait_started`].
    pub fn enable_device(&self, pdo: u32) -> Result<(), NTSTATUS> {
        self.on_device(pdo, |pdo| {
            arrive(pdo);
            Ok(())
        })?;
        self.wait_started(pdo)
    }

    /// Pulls a device out. Returns when its driver has been told; the stack goes when the last
    /// handle is closed.
    ///
    /// # Errors
    ///
    /// `STATUS_NO_SUCH_DEVICE`.
    pub fn surprise_remove(&self, pdo: u32) -> Result<(), NTSTATUS> {
        self.on_device(pdo, |pdo| {
            surprise_remove(pdo);
            Ok(())
        })
    }

    /// Puts a device to sleep, as for the system's sleep.
    ///
    /// # Errors
    ///
    /// `STATUS_INVALID_DEVICE_STATE` if it is not started and in D0; what the driver's callbacks
    /// failed with.
    pub fn power_down(&self, pdo: u32) -> Result<(), NTSTATUS> {
        self.on_started(pdo, power::power_down)
    }

    /// Wakes a device up again.
    ///
    /// # Errors
    ///
    /// `STATUS_INVALID_DEVICE_STATE` if it is not asleep; what the driver's callbacks failed with.
    pub fn power_up(&self, pdo: u32) -> Result<(), NTSTATUS> {
        self.on_started(pdo, power::power_up)
    }

    /// Stops a device to rebalance resources, and starts it again.
    ///
    /// # Errors
    ///
    /// What `EvtDeviceQueryStop` or starting it again failed with.
    pub fn rebalance(&self, pdo: u32) -> Result<(), NTSTATUS> {
        self.on_started(pdo, power::rebalance)
    }

    fn on_device(
        &self,
        pdo: u32,
        action: impl FnOnce(&Rc<Pdo>) -> Result<(), NTSTATUS> + 'static,
    ) -> Result<(), NTSTATUS> {
        let _ = self;
        kernel().pnp.perform(move || {
            let pdo = kernel().pnp.pdo(pdo).ok_or(STATUS_NO_SUCH_DEVICE)?;
            action(&pdo)
        })
    }

    fn on_started(
        &self,
        pdo: u32,
        action: fn(&Rc<Object>) -> Result<(), NTSTATUS>,
    ) -> Result<(), NTSTATUS> {
        self.on_device(pdo, move |pdo| {
            let object = pdo.device().ok_or(STATUS_NO_SUCH_DEVICE)?;
            if object.body::<Device>().pnp_state() != PnpState::Started {
                return Err(STATUS_INVALID_DEVICE_STATE);
            }
            let result = action(&object);
            if let Err(status) = result
                && object.body::<Device>().pnp_state() == PnpState::Failed
            {
                pdo.problem.set(Some(status));
                take_down(pdo);
            }
            result
        })
    }
}
