//! Every call that can fail fails once.

use std::num::NonZeroU64;
use std::time::Duration;

use kmcl::irql::Passive;
use kmcl::mdl::{HostBuffer, Mdl};
use kmcl::packet::Mode;
use kmcl::pool::Tag;
use kmcl::status::Error;
use ntsim::vmbus::{KmclBehaviour, backends};
use ntsim::{Config, Outcome};

use crate::driver::{Device, How, Options, State};
use crate::guest::run_failing;

/// A synchronous request with a page for the host, and a tenth of a second.
fn request_with_memory(state: &State, irql: &mut Passive<'_>) -> Result<usize, Error> {
    let sender = state.sender(irql).ok_or(Error::NotOpen)?;
    let page = Mdl::try_new(HostBuffer::try_new(4096, Tag::new(*b"KmTs"))?)?;
    let mut reply = [0; 16];
    let (length, _page) = sender.sync_request_with(
        b"\0page",
        page,
        &mut reply,
        NonZeroU64::new(1_000_000),
        irql,
    )?;
    Ok(length)
}

fn one_fails(seed: u64, call: u64, routine_on_failed_send: bool) -> bool {
    let config = Config {
        fail_call: Some(call.into()),
        kmcl: KmclBehaviour {
            routine_on_failed_send: Some(routine_on_failed_send),
            ..KmclBehaviour::default()
        },
        ..Config::with_seed(seed)
    };
    let options = Options {
        gpadl_in_opened: true,
        sync_in_post_started: true,
        resends: 1,
        ..Options::default()
    };
    let report = run_failing(config, options, backends::echo, |guest| {
        guest.system.sleep(Duration::from_micros(100));
        for how in [How::Allocated, How::InPlace, How::External] {
            let _ = guest.state(|state, irql| state.send(&[0; 40], Mode::Transact, how, irql));
        }
        for first in [0, 1, 2] {
            let _ = guest.state(|state, irql| state.send_copied(&[first; 16], irql));
        }
        let _ = guest.state(request_with_memory);
        guest.system.sleep(Duration::from_micros(100));
        let _ = guest.state(|state, irql| state.create_gpadl(true, irql));
        let _ = guest.state(State::delete_gpadl);
        guest.ask(Device::disable);
        // What was sent is back, once: also if the call that failed has run the completion routine.
        assert_eq!(
            guest.count(|counts| &counts.completed),
            guest.count(|counts| &counts.sent) + guest.count(|counts| &counts.gone)
        );
        assert_eq!(guest.count(|counts| &counts.bad), 0);
        let _ = guest.ask(Device::enable);
        guest.system.sleep(Duration::from_micros(100));
    });
    if !matches!(report.outcome, Outcome::Finished(_)) {
        eprintln!("with call {call} failing:");
    }
    report.expect_finished() >= call
}

#[test]
fn whichever_call_fails_everything_is_given_back() {
    for routine_on_failed_send in [false, true] {
        for seed in 1..=2 {
            let mut call = 1;
            while one_fails(seed, call, routine_on_failed_send) {
                call += 1;
            }
            assert!(call > 20, "only {call} calls can fail");
        }
    }
}
