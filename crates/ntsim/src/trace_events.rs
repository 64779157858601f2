//! A run as Chrome trace events, which <https://ui.perfetto.dev> and `chrome://tracing` open.
//!
//! Each simulated context is a track. A span is a driver's callback, or a function of the kernel,
//! the framework or KMCL that a driver calls in it. Times are of the simulated machine, in
//! microseconds, so a seed gives the same events. Events are written as they happen and not kept.
//!
//! The format is the JSON array form of the *Trace Event Format*: complete events (`X`) and
//! metadata (`M`).

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use crate::sched::{Context, ContextId, Nanoseconds};

/// Where the events of a run go: the value of [`Config::trace`](crate::Config::trace). Clones go to
/// the same place.
#[derive(Clone)]
pub struct TraceSink(Arc<Mutex<Sink>>);

struct Sink {
    out: Box<dyn Write + Send>,
    /// The first failure; nothing is written after it.
    failed: Option<io::Error>,
    empty: bool,
}

impl TraceSink {
    /// Writes to `out`, which should be buffered.
    pub fn new(out: impl Write + Send + 'static) -> Self {
        Self(Arc::new(Mutex::new(Sink {
            out: Box::new(out),
            failed: None,
            empty: true,
        })))
    }

    fn event(&self, event: &str) {
        let mut sink = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if sink.failed.is_some() {
            return;
        }
        let before = if sink.empty { "[\n" } else { ",\n" };
        sink.empty = false;
        let written = sink
            .out
            .write_all(before.as_bytes())
            .and_then(|()| sink.out.write_all(event.as_bytes()));
        sink.failed = written.err();
    }

    /// Ends the array and flushes it, once the runs that write to it are over.
    ///
    /// # Errors
    ///
    /// The first error of any write.
    pub fn finish(&self) -> io::Result<()> {
        let mut sink = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(error) = sink.failed.take() {
            return Err(error);
        }
        let end: &[u8] = if sink.empty { b"[]\n" } else { b"\n]\n" };
        sink.out.write_all(end)?;
        sink.out.flush()
    }
}

impl fmt::Debug for TraceSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TraceSink")
    }
}

/// A call that has not returned.
struct Open {
    name: &'static str,
    start: Nanoseconds,
    /// Of a driver's callback: the IRQL and the processor.
    callback: Option<(u8, Option<usize>)>,
}

/// Writes down one machine.
pub(crate) struct Recorder {
    sink: TraceSink,
    /// The calls of each context, outermost first.
    open: RefCell<BTreeMap<ContextId, Vec<Open>>>,
}

/// Nanoseconds as microseconds.
fn microseconds(time: Nanoseconds) -> String {
    format!("{}.{:03}", time / 1000, time % 1000)
}

/// A text as JSON has it.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' | '\\' => quoted.extend(['\\', letter]),
            letter if letter.is_control() => quoted.push('?'),
            letter => quoted.push(letter),
        }
    }
    quoted.push('"');
    quoted
}

impl Recorder {
    pub(crate) fn new(sink: TraceSink, seed: u64) -> Self {
        sink.event(&format!(
            "{{\"name\":\"process_name\",\"ph\":\"M\",\"pid\":1,\"args\":{{\"name\":\"simulated guest, seed {seed}\"}}}}"
        ));
        Self {
            sink,
            open: RefCell::default(),
        }
    }

    /// A call begins: of a driver's callback, or of a function by a driver.
    pub(crate) fn begin(
        &self,
        context: &Context,
        name: &'static str,
        is_callback: bool,
        now: Nanoseconds,
    ) {
        let mut open = self.open.borrow_mut();
        let calls = open.entry(context.id).or_insert_with(|| {
            self.sink.event(&format!(
                "{{\"name\":\"thread_name\",\"ph\":\"M\",\"pid\":1,\"tid\":{},\"args\":{{\"name\":{}}}}}",
                context.id.number(),
                quoted(&context.name)
            ));
            Vec::new()
        });
        calls.push(Open {
            name,
            start: now,
            callback: is_callback.then(|| (context.irql(), context.processor())),
        });
    }

    /// The context's innermost call has returned.
    pub(crate) fn end(&self, context: ContextId, now: Nanoseconds) {
        let call = self.open.borrow_mut().get_mut(&context).and_then(Vec::pop);
        if let Some(call) = call {
            self.write(context, &call, now);
        }
    }

    /// The machine has stopped: calls that will never return end now.
    pub(crate) fn close(&self, now: Nanoseconds) {
        let open = std::mem::take(&mut *self.open.borrow_mut());
        for (context, calls) in open {
            for call in calls.iter().rev() {
                self.write(context, call, now);
            }
        }
    }

    fn write(&self, context: ContextId, call: &Open, now: Nanoseconds) {
        let args = match call.callback {
            None => String::new(),
            Some((irql, processor)) => {
                let processor =
                    processor.map_or_else(String::new, |number| format!(",\"processor\":{number}"));
                format!(",\"cat\":\"callback\",\"args\":{{\"irql\":{irql}{processor}}}")
            }
        };
        self.sink.event(&format!(
            "{{\"name\":{},\"ph\":\"X\",\"pid\":1,\"tid\":{},\"ts\":{},\"dur\":{}{args}}}",
            quoted(call.name),
            context.number(),
            microseconds(call.start),
            microseconds(now - call.start)
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::{microseconds, quoted};

    #[test]
    fn names_and_times_are_json() {
        assert_eq!(quoted("a \"b\" \\ \n"), "\"a \\\"b\\\" \\\\ ?\"");
        assert_eq!(microseconds(1_234_005), "1234.005");
    }
}
