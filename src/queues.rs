//! What programs ask for, checked and sent on its way.
//!
//! Requests come in on any processor, at `DISPATCH_LEVEL` or below; nothing here waits. What cannot
//! be done is answered at once with the status that [`ioctl`](crate::ioctl) documents.

use kmcl::irql::Dispatch;
use kmcl::status::Status;
use wdk_sys::{
    NTSTATUS, STATUS_BUFFER_TOO_SMALL, STATUS_DEVICE_NOT_CONNECTED, STATUS_INVALID_BUFFER_SIZE,
    STATUS_INVALID_DEVICE_REQUEST, STATUS_INVALID_PARAMETER,
};
use zerocopy::IntoBytes;

use crate::ioctl::{IOCTL_VMBCHAN_QUERY_INFO, IOCTL_VMBCHAN_TRANSACT, Info};
use crate::link::Link;
use crate::session::Moment;
use crate::wdf::memory::copy;
use crate::wdf::object::context;
use crate::wdf::request::{Kind, Request};

/// What is kept with a handle: the session in which it was opened.
#[derive(Clone, Copy, Debug)]
pub struct Handle {
    session: u32,
}

context!(Handle);

impl Handle {
    /// A handle that is opened now.
    pub fn new(link: &Link) -> Self {
        Self {
            session: link.now().session,
        }
    }

    /// The status that refuses a request of this handle's; none if it may be served.
    fn refusal(self, now: Moment) -> Option<NTSTATUS> {
        if self.session == now.session {
            None
        } else {
            Some(now.refusal().unwrap_or(STATUS_DEVICE_NOT_CONNECTED))
        }
    }
}

/// What is to be done with a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Plan {
    Read,
    Write,
    QueryInfo,
    Refuse(NTSTATUS),
}

/// Decides by the request's kind and lengths alone.
fn plan(kind: Kind, maximum_message_size: usize) -> Plan {
    match kind {
        Kind::Read(0) => Plan::Refuse(STATUS_INVALID_PARAMETER),
        Kind::Read(_) => Plan::Read,
        Kind::Write(length)
        | Kind::Control {
            code: IOCTL_VMBCHAN_TRANSACT,
            input: length,
            ..
        } => {
            if length == 0 {
                Plan::Refuse(STATUS_INVALID_PARAMETER)
            } else if length > maximum_message_size {
                Plan::Refuse(STATUS_INVALID_BUFFER_SIZE)
            } else {
                Plan::Write
            }
        }
        Kind::Control {
            code: IOCTL_VMBCHAN_QUERY_INFO,
            input,
            output,
        } => {
            if input != 0 {
                Plan::Refuse(STATUS_INVALID_PARAMETER)
            } else if output < size_of::<Info>() {
                Plan::Refuse(STATUS_BUFFER_TOO_SMALL)
            } else {
                Plan::QueryInfo
            }
        }
        Kind::Control { .. } | Kind::Other => Plan::Refuse(STATUS_INVALID_DEVICE_REQUEST),
    }
}

/// Serves a request.
pub fn serve(link: &Link, request: Request, irql: &mut Dispatch<'_>) {
    let maximum = link.config().maximum_message_size.get() as usize;
    let plan = plan(request.kind(), maximum);
    // A request without a file is a driver's own; there is no handle whose session could have
    // ended.
    let stale = request
        .file::<Handle>()
        .and_then(|handle| handle.refusal(link.now()));
    match (plan, stale) {
        (Plan::Refuse(status), _) => {
            let (id, kind) = (link.id(), request.kind());
            wdk::println!(
                "vmbchan {id:#x}: {kind} was refused with {}",
                Status(status)
            );
            request.complete(Status(status), 0);
        }
        (Plan::Read | Plan::Write, Some(status)) => request.complete(Status(status), 0),
        (Plan::QueryInfo, _) => query_info(link, request, irql),
        (Plan::Read, None) => link.read(request, irql),
        (Plan::Write, None) => link.write(request, irql),
    }
}

