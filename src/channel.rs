//! The channel's end in this driver: what KMCL tells it, it tells the link.

use kmcl::channel::{Context, Handler, Running};
use kmcl::incoming::{Disposition, Incoming};
use kmcl::packet::Completed;
use kmcl::pool::PoolArc;
use kmcl::status::Status;
use wdk_sys::STATUS_DEVICE_NOT_CONNECTED;

use crate::link::{Link, Outgoing};

/// The handler of a device's channel.
pub struct Port(PoolArc<Link>);

impl Port {
    /// The handler that serves a link.
    pub const fn new(link: PoolArc<Link>) -> Self {
        Self(link)
    }
}

impl Handler for Port {
    type Transaction = Outgoing;

    fn opened(&self, cx: &mut Context<'_, Self>) -> Result<(), Status> {
        let sender = cx.sender();
        self.0.set_sender(Some(sender), cx.irql());
        Ok(())
    }

    fn started(&self, cx: &mut Context<'_, Self>) {
        self.0.sessions().started();
        self.0.settle(cx.irql());
    }

    fn suspended(&self, cx: &mut Context<'_, Self>) {
        self.0.sessions().suspended();
        self.0.settle(cx.irql());
    }

    fn closed(&self, cx: &mut Context<'_, Self>) {
        self.0.sessions().suspended();
        self.0.settle(cx.irql());
    }

    fn process_packet<'c>(&self, cx: &mut Running<'c, Self>, packet: Incoming<'c, Self>) -> Disposition<'c> {
        self.0.receive(packet, cx.irql())
    }

    fn completed(&self, cx: &mut Running<'_, Self>, done: Completed<'_, Self>) {
        let outcome = if done.status().is_success() {
            Ok(done.reply())
        } else {
            // Only a channel that closes gives a packet back like this; which status it has then is documented nowhere.
            Err(STATUS_DEVICE_NOT_CONNECTED)
        };
        let answer = self.0.answer(done.context(), outcome, cx.irql());
        let outgoing = done.into_context();
        self.0.release(outgoing, answer, cx.irql());
    }

    fn pnp_failure(&self, cx: &mut Context<'_, Self>, _status: Status) {
        self.0.sessions().suspended();
        self.0.settle(cx.irql());
    }
}
