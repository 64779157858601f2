//! The channel's end in this driver: what KMCL tells it, it tells the link.

use kmcl::channel::{Context, Handler, Running};
use kmcl::incoming::{Disposition, Incoming};
use kmcl::packet::Completed;
use kmcl::pool::PoolArc;
use kmcl::status::Status;
use wdk_sys::STATUS_DEVICE_NOT_CONNECTED;

use crate::link::{Link, Outgoing};
use crate::session::Sessions;

/// The handler of a device's channel.
///
/// KMCL tells a driver that a connection failed only if it was to find the device by itself. Here
/// the parent device names it: a host that refuses looks like one that does not answer, and the
/// device's timer ends what waits.
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
        self.0.change(Sessions::started);
        self.0.settle(cx.irql());
    }

    fn suspended(&self, cx: &mut Context<'_, Self>) {
        self.0.change(Sessions::suspended);
        self.0.settle(cx.irql());
    }

    fn closed(&self, cx: &mut Context<'_, Self>) {
        self.0.change(Sessions::suspended);
        self.0.settle(cx.irql());
    }

    fn process_packet<'c>(
        &self,
        cx: &mut Running<'c, Self>,
        packet: Incoming<'c, Self>,
    ) -> Disposition<'c> {
        self.0.receive(packet, cx.irql())
    }

    fn completed(&self, cx: &mut Running<'_, Self>, done: Completed<'_, Self>) {
        let outcome = if done.status().is_success() {
            Ok(done.reply())
        } else {
            // Only a channel that closes gives a packet back like this; which status it has then is
            // documented nowhere.
            Err(STATUS_DEVICE_NOT_CONNECTED)
        };
        let answer = self.0.answer(done.context(), outcome, cx.irql());
        let outgoing = done.into_context();
        self.0.release(outgoing, answer, cx.irql());
    }
}
