//! `--trace`: the run as Chrome trace events.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::program::{Place, bytes, code, refused, stderr, stdout, text, vmbsim};

/// Runs with a trace and reads it.
fn traced(place: &Place, name: &str, more: &[&str]) -> (i32, Vec<u8>, Vec<Value>) {
    let input = place.file("input", &bytes(60_000));
    let file = text(&place.path(name));
    let output = vmbsim([&["--input", &input, "--trace", &file], more].concat());
    let raw = std::fs::read(&file).unwrap_or_else(|error| panic!("{error}: {}", stderr(&output)));
    let events: Vec<Value> = serde_json::from_slice(&raw).expect("a JSON array");
    assert!(
        stdout(&output).contains("ui.perfetto.dev"),
        "{}",
        stdout(&output)
    );
    (code(&output), raw, events)
}

/// The spans of each track, as start and end in nanoseconds.
fn tracks(events: &[Value]) -> BTreeMap<u64, Vec<(u64, u64)>> {
    let nanoseconds = |value: &Value| {
        let text = value.to_string();
        let (whole, part) = text.split_once('.').unwrap_or((&text, "0"));
        let part = format!("{part:0<3}");
        whole.parse::<u64>().unwrap() * 1000 + part.parse::<u64>().unwrap()
    };
    let mut tracks: BTreeMap<u64, Vec<(u64, u64)>> = BTreeMap::new();
    for event in events.iter().filter(|event| event["ph"] == "X") {
        let start = nanoseconds(&event["ts"]);
        let track = tracks.entry(event["tid"].as_u64().unwrap()).or_default();
        track.push((start, start + nanoseconds(&event["dur"])));
    }
    tracks
}

#[test]
fn the_trace_has_the_drivers_callbacks_and_its_calls_on_tracks_of_their_own() {
    let place = Place::new();
    let (code, raw, events) = traced(&place, "a.json", &[]);
    assert_eq!(code, 0);
    for name in [
        "DriverEntry",
        "EvtIoWrite",
        "EvtVmbChannelProcessPacket",
        "VmbPacketSend",
    ] {
        assert!(events.iter().any(|event| event["name"] == name), "{name}");
    }
    let named = |event: &&Value| event["ph"] == "M" && event["name"] == "thread_name";
    let tracks = tracks(&events);
    assert_eq!(
        events.iter().filter(named).count(),
        tracks.len(),
        "each track has a name"
    );
    for spans in tracks.values() {
        // A span is written at its end, so those before it end before it begins, or lie within.
        for pair in spans.windows(2) {
            let [(_, before), (start, end)] = pair else {
                unreachable!("two of them")
            };
            assert!(before <= end, "{pair:?}");
            assert!(before <= start || pair[0].0 >= *start, "{pair:?}");
        }
    }
    assert_eq!(
        raw,
        traced(&place, "b.json", &[]).1,
        "a seed gives the same events"
    );
    assert_ne!(raw, traced(&place, "c.json", &["--seed", "2"]).1);
}

#[test]
fn an_interrupted_run_leaves_a_whole_trace() {
    let place = Place::new();
    let (code, _, events) = traced(&place, "a.json", &["--host", "rescind"]);
    assert_eq!(code, 3);
    assert!(
        events
            .iter()
            .any(|event| event["name"] == "EvtChannelClosed")
    );
}

#[test]
fn a_trace_that_cannot_be_written_is_an_error() {
    refused(
        &["--input", "/dev/null", "--trace", "/dev/full"],
        &["cannot write /dev/full"],
    );
    refused(
        &["--trace", "/no/such/folder/file"],
        &["cannot write /no/such/folder/file"],
    );
    refused(&["--trace", "-"], &["--trace needs a file of its own"]);
    refused(
        &["--trace", "x", "--output", "x"],
        &["the same file is the output"],
    );
}
