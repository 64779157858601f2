//! A buffer that travels with a packet cannot be touched until it is back.
use kmcl::channel::Handler;
use kmcl::packet::{Mode, Sender, Transaction};

struct Message([u8; 64]);

impl Transaction for Message {
    fn payload(&self) -> &[u8] {
        &self.0
    }
}

fn send<H: Handler<Transaction = Message>>(sender: &Sender<H>) {
    let mut message = Message([0; 64]);
    if let Ok(packet) = sender.transaction(message) {
        let _ = packet.send(Mode::Transact);
    }
    message.0[0] = 1;
}

fn main() {}
