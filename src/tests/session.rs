use crate::ioctl::State;
use crate::session::{Moment, Sessions};

fn now(sessions: &Sessions) -> (State, u32) {
    let Moment { state, session } = sessions.now();
    (state, session)
}

#[test]
fn a_session_lasts_from_power_up_to_power_down() {
    let sessions = Sessions::new();
    assert_eq!(now(&sessions), (State::Off, 1));
    sessions.power_up();
    assert_eq!(now(&sessions), (State::Connecting, 1));
    sessions.started();
    assert_eq!(now(&sessions), (State::Open, 1));
    sessions.power_down();
    assert_eq!(now(&sessions), (State::Off, 2));
    sessions.suspended();
    assert_eq!(
        now(&sessions),
        (State::Off, 2),
        "the disabled channel's callbacks change nothing"
    );
    sessions.power_up();
    sessions.started();
    assert_eq!(now(&sessions), (State::Open, 2));
}

#[test]
fn what_the_host_closed_keeps_its_session_until_it_starts_again() {
    let sessions = Sessions::new();
    sessions.power_up();
    sessions.started();
    sessions.suspended();
    sessions.suspended();
    assert_eq!(now(&sessions), (State::Closed, 1));
    sessions.started();
    assert_eq!(now(&sessions), (State::Open, 2));
}

#[test]
fn a_channel_that_starts_while_the_device_goes_down_stays_off() {
    let sessions = Sessions::new();
    sessions.power_up();
    sessions.power_down();
    sessions.started();
    assert_eq!(now(&sessions), (State::Off, 2));
}

#[test]
fn a_host_that_opens_too_late_still_opens_the_same_session() {
    let sessions = Sessions::new();
    assert_eq!(sessions.timed_out(), None, "nobody waits for the host");
    sessions.power_up();
    sessions.timed_out();
    assert_eq!(now(&sessions), (State::Unanswered, 1));
    sessions.started();
    assert_eq!(now(&sessions), (State::Open, 1));
    assert_eq!(sessions.timed_out(), None, "it is open");
    sessions.power_down();
    sessions.power_up();
    sessions.timed_out();
    sessions.power_down();
    assert_eq!(now(&sessions), (State::Off, 3));
}

#[test]
fn a_change_is_told_once() {
    let sessions = Sessions::new();
    let connecting = Moment {
        state: State::Connecting,
        session: 1,
    };
    assert_eq!(sessions.power_up(), Some(connecting));
    assert_eq!(sessions.power_up(), None);
}

#[test]
fn a_removed_device_stays_removed() {
    let sessions = Sessions::new();
    sessions.power_up();
    sessions.removed();
    sessions.started();
    sessions.suspended();
    sessions.power_down();
    sessions.power_up();
    assert_eq!(now(&sessions), (State::Removed, 1));
}

#[test]
fn requests_wait_while_connecting_and_are_refused_when_there_is_no_channel() {
    let refusal = |state| Moment { state, session: 7 }.refusal();
    assert_eq!(refusal(State::Connecting), None);
    assert_eq!(refusal(State::Open), None);
    assert_eq!(
        refusal(State::Off),
        Some(wdk_sys::STATUS_DEVICE_NOT_CONNECTED)
    );
    assert_eq!(
        refusal(State::Closed),
        Some(wdk_sys::STATUS_DEVICE_NOT_CONNECTED)
    );
    assert_eq!(
        refusal(State::Removed),
        Some(wdk_sys::STATUS_DEVICE_REMOVED)
    );
    assert_eq!(refusal(State::Unanswered), Some(wdk_sys::STATUS_IO_TIMEOUT));
}

#[test]
fn state_and_session_survive_the_packing() {
    for state in [
        State::Off,
        State::Connecting,
        State::Open,
        State::Closed,
        State::Removed,
        State::Unanswered,
    ] {
        for session in [0, 1, u32::MAX] {
            let moment = Moment { state, session };
            assert_eq!(Moment::unpack(moment.pack()), moment);
        }
    }
}
