//! Plug and play: physical device objects, the buses that own them, and which driver serves which device.
//!
//! A bus (VMBus here) reports a device by [`State::report`]; what the PnP manager then does with it (adding the function
//! driver, starting, removing) is in the I/O and framework modules.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use wdk_sys_lite::{GUID, NTSTATUS, PINTERFACE, PVOID};

use crate::kernel::{DriverId, Leak};

/// What a bus driver does for a device of its own.
pub trait Bus {
    /// `IRP_MN_QUERY_INTERFACE` has come down to the physical device object.
    ///
    /// `interface` points to `size` writable bytes of the caller's. `STATUS_NOT_SUPPORTED` if the bus has no such interface.
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
}

/// All devices that buses have reported.
#[derive(Default)]
pub struct State {
    pdos: RefCell<BTreeMap<u32, Rc<Pdo>>>,
}

impl State {
    pub(crate) fn leaks(&self, _driver: DriverId, _leaks: &mut Vec<Leak>) {
        let _ = self;
    }

    /// A bus reports a new device.
    pub fn report(&self, hardware_id: String, instance: String, bus: Rc<dyn Bus>) -> Rc<Pdo> {
        let mut pdos = self.pdos.borrow_mut();
        let id = pdos.last_key_value().map_or(1, |(id, _)| id + 1);
        let pdo = Rc::new(Pdo {
            id,
            hardware_id,
            instance,
            bus,
        });
        pdos.insert(id, Rc::clone(&pdo));
        pdo
    }

    /// Every device present.
    #[must_use]
    pub fn pdos(&self) -> Vec<Rc<Pdo>> {
        self.pdos.borrow().values().cloned().collect()
    }

    /// The bus forgets a device whose stack is gone.
    pub fn forget(&self, pdo: &Pdo) {
        self.pdos.borrow_mut().remove(&pdo.id);
    }
}