fn query_info(link: &Link, mut request: Request, irql: &mut Dispatch<'_>) {
    let info = link.info(irql);
    let bytes = info.as_bytes();
    let written = request
        .output()
        .and_then(|output| match copy(bytes, output) {
            written if written == bytes.len() => Ok(written),
            _ => Err(Status(STATUS_BUFFER_TOO_SMALL)),
        });
    match written {
        Ok(length) => request.complete(Status::SUCCESS, length),
        Err(status) => request.complete(status, 0),
    }
}

#[cfg(test)]
mod tests {
    use super::{Handle, Plan, plan};
    use crate::ioctl::{IOCTL_VMBCHAN_QUERY_INFO, IOCTL_VMBCHAN_TRANSACT, State};
    use crate::session::Moment;
    use crate::wdf::request::Kind;
    use wdk_sys::{
        STATUS_BUFFER_TOO_SMALL, STATUS_DEVICE_NOT_CONNECTED, STATUS_DEVICE_REMOVED,
        STATUS_INVALID_BUFFER_SIZE, STATUS_INVALID_DEVICE_REQUEST, STATUS_INVALID_PARAMETER,
    };

    const MAXIMUM: usize = 100;

    #[test]
    fn messages_of_one_byte_to_the_limit_are_sent() {
        for length in [1, 2, MAXIMUM] {
            assert_eq!(plan(Kind::Write(length), MAXIMUM), Plan::Write);
        }
        assert_eq!(
            plan(Kind::Write(0), MAXIMUM),
            Plan::Refuse(STATUS_INVALID_PARAMETER)
        );
        assert_eq!(
            plan(Kind::Write(MAXIMUM + 1), MAXIMUM),
            Plan::Refuse(STATUS_INVALID_BUFFER_SIZE)
        );
    }

    #[test]
    fn a_read_needs_a_buffer_of_any_length() {
        assert_eq!(
            plan(Kind::Read(0), MAXIMUM),
            Plan::Refuse(STATUS_INVALID_PARAMETER)
        );
        assert_eq!(plan(Kind::Read(1), MAXIMUM), Plan::Read);
        assert_eq!(plan(Kind::Read(usize::MAX), MAXIMUM), Plan::Read);
    }

    #[test]
    fn every_pair_of_lengths_has_its_answer() {
        for input in 0..=64 {
            for output in 0..=256 {
                let control = |code| {
                    plan(
                        Kind::Control {
                            code,
                            input,
                            output,
                        },
                        32,
                    )
                };
                let transact = match input {
                    0 => Plan::Refuse(STATUS_INVALID_PARAMETER),
                    1..=32 => Plan::Write,
                    _ => Plan::Refuse(STATUS_INVALID_BUFFER_SIZE),
                };
                assert_eq!(control(IOCTL_VMBCHAN_TRANSACT), transact);
                let query = match (input, output) {
                    (1.., _) => Plan::Refuse(STATUS_INVALID_PARAMETER),
                    (0, ..136) => Plan::Refuse(STATUS_BUFFER_TOO_SMALL),
                    (0, _) => Plan::QueryInfo,
                };
                assert_eq!(control(IOCTL_VMBCHAN_QUERY_INFO), query);
                assert_eq!(
                    control(IOCTL_VMBCHAN_QUERY_INFO + 4),
                    Plan::Refuse(STATUS_INVALID_DEVICE_REQUEST)
                );
            }
        }
    }

    #[test]
    fn a_handle_of_an_earlier_session_is_refused() {
        let handle = Handle { session: 1 };
        let now = |state, session| handle.refusal(Moment { state, session });
        assert_eq!(now(State::Open, 1), None);
        assert_eq!(
            now(State::Closed, 1),
            None,
            "what was received can still be read"
        );
        assert_eq!(now(State::Open, 2), Some(STATUS_DEVICE_NOT_CONNECTED));
        assert_eq!(now(State::Removed, 2), Some(STATUS_DEVICE_REMOVED));
    }
}
